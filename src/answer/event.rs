//! What a guest told that the operator wants to know, and that changes nothing here: registrations and declines.

use std::fmt;
use std::net::Ipv6Addr;

use super::guard::Asker;
use crate::types::MacAddr;
use crate::types::limits::DUID_LENGTH;
use crate::wire::dhcp6::ClientMessage;

/// What a guest said of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It made the address for itself and uses it, for so many seconds (RFC 9686 §4.2.1; REG-009).
    Registered {
        /// Preferred lifetime, in seconds.
        preferred: u32,
        /// Valid lifetime, in seconds.
        valid: u32,
    },
    /// It wanted to register an address that is not of its link or that DHCPv6 assigned (RFC 9686 §4.2.1; REG-007,
    /// REG-008).
    RegistrationRefused,
    /// Somebody else on the link uses an address that was assigned to it (RFC 9915 §18.3.8; DHCP-115).
    Declined,
}

impl Happening {
    /// Its name in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered { .. } => "address-registered",
            Self::RegistrationRefused => "address-registration-refused",
            Self::Declined => "address-declined",
        }
    }
}

/// One message of a guest about one address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What was said.
    pub happening: Happening,
    /// The address.
    pub address: Ipv6Addr,
    /// The guest's MAC in the table.
    pub mac: MacAddr,
    /// VLAN id of its network; 0 for none.
    pub vlan: u16,
    /// The message's transaction id.
    pub transaction: [u8; 3],
    duid: [u8; *DUID_LENGTH.end()],
    duid_length: usize,
}

impl Event {
    pub(super) fn new(
        happening: Happening,
        address: Ipv6Addr,
        asker: &Asker<'_, '_>,
        message: &ClientMessage<'_>,
    ) -> Self {
        let mut duid = [0; *DUID_LENGTH.end()];
        let id = message.client_id.unwrap_or(&[]);
        let duid_length = id.len().min(duid.len());
        duid.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        let (mac, vlan) = (asker.port.mac(), asker.port.vlan());
        Self { happening, address, mac, vlan, transaction: message.transaction, duid, duid_length }
    }

    /// The DUID that the guest showed.
    #[must_use]
    pub fn duid(&self) -> &[u8] {
        self.duid.get(..self.duid_length).unwrap_or(&[])
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { happening, address, mac, vlan, .. } = self;
        write!(out, "{happening:?} {address} by {mac} on VLAN {vlan}, DUID {:02x?}", self.duid())
    }
}
