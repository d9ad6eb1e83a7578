//! Relay-forward and Relay-reply (RFC 9915 §9, §19): the envelopes that relay agents put around a client's message.
//!
//! The chain is walked by a loop over a fixed array, never by recursion (RLY-005). A lawful chain has up to nine levels,
//! hop counts 0 to 8 (RFC 9915 §7.6; RLY-004). To read before editing: RFC 9915 §9, §19.3; RFC 4994; RFC 8357 §5.2.

use std::net::Ipv6Addr;

use super::option::{Broken, code, options};
use crate::types::MacAddr;
use crate::types::limits::MAX_RELAY_LEVELS;
use crate::wire::reader::Reader;
use crate::wire::writer::{Full, Writer};

/// Message type of a Relay-forward.
pub const RELAY_FORWARD: u8 = 12;
/// Message type of a Relay-reply.
pub const RELAY_REPLY: u8 = 13;

/// Hardware type of Ethernet (RFC 6939 §4).
const ETHERNET: u16 = 1;

/// One Relay-forward, without what it carries.
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    /// As the relay wrote it; copied, never recomputed (RLY-006).
    pub hop_count: u8,
    /// An address of the client's link, or `::`.
    pub link: Ipv6Addr,
    /// From whom the relay had the message.
    pub peer: Ipv6Addr,
    options: &'a [u8],
}

/// A client's message and the relays that it came through.
#[derive(Clone, Copy, Debug)]
pub struct RelayChain<'a> {
    levels: [Level<'a>; MAX_RELAY_LEVELS],
    depth: usize,
    /// What the client sent, from its type octet on.
    pub message: &'a [u8],
}

/// Why a relayed message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRelay {
    /// Shorter than its header, an option that crosses the end, no Relay Message option or two of them.
    Malformed,
    /// More levels than a lawful chain has.
    TooDeep,
}

impl From<Broken> for BadRelay {
    fn from(_: Broken) -> Self {
        Self::Malformed
    }
}

impl<'a> RelayChain<'a> {
    /// Reads a Relay-forward and all that it carries, down to the client's message.
    ///
    /// # Errors
    /// [`BadRelay`]; a Relay-forward without a Relay Message option is discarded (RFC 9915 §9.1; RLY-002).
    pub fn parse(octets: &'a [u8]) -> Result<Self, BadRelay> {
        let nothing =
            Level { hop_count: 0, link: Ipv6Addr::UNSPECIFIED, peer: Ipv6Addr::UNSPECIFIED, options: &[] };
        let mut chain = Self { levels: [nothing; MAX_RELAY_LEVELS], depth: 0, message: octets };
        while chain.message.first() == Some(&RELAY_FORWARD) {
            let (level, message) = Level::parse(chain.message)?;
            *chain.levels.get_mut(chain.depth).ok_or(BadRelay::TooDeep)? = level;
            chain.depth = chain.depth.saturating_add(1);
            chain.message = message;
        }
        if chain.depth == 0 { Err(BadRelay::Malformed) } else { Ok(chain) }
    }

    /// The levels from the server's side to the client's.
    #[must_use]
    pub fn levels(&self) -> &[Level<'a>] {
        self.levels.get(..self.depth).unwrap_or(&[])
    }

