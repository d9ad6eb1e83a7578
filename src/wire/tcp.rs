//! TCP headers, as far as they decide who gets a segment; and the reset that refuses one (RFC 9293 §3.1, §3.10.7.1).

use super::envelope::Open;
use super::reader::{Reader, Short};
use super::writer::Full;

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Opens a connection.
pub const SYN: u8 = 0x02;
/// Ends a connection at once.
pub const RST: u8 = 0x04;
/// The acknowledgment field counts.
pub const ACK: u8 = 0x10;

/// Octets of a header without options.
const HEADER: usize = 20;

/// One segment whose header length is true. The checksum is not looked at here.
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Number of the first octet of `payload`, or of the SYN.
    pub sequence: u32,
    /// The next number that the sender expects, where [`ACK`] is set.
    pub acknowledgment: u32,
    /// [`FIN`], [`SYN`], [`RST`], [`ACK`] and others.
    pub flags: u8,
    /// The octets behind the header.
    pub payload: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// Reads a segment.
    ///
    /// # Errors
    /// [`Short`] when the header, with the options that it claims, does not fit or is shorter than one can be.
    pub fn parse(message: &'a [u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(message);
        let source_port = reader.u16()?;
        let destination_port = reader.u16()?;
        let sequence = reader.u32()?;
        let acknowledgment = reader.u32()?;
        let [offset, flags] = reader.array()?;
        // Window, checksum, urgent pointer.
        reader.take(6)?;
        let options = usize::from(offset >> 4).saturating_mul(4).checked_sub(HEADER).ok_or(Short)?;
        reader.take(options)?;
        Ok(Self { source_port, destination_port, sequence, acknowledgment, flags, payload: reader.rest() })
    }

    /// True for a segment that opens a connection.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.flags & (SYN | ACK | RST | FIN) == SYN
    }

    /// Writes the reset that answers a segment of no connection; `None` for one that is a reset itself, which is never
    /// answered (RFC 9293 §3.10.7.1).
    ///
    /// # Errors
    /// [`Full`] when the buffer ends too early.
    pub fn reset(&self, open: &mut Open<'_>) -> Result<Option<()>, Full> {
        if self.flags & RST != 0 {
            return Ok(None);
        }
        let (sequence, acknowledgment, flags) = if self.flags & ACK != 0 {
            (self.acknowledgment, 0, RST)
        } else {
            (0, self.sequence.wrapping_add(self.length()), RST | ACK)
        };
        let out = open.message();
        out.u16(self.destination_port)?;
        out.u16(self.source_port)?;
        out.u32(sequence)?;
        out.u32(acknowledgment)?;
        out.put(&[0x50, flags])?;
        // Window, checksum, urgent pointer.
        out.put(&[0; 6])?;
        Ok(Some(()))
    }

    /// Sequence numbers that the segment takes: SYN and FIN count one each.
    fn length(&self) -> u32 {
        let data = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        data.wrapping_add(u32::from(self.flags & SYN != 0)).wrapping_add(u32::from(self.flags & FIN != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_claims_more_than_there_is_is_short() {
        let mut message = [0_u8; 24];
        message[12] = 0x60;
        assert_eq!(Tcp::parse(&message).map(|tcp| tcp.payload.len()), Ok(0));
        message[12] = 0x70;
        assert_eq!(Tcp::parse(&message).map(|_| ()), Err(Short));
        message[12] = 0x40;
        assert_eq!(Tcp::parse(&message).map(|_| ()), Err(Short), "less than a header");
        assert_eq!(Tcp::parse(&message[..19]).map(|_| ()), Err(Short));
    }

    #[test]
    fn only_a_bare_syn_opens() {
        let mut message = [0_u8; 20];
        message[12] = 0x50;
        for (flags, opens) in
            [(SYN, true), (SYN | 0xc0, true), (SYN | ACK, false), (SYN | FIN, false), (0, false)]
        {
            message[13] = flags;
            assert_eq!(Tcp::parse(&message).map(|tcp| tcp.opens()), Ok(opens), "{flags:#x}");
        }
    }
}
