//! A pcapng file being written, such that Wireshark opens it without a complaint.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriteError, PcapNgWriter};
use pcap_file::{DataLink, Endianness};

use super::chain;

/// Which way a frame went, seen from the machine that captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received from the guest.
    Inbound = 1,
    /// Sent to the guest.
    Outbound = 2,
}

/// A pcapng file being written: little-endian, nanoseconds, Ethernet.
pub struct Writer<W: Write> {
    inner: PcapNgWriter<W>,
    interfaces: u32,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// What writing to `out` reports.
    pub fn new(out: W) -> io::Result<Self> {
        let program = concat!("frontdesk ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(Cow::Borrowed(program))],
            ..Default::default()
        };
        let inner = PcapNgWriter::with_section_header(out, section).map_err(write_error)?;
        Ok(Self { inner, interfaces: 0 })
    }

    /// Describes an interface; the number is what [`frame`](Self::frame) wants.
    ///
    /// # Errors
    /// What writing reports.
    pub fn interface(&mut self, name: Option<&str>) -> io::Result<u32> {
        let mut options = vec![InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO)];
        options.extend(name.map(|name| InterfaceDescriptionOption::IfName(Cow::Borrowed(name))));
        let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
        self.inner.write_block(&block.into_block()).map_err(write_error)?;
        let number = self.interfaces;
        self.interfaces = number.saturating_add(1);
        Ok(number)
    }

    /// Writes one frame. `length` is its length on the wire, at least that of `octets`; `comment` is shown by
    /// Wireshark above the dissection.
    ///
    /// # Errors
    /// What writing reports, or `InvalidInput` for an interface that was not described.
    pub fn frame(
        &mut self,
        interface: u32,
        direction: Direction,
        time: Duration,
        length: usize,
        octets: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        let mut options = vec![EnhancedPacketOption::Flags(direction as u32)];
        let comment = comment.map(|text| CommonOption::Comment(Cow::Borrowed(text)));
        options.extend(comment.map(EnhancedPacketOption::Common));
        let block = EnhancedPacketBlock {
            interface_id: interface,
            timestamp: time,
            original_len: u32::try_from(length.max(octets.len())).unwrap_or(u32::MAX),
            data: Cow::Borrowed(octets),
            options,
        };
        self.inner.write_block(&block.into_block()).map(|_| ()).map_err(write_error)
    }

    /// Flushes and hands the output back.
    ///
    /// # Errors
    /// What flushing reports.
    pub fn finish(self) -> io::Result<W> {
        let mut out = self.inner.into_inner();
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Writer").field("interfaces", &self.interfaces).finish_non_exhaustive()
    }
}

fn write_error(error: PcapNgWriteError) -> io::Error {
    match error {
        PcapNgWriteError::Io(cause) => cause,
        other => io::Error::new(ErrorKind::InvalidInput, chain(&other)),
    }
}
