//! DHCPv6 (RFC 9915): messages, options and identity associations as octets.
//!
//! A primer. A message is a type, a 24-bit transaction id and options; an option is a 16-bit code, a 16-bit length and
//! a value, packed without alignment. IA_NA and IA_PD hold options of their own (addresses, prefixes, a status), and
//! those hold options again. To read before editing: RFC 9915 §8, §16, §21.1 to §21.22.

mod ia;
mod message;
mod option;
mod relay;

pub use ia::{Hint, Ia, IaKind};
pub use message::{ClientMessage, MessageType, Requested, Unreadable};
pub use option::{Broken, Opt, code, options};
pub use relay::{BadRelay, Level, Opened, RELAY_FORWARD, RELAY_REPLY, RelayChain};

/// UDP port of clients (RFC 9915 §7.2).
pub const CLIENT_PORT: u16 = 546;
/// UDP port of servers and relay agents (RFC 9915 §7.2).
pub const SERVER_PORT: u16 = 547;

/// Message type of an ADDR-REG-REPLY, for writing one (RFC 9686 §4.3).
pub const ADDR_REG_REPLY: u8 = 37;

/// Status codes (RFC 9915 §21.13).
pub mod status {
    /// Done.
    pub const SUCCESS: u16 = 0;
    /// No address for this IA_NA.
    pub const NO_ADDRS_AVAIL: u16 = 2;
    /// The server has no binding for this IA.
    pub const NO_BINDING: u16 = 3;
    /// The address is not for this link.
    pub const NOT_ON_LINK: u16 = 4;
    /// No prefix for this IA_PD.
    pub const NO_PREFIX_AVAIL: u16 = 6;
}
