//! Who the guests are: MAC, link-local address, DUID and IAID of guest number so-and-so, and the way back.
//!
//! Nothing is kept per guest: everything follows from the number, so that a million guests cost no memory and no
//! look-up.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use crate::types::{MacAddr, ip6};

/// Guests of one run: as many as fit into 20 bits, more than any link carries.
pub const MAX_GUESTS: u32 = 1 << 20;

/// How guests make their link-local addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLocals {
    /// Of the MAC, as Linux does by default (RFC 4291 appendix A).
    Eui64,
    /// Without a trace of the MAC, as Windows and RFC 7217 hosts do.
    Opaque,
}

/// Which DUIDs guests show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duids {
    /// DUID-LL of the MAC (RFC 9915 §11.4).
    LinkLayer,
    /// DUID-UUID (RFC 9915 §11.5), without a trace of the MAC.
    Uuid,
}

/// A range of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    base: u64,
    count: u32,
    link_locals: LinkLocals,
    duids: Duids,
}

/// A DUID of a guest: at most 18 octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuestDuid {
    octets: [u8; 18],
    length: usize,
}

impl GuestDuid {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// An odd number, so that multiplication by it permutes the numbers of 32 bits; and the number that undoes it.
const SPREAD: u32 = 0x9e37_79b1;
const UNSPREAD: u32 = inverse(SPREAD);
const MASK: u32 = 0x5bd1_e995;

impl Crowd {
    /// `count` guests whose MACs begin at `base` and follow each other; `None` when there is no such range: none or
    /// more than [`MAX_GUESTS`], a group address, or past the last MAC.
    #[must_use]
    pub fn new(base: MacAddr, count: u32, link_locals: LinkLocals, duids: Duids) -> Option<Self> {
        let first = base.to_u64();
        let last = first + u64::from(count.checked_sub(1)?);
        // The first octet stays, so that no guest is a group.
        let fits = count <= MAX_GUESTS && last >> 40 == first >> 40;
        (fits && !base.is_group() && first != 0).then_some(Self { base: first, count, link_locals, duids })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The MAC of a guest.
    #[must_use]
    pub fn mac(&self, guest: u32) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = (self.base + u64::from(guest)).to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }

    /// The link-local address of a guest.
    #[must_use]
    pub fn link_local(&self, guest: u32) -> Ipv6Addr {
        match self.link_locals {
            LinkLocals::Eui64 => ip6::link_local(self.mac(guest)),
            LinkLocals::Opaque => {
                let high = (scramble(self.base ^ u64::from(guest)) >> 32) << 32;
                let low = u64::from(guest.wrapping_mul(SPREAD) ^ MASK);
                Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(high | low))
            }
        }
    }

    pub(super) fn duid(&self, guest: u32) -> GuestDuid {
        let mut octets = [0; 18];
        let length = match self.duids {
            Duids::LinkLayer => {
                let MacAddr([a, b, c, d, e, f]) = self.mac(guest);
                octets[..10].copy_from_slice(&[0, 3, 0, 1, a, b, c, d, e, f]);
                10
            }
            Duids::Uuid => {
                let own = self.base + u64::from(guest);
                octets[1] = 4;
                octets[2..10].copy_from_slice(&scramble(own).to_be_bytes());
                octets[10..].copy_from_slice(&scramble(!own).to_be_bytes());
                18
            }
        };
        GuestDuid { octets, length }
    }

    /// The IAID of a guest's only association: the last four octets of its MAC.
    pub(super) fn iaid(&self, guest: u32) -> [u8; 4] {
        let MacAddr([_, _, iaid @ ..]) = self.mac(guest);
        iaid
    }

    /// The guest with that MAC.
    #[must_use]
    pub fn of_mac(&self, mac: MacAddr) -> Option<u32> {
        let number = u32::try_from(mac.to_u64().checked_sub(self.base)?).ok()?;
        (number < self.count).then_some(number)
    }

