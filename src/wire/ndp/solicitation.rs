//! What guests ask: Router Solicitation (RFC 4861 §4.1) and Neighbor Solicitation (§4.3).

use std::net::Ipv6Addr;

use super::option::{Malformed, SOURCE_LINK_LAYER, options};
use crate::types::MacAddr;
use crate::wire::reader::{Reader, Short};

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self
    }
}

/// The source link-layer address option of a solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceLinkLayer {
    /// There is none.
    Absent,
    /// An Ethernet address.
    Mac(MacAddr),
    /// An option of another length: present, but no Ethernet address.
    Foreign,
}

/// A Router Solicitation whose lengths and code are right.
#[derive(Clone, Copy, Debug)]
pub struct RouterSolicitation {
    /// What it says of its sender's link-layer address.
    pub source_link_layer: SourceLinkLayer,
}

/// A Neighbor Solicitation whose lengths, code and target are right.
#[derive(Clone, Copy, Debug)]
pub struct NeighborSolicitation {
    /// Whose link-layer address is wanted; never a group.
    pub target: Ipv6Addr,
    /// What it says of its sender's link-layer address.
    pub source_link_layer: SourceLinkLayer,
}

impl RouterSolicitation {
    /// Reads an RS from its ICMPv6 type octet on.
    ///
    /// # Errors
    /// [`Malformed`] for code ≠ 0, less than 8 octets, or an option that is zero or too long.
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let [_, code, ..] = reader.array::<8>()?;
        if code != 0 {
            return Err(Malformed);
        }
        Ok(Self { source_link_layer: source_link_layer(reader.rest())? })
    }
}

impl NeighborSolicitation {
    /// Reads an NS from its ICMPv6 type octet on.
    ///
    /// # Errors
    /// [`Malformed`] for code ≠ 0, less than 24 octets, a group as target, or an option that is zero or too long.
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let [_, code, ..] = reader.array::<8>()?;
        let target = Ipv6Addr::from_octets(reader.array()?);
        if code != 0 || target.is_multicast() {
            return Err(Malformed);
        }
        Ok(Self { target, source_link_layer: source_link_layer(reader.rest())? })
    }
}

/// Walks all options, because any bad one spoils the message; unknown ones (a nonce, say) are ignored.
fn source_link_layer(octets: &[u8]) -> Result<SourceLinkLayer, Malformed> {
    let mut found = SourceLinkLayer::Absent;
    for option in options(octets) {
        let option = option?;
        if option.kind == SOURCE_LINK_LAYER && found == SourceLinkLayer::Absent {
            found = option.mac().map_or(SourceLinkLayer::Foreign, SourceLinkLayer::Mac);
        }
    }
    Ok(found)
}
