//! Capture files: pcap and pcapng in, pcapng out, one frame at a time and in constant memory.
//!
//! A capture is a stranger's file: whatever is in it, reading ends with frames or with an error that names the frame,
//! never with a panic or with more memory than [`MAX_RECORD`]. Both byte orders, microseconds and nanoseconds, and any
//! link type are read; what a link type means is for the caller.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use pcap_file::pcap::{PcapReadError, PcapReader, PcapTsResolution};
use pcap_file::pcapng::blocks::block_common::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::{Block, PcapNgReadError, PcapNgReader};

mod writer;

pub use writer::{Direction, Writer};

/// Octets of the longest record of a capture: four times the longest snapshot that tcpdump takes (262 144 octets).
pub const MAX_RECORD: usize = 1 << 20;

/// What stands in front of each packet of a capture: a LINKTYPE_ value of the tcpdump registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

/// An interface of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What stands in front of its packets.
    pub link: LinkType,
    /// Its name on the machine that captured; pcapng may say it, pcap cannot.
    pub name: Option<String>,
}

/// One captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Place in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// Since 1970-01-01 00:00:00 UTC; zero in a pcapng simple packet, which has no time.
    pub time: Duration,
    /// Index into [`Capture::interfaces`].
    pub interface: usize,
    /// Octets on the wire; more than `octets.len()` when the capture cut it off.
    pub length: usize,
    /// The octets captured, link-layer header first.
    pub octets: Vec<u8>,
}

/// Why a capture cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("cannot read {name}: {cause}")]
    Read {
        /// The file.
        name: String,
        /// What the operating system says.
        cause: io::Error,
    },
    /// The first octets are of no capture format.
    #[error("{name} is not a capture: {why}")]
    NotACapture {
        /// The file.
        name: String,
        /// What it seems to be, and the remedy.
        why: &'static str,
    },
    /// The file breaks off or contradicts itself.
    #[error("{name} is broken behind frame {frame}: {why}")]
    Broken {
        /// The file.
        name: String,
        /// The last frame that could be read; 0 when there was none.
        frame: u64,
        /// What is wrong with the next record.
        why: String,
    },
}

/// A capture being read: an iterator over its frames that ends after the last one or the first error.
pub struct Capture {
    name: String,
    format: Format,
    interfaces: Vec<Interface>,
    /// Interfaces of the earlier sections of the file.
    earlier: usize,
    frames: u64,
    ended: bool,
}

type Source = Box<dyn Read>;

enum Format {
    Pcap(PcapReader<Source>),
    PcapNg(PcapNgReader<Source>),
}

impl LinkType {
    /// Ethernet: the only one that shows a guest's MAC and the frame's destination.
    pub const ETHERNET: Self = Self(1);

    /// Its name in the registry, for those that captures of IPv6 have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "NULL",
            1 => "ETHERNET",
            8 => "SLIP",
            9 => "PPP",
            12 | 14 | 101 => "RAW",
            105 => "IEEE802_11",
            108 => "LOOP",
            113 => "LINUX_SLL",
            127 => "IEEE802_11_RADIOTAP",
            228 => "IPV4",
            229 => "IPV6",
            276 => "LINUX_SLL2",
            _ => "unnamed",
        }
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.name(), self.0)
    }
}

impl Capture {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`CaptureError::Read`] when the file is missing or unreadable, [`CaptureError::NotACapture`] or
    /// [`CaptureError::Broken`] when it holds something else.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::read(&name, file),
            Err(cause) => Err(CaptureError::Read { name, cause }),
        }
    }

    /// Reads a capture from anywhere; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(name: &str, mut source: impl Read + 'static) -> Result<Self, CaptureError> {
        let mut magic = Vec::with_capacity(4);
        if let Err(cause) = source.by_ref().take(4).read_to_end(&mut magic) {
            return Err(CaptureError::Read { name: name.to_owned(), cause });
        }
        let kind =
            Kind::of(&magic).map_err(|why| CaptureError::NotACapture { name: name.to_owned(), why })?;
        let source: Source = Box::new(Cursor::new(magic).chain(source));
        let mut capture = Self::empty(name, kind, source)?;
        if let Format::Pcap(reader) = &capture.format {
            // The upper half of the field may hold the length of a checksum behind each frame; it is no link type.
            let link = LinkType((u32::from(reader.header().datalink) & 0xffff) as u16);
            capture.interfaces.push(Interface { link, name: None });
        }
        Ok(capture)
    }

    fn empty(name: &str, kind: Kind, source: Source) -> Result<Self, CaptureError> {
        let format = match kind {
            Kind::Pcap => {
                PcapReader::with_capacity(source, MAX_RECORD).map(Format::Pcap).map_err(Fault::from)
            }
            Kind::PcapNg => {
                PcapNgReader::with_capacity(source, MAX_RECORD).map(Format::PcapNg).map_err(Fault::from)
            }
        };
        let format = format.map_err(|fault| fault.at(name, 0))?;
        Ok(Self {
            name: name.to_owned(),
            format,
            interfaces: Vec::new(),
            earlier: 0,
            frames: 0,
            ended: false,
        })
    }

    /// The interfaces met so far; every frame's own is among them.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What the capture is called in errors.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn next_record(&mut self) -> Option<Result<Frame, Fault>> {
        let number = self.frames.saturating_add(1);
        match &mut self.format {
            Format::Pcap(reader) => next_pcap(reader, number),
            Format::PcapNg(reader) => next_pcapng(reader, &mut self.interfaces, &mut self.earlier, number),
        }
    }
}