    /// The guest with that link-local address.
    #[must_use]
    pub fn of_link_local(&self, address: Ipv6Addr) -> Option<u32> {
        let guest = match self.link_locals {
            LinkLocals::Eui64 => self.of_mac(ip6::mac_of_eui64(address)?)?,
            LinkLocals::Opaque => (address.to_bits() as u32 ^ MASK).wrapping_mul(UNSPREAD),
        };
        (guest < self.count && self.link_local(guest) == address).then_some(guest)
    }

    /// The distinct first four octets of their MACs, for the kernel's filter.
    pub(super) fn heads(&self) -> BTreeSet<u32> {
        let last = self.base + u64::from(self.count - 1);
        (self.base >> 16..=last >> 16).filter_map(|head| u32::try_from(head).ok()).collect()
    }
}

/// Two octets that a guest's transaction ids begin with, so that an answer to another guest is told from a late one.
pub(super) fn mark(guest: u32) -> [u8; 2] {
    let [.., a, b] = scramble(u64::from(guest)).to_be_bytes();
    [a, b]
}

/// The finaliser of SplitMix64: spreads neighbouring numbers over all of 64 bits.
fn scramble(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// The inverse of an odd number modulo 2³², by Newton's iteration: each step doubles the bits that are right.
const fn inverse(odd: u32) -> u32 {
    let mut x = odd;
    let mut step = 0;
    while step < 5 {
        x = x.wrapping_mul(2_u32.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: MacAddr = MacAddr([2, 0xfd, 0, 0, 0xff, 0xfe]);

    #[test]
    fn every_guest_is_found_by_its_mac_and_by_its_address() {
        for (link_locals, duids) in [(LinkLocals::Eui64, Duids::LinkLayer), (LinkLocals::Opaque, Duids::Uuid)]
        {
            let crowd = Crowd::new(BASE, 70_000, link_locals, duids).expect("a range");
            let mut duids = BTreeSet::new();
            for guest in (0..crowd.count()).step_by(997) {
                assert_eq!(crowd.of_mac(crowd.mac(guest)), Some(guest));
                assert_eq!(crowd.of_link_local(crowd.link_local(guest)), Some(guest));
                assert!(ip6::is_link_local(crowd.link_local(guest)));
                assert!(duids.insert(crowd.duid(guest).as_slice().to_vec()), "guest {guest}");
                let head = crowd.mac(guest).to_u64() >> 16;
                assert!(crowd.heads().contains(&u32::try_from(head).expect("32 bits")));
            }
            let beyond = Crowd::new(BASE, 70_001, link_locals, Duids::Uuid).expect("a range");
            assert_eq!(crowd.of_mac(beyond.mac(70_000)), None);
            assert_eq!(crowd.of_link_local(beyond.link_local(70_000)), None);
            assert_eq!(crowd.of_link_local("fe80::1".parse().expect("an address")), None);
        }
    }

    #[test]
    fn duids_have_the_form_of_their_type() {
        let crowd = |duids| Crowd::new(BASE, 1, LinkLocals::Eui64, duids).expect("a range");
        assert_eq!(crowd(Duids::LinkLayer).duid(0).as_slice(), [0, 3, 0, 1, 2, 0xfd, 0, 0, 0xff, 0xfe]);
        let uuid = crowd(Duids::Uuid).duid(0);
        assert_eq!((uuid.as_slice().len(), uuid.as_slice().get(..2)), (18, Some(&[0, 4][..])));
    }

    #[test]
    fn what_is_no_range_of_guests_is_refused() {
        let new = |base, count| Crowd::new(MacAddr(base), count, LinkLocals::Eui64, Duids::LinkLayer);
        assert!(new([2, 0, 0, 0, 0, 0], 0).is_none(), "nobody");
        assert!(new([2, 0, 0, 0, 0, 0], MAX_GUESTS + 1).is_none(), "too many");
        assert!(new([1, 0, 0x5e, 0, 0, 0], 1).is_none(), "groups");
        assert!(new([0; 6], 1).is_none(), "no address");
        assert!(new([2, 0xff, 0xff, 0xff, 0xff, 0xff], 2).is_none(), "the next is a group");
    }
}
