//! Which guests of a device are shown to an engine, where several engines serve the same device.

use crate::types::MacAddr;

/// The guests whose MAC, its last four octets taken as a number, leaves `index` when divided by `of`. The kernel shares
/// out frames by the same rule, so a guest's frames stay in order and its timers run once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: u32,
    of: u32,
}

impl Share {
    /// All of them: the device is shown to one engine.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Share number `index`, from 0, of `of`; `None` when there is no such share.
    #[must_use]
    pub const fn new(index: u32, of: u32) -> Option<Self> {
        if index < of { Some(Self { index, of }) } else { None }
    }

    /// True when the guest with this MAC is in this share.
    #[must_use]
    pub const fn has(self, mac: MacAddr) -> bool {
        let [_, _, a, b, c, d] = mac.0;
        match u32::from_be_bytes([a, b, c, d]).checked_rem(self.of) {
            Some(index) => index == self.index,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_is_in_exactly_one_share() {
        for of in 1..=7 {
            let shares: Vec<Share> = (0..of).filter_map(|index| Share::new(index, of)).collect();
            assert_eq!(shares.len(), of as usize);
            for guest in 0..100_u8 {
                let mac = MacAddr([0xfa, 0x16, 0x3e, 0xff, guest.wrapping_mul(37), guest]);
                assert_eq!(shares.iter().filter(|share| share.has(mac)).count(), 1, "{mac} in {of} shares");
            }
        }
        assert_eq!((Share::new(0, 0), Share::new(3, 3)), (None, None));
        assert!(Share::WHOLE.has(MacAddr([0xff; 6])));
    }
}