    /// The relay that had the message from the client itself.
    #[must_use]
    pub fn innermost(&self) -> Level<'a> {
        let [first, ..] = self.levels;
        self.levels().last().copied().unwrap_or(first)
    }

    /// The link of the client: the link-address closest to it that is not `::` (RFC 9915 §13.1; RLY-007).
    #[must_use]
    pub fn link(&self) -> Option<Ipv6Addr> {
        self.levels().iter().rev().map(|level| level.link).find(|link| !link.is_unspecified())
    }

    /// The value of an option of the relay closest to the client that has it.
    #[must_use]
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        self.levels().iter().rev().find_map(|level| level.option(code))
    }

    /// The client's MAC as the first relay saw it (RFC 6939 §4; RLY-019): Ethernet only.
    #[must_use]
    pub fn client_link_layer(&self) -> Option<MacAddr> {
        let mut reader = Reader::new(self.innermost().option(code::CLIENT_LINKLAYER_ADDR)?);
        let hardware = reader.u16().ok()?;
        let mac = MacAddr(reader.array().ok()?);
        (hardware == ETHERNET && reader.is_empty()).then_some(mac)
    }

    /// True when the outermost relay asks for answers on the port that it sent from (RFC 8357 §5.2; RLY-014).
    #[must_use]
    pub fn wants_source_port(&self) -> bool {
        self.levels()
            .first()
            .is_some_and(|level| level.option(code::RELAY_PORT).is_some_and(|v| v.len() == 2))
    }

    /// Writes the Relay-replies of all levels up to where the client's answer begins, mirroring each level as it was
    /// received (RFC 9915 §9.2, §19.3; RLY-009). [`Opened::close`] fills in the lengths afterwards.
    ///
    /// # Errors
    /// [`Full`] when the buffer ends.
    pub fn open(&self, out: &mut Writer<'_>) -> Result<Opened, Full> {
        let mut opened = Opened::default();
        for (level, at) in self.levels().iter().zip(&mut opened.lengths) {
            level.mirror(out)?;
            out.u16(code::RELAY_MSG)?;
            *at = u16::try_from(out.len()).map_err(|_| Full)?;
            out.u16(0)?;
        }
        Ok(opened)
    }
}

/// Where the lengths of opened Relay Message options are to be written; by default there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// 0 behind the last one.
    lengths: [u16; MAX_RELAY_LEVELS],
}

impl Opened {
    /// Fills in the lengths of all Relay Message options, now that the client's answer is written.
    ///
    /// # Errors
    /// [`Full`] when one would be longer than 65535 octets.
    pub fn close(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        for at in self.lengths.iter().map(|at| usize::from(*at)).take_while(|at| *at != 0) {
            let length = out.len().checked_sub(at.saturating_add(2)).ok_or(Full)?;
            out.patch(at, &u16::try_from(length).map_err(|_| Full)?.to_be_bytes())?;
        }
        Ok(())
    }
}

impl<'a> Level<'a> {
    fn parse(octets: &'a [u8]) -> Result<(Self, &'a [u8]), BadRelay> {
        let mut reader = Reader::new(octets);
        let short = |_| BadRelay::Malformed;
        let [_, hop_count] = reader.array().map_err(short)?;
        let link = Ipv6Addr::from_octets(reader.array().map_err(short)?);
        let peer = Ipv6Addr::from_octets(reader.array().map_err(short)?);
        let level = Self { hop_count, link, peer, options: reader.rest() };
        let mut message = None;
        for option in options(level.options) {
            let option = option?;
            if option.code == code::RELAY_MSG && message.replace(option.value).is_some() {
                return Err(BadRelay::Malformed);
            }
        }
        message.map(|message| (level, message)).ok_or(BadRelay::Malformed)
    }

    /// The value of the first option with this code.
    #[must_use]
    pub fn option(&self, code: u16) -> Option<&'a [u8]> {
        options(self.options)
            .filter_map(Result::ok)
            .find(|option| option.code == code)
            .map(|option| option.value)
    }

    /// Writes the Relay-reply of this level without its Relay Message option.
    fn mirror(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.put(&[RELAY_REPLY, self.hop_count])?;
        out.put(&self.link.octets())?;
        out.put(&self.peer.octets())?;
        // Copied where it was found, an empty one too (RFC 9915 §18.3.10; RLY-010), and so is the relay's port.
        let copied = [code::INTERFACE_ID, code::RELAY_PORT];
        for code in copied {
            self.copy(code, out)?;
        }
        // RFC 4994: what the relay wants back, if it sent it and it is not there yet, known or not (RLY-012, RLY-013).
        let (wanted, _) = self.option(code::ERO).unwrap_or(&[]).as_chunks::<2>();
        for (position, pair) in wanted.iter().enumerate() {
            let code = u16::from_be_bytes(*pair);
            let again = wanted.iter().take(position).any(|earlier| earlier == pair);
            if !again && code != code::RELAY_MSG && !copied.contains(&code) {
                self.copy(code, out)?;
            }
        }
        Ok(())
    }

    fn copy(&self, code: u16, out: &mut Writer<'_>) -> Result<(), Full> {
        let Some(value) = self.option(code) else { return Ok(()) };
        out.dhcp_option(code, |out| out.put(value))
    }
}
