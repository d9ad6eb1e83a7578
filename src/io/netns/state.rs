//! What the kernel says of its devices, addresses and routes, in our own words.

use std::net::Ipv6Addr;

use crate::types::{Lifetime, MacAddr};

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware address; all zero for devices without one.
    pub mac: MacAddr,
    /// Largest packet in octets.
    pub mtu: u32,
    /// True when it was set up and has its carrier.
    pub running: bool,
    /// True for a veth or a tap: what is sent there reaches what is plugged into it, on this machine.
    pub cable: bool,
}

/// An IPv6 address of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: Ipv6Addr,
    /// Bits of its on-link prefix, 0 to 128.
    pub prefix_length: u8,
    /// Seconds for which it is preferred.
    pub preferred: Lifetime,
    /// Seconds for which it is valid.
    pub valid: Lifetime,
    /// Duplicate address detection is under way (RFC 4862 §5.4).
    pub tentative: bool,
    /// Duplicate address detection found somebody else.
    pub duplicate: bool,
    /// It came from a prefix in a Router Advertisement, or its lifetimes will end.
    pub dynamic: bool,
}

impl Address {
    /// An address with its lifetimes, as a DHCPv6 client adds it: a /128, because no on-link prefix comes with it
    /// (RFC 9915 §18.2.10.1).
    #[must_use]
    pub fn leased(address: Ipv6Addr, preferred: Lifetime, valid: Lifetime) -> Self {
        Self {
            address,
            prefix_length: 128,
            preferred,
            valid,
            tentative: false,
            duplicate: false,
            dynamic: !valid.is_infinite(),
        }
    }
}

/// The preference of a router or a route (RFC 4191 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// 11.
    Low,
    /// 00.
    Medium,
    /// 01.
    High,
}

/// An IPv6 route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// First address of the destination.
    pub destination: Ipv6Addr,
    /// Bits of the destination, 0 for the default route.
    pub prefix_length: u8,
    /// The router; none for an on-link route.
    pub gateway: Option<Ipv6Addr>,
    /// Index of the device that it leaves by.
    pub device: u32,
    /// The router's preference, where the kernel has one.
    pub preference: Option<Preference>,
    /// Seconds until the kernel forgets it; none for ever.
    pub expires: Option<u32>,
    /// MTU of the route in octets, where it has one of its own.
    pub mtu: Option<u32>,
    /// True for routes that a Router Advertisement brought.
    pub from_advert: bool,
}

impl Route {
    /// True for ::/0.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.prefix_length == 0
    }
}
