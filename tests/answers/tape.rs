//! The frames of one test as a capture that Wireshark opens.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};

/// A capture under cargo's directory for integration tests, named after the running test.
pub struct Tape {
    writer: PcapWriter<File>,
    path: PathBuf,
    frames: u64,
}

impl Tape {
    pub fn of_this_test() -> Self {
        Self::named("")
    }

    /// A second capture of the running test.
    pub fn named(suffix: &str) -> Self {
        let thread = std::thread::current();
        let name = format!("{}{suffix}", thread.name().unwrap_or("main").replace("::", "-"));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pcaps");
        std::fs::create_dir_all(&folder).expect("a folder for captures");
        let path = folder.join(format!("{name}.pcap"));
        let file = File::create(&path).expect("a capture");
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        Self { writer: PcapWriter::with_header(file, header).expect("a capture header"), path, frames: 0 }
    }

    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    pub fn write(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("a short frame");
        let packet = PcapPacket::new(Duration::from_millis(self.frames), length, frame).expect("whole");
        self.writer.write_packet(&packet).expect("a packet in the capture");
        self.frames += 1;
    }
}