impl Iterator for Capture {
    type Item = Result<Frame, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.next_record();
        match &record {
            Some(Ok(frame)) => self.frames = frame.number,
            Some(Err(_)) | None => self.ended = true,
        }
        record.map(|r| r.map_err(|fault| fault.at(&self.name, self.frames)))
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Capture")
            .field("name", &self.name)
            .field("interfaces", &self.interfaces)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// The raw record is read, not the crate's checked one: a record whose lengths or fraction of a second exceed what the
/// header promises is unusual, but its octets are there.
fn next_pcap(reader: &mut PcapReader<Source>, number: u64) -> Option<Result<Frame, Fault>> {
    let nanoseconds = reader.header().ts_resolution == PcapTsResolution::NanoSecond;
    let record = match reader.next_raw_packet()? {
        Ok(record) => record,
        Err(error) => return Some(Err(error.into())),
    };
    let fraction = u64::from(record.ts_frac);
    let fraction = if nanoseconds { Duration::from_nanos(fraction) } else { Duration::from_micros(fraction) };
    let octets = record.data.into_owned();
    Some(Ok(Frame {
        number,
        time: Duration::from_secs(u64::from(record.ts_sec)).saturating_add(fraction),
        interface: 0,
        length: octets.len().max(record.orig_len as usize),
        octets,
    }))
}

/// Only the blocks that hold packets are taken apart: a name resolution or statistics block that a program wrote wrong
/// is no reason to lose the frames behind it.
fn next_pcapng(
    reader: &mut PcapNgReader<Source>,
    interfaces: &mut Vec<Interface>,
    earlier: &mut usize,
    number: u64,
) -> Option<Result<Frame, Fault>> {
    loop {
        let (block, state) = match reader.next_raw_block()? {
            Ok(next) => next,
            Err(error) => return Some(Err(error.into())),
        };
        match block.type_ {
            SECTION_HEADER_BLOCK => *earlier = interfaces.len(),
            INTERFACE_DESCRIPTION_BLOCK => interfaces.extend(state.interfaces().last().map(Interface::from)),
            ENHANCED_PACKET_BLOCK | SIMPLE_PACKET_BLOCK | PACKET_BLOCK => {
                let block = match block.try_into_block(state) {
                    Ok(block) => block,
                    Err(error) => return Some(Err(Fault::Wrong(chain(&error)))),
                };
                return packet(block, *earlier, number).map(Ok);
            }
            _ => {}
        }
    }
}

/// The frame of a packet block; `earlier` is how many interfaces the sections before had.
fn packet(block: Block<'_>, earlier: usize, number: u64) -> Option<Frame> {
    let (interface, time, length, octets) = match block {
        Block::EnhancedPacket(b) => (b.interface_id as usize, b.timestamp, b.original_len, b.data),
        // Of the section's first interface, and without a time.
        Block::SimplePacket(b) => (0, Duration::ZERO, b.original_len, b.data),
        // Obsolete, but Wireshark counts it, and frame numbers must be the same here.
        Block::Packet(b) => (usize::from(b.interface_id), b.timestamp, b.original_len, b.data),
        _ => return None,
    };
    let interface = earlier.saturating_add(interface);
    let octets = octets.into_owned();
    Some(Frame { number, time, interface, length: octets.len().max(length as usize), octets })
}

impl From<&InterfaceDescriptionBlock<'_>> for Interface {
    fn from(block: &InterfaceDescriptionBlock<'_>) -> Self {
        let name = block.options.iter().find_map(|option| match option {
            InterfaceDescriptionOption::IfName(name) => Some(name.trim_end_matches('\0').to_owned()),
            _ => None,
        });
        Self { link: LinkType((u32::from(block.linktype) & 0xffff) as u16), name }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Pcap,
    PcapNg,
}

impl Kind {
    fn of(magic: &[u8]) -> Result<Self, &'static str> {
        match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] => Ok(Self::Pcap),
            [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] => Ok(Self::Pcap),
            [0x0a, 0x0d, 0x0d, 0x0a] => Ok(Self::PcapNg),
            [] => Err("it is empty"),
            [0x1f, 0x8b, ..] => Err("it is compressed; unpack it with gunzip first"),
            [0x28, 0xb5, 0x2f, 0xfd] => Err("it is compressed; unpack it with unzstd first"),
            [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] => {
                Err("it is in the modified pcap format of old kernels; convert it with editcap first")
            }
            [b's', b'n', b'o', b'o'] => Err("it is a snoop file; convert it with editcap first"),
            _ => Err("it begins like neither pcap nor pcapng"),
        }
    }
}

/// What a reader of the crate reports: an operating system error, or a file that is wrong.
enum Fault {
    Io(io::Error),
    Wrong(String),
}

impl Fault {
    fn at(self, name: &str, frame: u64) -> CaptureError {
        let name = name.to_owned();
        match self {
            Self::Io(cause) if cause.kind() != ErrorKind::UnexpectedEof => CaptureError::Read { name, cause },
            Self::Io(_) => {
                let why = format!("the next record is cut off, or longer than {MAX_RECORD} octets");
                CaptureError::Broken { name, frame, why }
            }
            Self::Wrong(why) => CaptureError::Broken { name, frame, why },
        }
    }
}

impl From<PcapReadError> for Fault {
    fn from(error: PcapReadError) -> Self {
        match error {
            PcapReadError::Io(cause) => Self::Io(cause),
            other => Self::Wrong(chain(&other)),
        }
    }
}

impl From<PcapNgReadError> for Fault {
    fn from(error: PcapNgReadError) -> Self {
        match error {
            PcapNgReadError::Io(cause) => Self::Io(cause),
            other => Self::Wrong(chain(&other)),
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
