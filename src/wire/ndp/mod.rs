//! Neighbor Discovery (RFC 4861): messages that guests send and the ones that answer them.
//!
//! To read before editing: RFC 4861 §4, §6.1.1, §7.1.1; RFC 6980 §5.

pub mod advertisement;
mod option;
mod solicitation;

pub use option::{Malformed, NdOption, SOURCE_LINK_LAYER, TARGET_LINK_LAYER, options};
pub use solicitation::{NeighborSolicitation, RouterSolicitation, SourceLinkLayer};

/// ICMPv6 type of an echo request (RFC 4443 §4.1).
pub const ECHO_REQUEST: u8 = 128;
/// ICMPv6 type of an echo reply (RFC 4443 §4.2).
pub const ECHO_REPLY: u8 = 129;
/// ICMPv6 type of a Router Solicitation (RFC 4861 §4.1).
pub const ROUTER_SOLICITATION: u8 = 133;
/// ICMPv6 type of a Router Advertisement (RFC 4861 §4.2).
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// ICMPv6 type of a Neighbor Solicitation (RFC 4861 §4.3).
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// ICMPv6 type of a Neighbor Advertisement (RFC 4861 §4.4).
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// ICMPv6 type of a Redirect (RFC 4861 §4.5).
pub const REDIRECT: u8 = 137;
