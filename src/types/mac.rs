//! The 48-bit address by which a guest is known.

use std::fmt;
use std::str::FromStr;

/// An EUI-48 address in canonical (transmission) order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

/// Why a text is not a MAC address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a MAC address: six octets in hexadecimal, separated by colons or hyphens")]
pub struct MacError;

impl MacAddr {
    /// True for multicast and broadcast addresses: the group bit of the first octet.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 0x01 != 0
    }

    /// True for 00:00:00:00:00:00.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.to_u64() == 0
    }

    /// The address as the low 48 bits of an integer, first octet most significant.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        (u32::from_be_bytes([a, b, c, d]) as u64) << 16 | u16::from_be_bytes([e, f]) as u64
    }

    /// The modified EUI-64 interface identifier: `fffe` in the middle, universal/local bit inverted
    /// (RFC 4291 appendix A).
    #[must_use]
    pub const fn eui64(self) -> [u8; 8] {
        let [a, b, c, d, e, f] = self.0;
        [a ^ 0x02, b, c, 0xff, 0xfe, d, e, f]
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for MacAddr {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or(MacError)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(MacError);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| MacError)?;
        }
        if parts.next().is_some() { Err(MacError) } else { Ok(Self(octets)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_hyphens_are_accepted() {
        let mac: MacAddr = "FA-16-3e-79-5a-CC".parse().expect("valid");
        assert_eq!(mac.to_string(), "fa:16:3e:79:5a:cc");
        assert_eq!(mac.to_u64(), 0xfa16_3e79_5acc);
    }

    #[test]
    fn what_is_not_six_octets_is_refused() {
        for text in [
            "",
            "fa:16:3e:79:5a",
            "fa:16:3e:79:5a:cc:00",
            "fa163e795acc",
            "+a:16:3e:79:5a:cc",
            "g0:0:0:0:0:0",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(MacError), "{text}");
        }
    }

    /// ADR-001: the golden pair of RFC 4291 appendix A arithmetic, and the bit is inverted, not set.
    #[test]
    fn adr_001_eui64_inverts_the_universal_bit() {
        let mac: MacAddr = "fa:16:3e:12:34:56".parse().expect("valid");
        assert_eq!(mac.eui64(), [0xf8, 0x16, 0x3e, 0xff, 0xfe, 0x12, 0x34, 0x56]);
        let global = MacAddr([0x00, 0x0c, 0x29, 0x87, 0x2f, 0x6b]);
        assert_eq!(global.eui64()[0], 0x02);
    }
}
