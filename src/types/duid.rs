//! The DHCP Unique Identifier of a server (RFC 9915 §11): opaque octets once built.

use std::fmt;
use std::str::FromStr;

use super::MacAddr;

/// A DUID: a two-octet type and 1 to 128 octets (RFC 9915 §11.1).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Duid(Box<[u8]>);

/// Why a text is not a DUID that a server may use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DuidError {
    /// The part before the first colon names no usable type.
    #[error(
        "unknown DUID type: write uuid:…, en:ENTERPRISE:HEX or ll:MAC (never a DUID-LLT: it needs stable storage, RFC 9915 §11.2)"
    )]
    Type,
    /// `uuid:` is not followed by 32 hexadecimal digits.
    #[error("a DUID-UUID is uuid: and 32 hexadecimal digits, with or without hyphens")]
    Uuid,
    /// `en:` is not followed by a number, a colon and 1 to 124 octets.
    #[error("a DUID-EN is en:, the enterprise number, a colon and 1 to 124 octets in hexadecimal")]
    Enterprise,
    /// `ll:` is not followed by a MAC address.
    #[error("a DUID-LL is ll: and a MAC address")]
    LinkLayer,
}

impl Duid {
    /// DUID-UUID, type 4 (RFC 9915 §11.5).
    #[must_use]
    pub fn from_uuid(uuid: [u8; 16]) -> Self {
        Self::of(4, &uuid)
    }

    /// DUID-LL, type 3, hardware type 1 (RFC 9915 §11.4).
    #[must_use]
    pub fn from_mac(mac: MacAddr) -> Self {
        Self::of(3, &[&[0, 1], mac.0.as_slice()].concat())
    }

    fn of(kind: u16, value: &[u8]) -> Self {
        Self([kind.to_be_bytes().as_slice(), value].concat().into_boxed_slice())
    }

    /// The octets as they stand in a Server Identifier option.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Duid {
    /// Octets in hexadecimal, separated by colons, as tcpdump and Kea print them.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, octet) in self.0.iter().enumerate() {
            write!(out, "{}{octet:02x}", if i == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Duid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Duid {
    type Err = DuidError;

    fn from_str(text: &str) -> Result<Self, DuidError> {
        let (kind, rest) = text.split_once(':').ok_or(DuidError::Type)?;
        match kind {
            "uuid" => {
                let digits: String = rest.chars().filter(|c| *c != '-').collect();
                let octets = hex(&digits).ok_or(DuidError::Uuid)?;
                Ok(Self::from_uuid(octets.try_into().map_err(|_| DuidError::Uuid)?))
            }
            "en" => {
                let (number, identifier) = rest.split_once(':').ok_or(DuidError::Enterprise)?;
                let number: u32 = number.parse().map_err(|_| DuidError::Enterprise)?;
                let identifier = hex(&identifier.replace(':', "")).ok_or(DuidError::Enterprise)?;
                if identifier.is_empty() || identifier.len() > 124 {
                    return Err(DuidError::Enterprise);
                }
                Ok(Self::of(2, &[number.to_be_bytes().as_slice(), &identifier].concat()))
            }
            "ll" => Ok(Self::from_mac(rest.parse().map_err(|_| DuidError::LinkLayer)?)),
            _ => Err(DuidError::Type),
        }
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ADR-006, ADR-007, ADR-008: types 2, 3 and 4 have the shapes of RFC 9915 §11.3 to §11.5.
    #[test]
    fn adr_008_every_usable_type_has_its_octets() {
        let uuid: Duid = "uuid:5a7f3d52-6c9b-4a7e-9d4f-0d7e6c1b2a33".parse().expect("valid");
        assert_eq!(uuid.as_bytes().len(), 18);
        assert_eq!(&uuid.as_bytes()[..4], &[0, 4, 0x5a, 0x7f]);
        let ll: Duid = "ll:fa:16:3e:06:17:6f".parse().expect("valid");
        assert_eq!(ll.to_string(), "00:03:00:01:fa:16:3e:06:17:6f");
        let en: Duid = "en:8888:3bc82226".parse().expect("valid");
        assert_eq!(en.as_bytes(), [0, 2, 0, 0, 0x22, 0xb8, 0x3b, 0xc8, 0x22, 0x26]);
    }

    #[test]
    fn dhcp_030_a_duid_llt_is_refused() {
        assert_eq!("llt:fa:16:3e:06:17:6f".parse::<Duid>(), Err(DuidError::Type));
        assert_eq!("uuid:12".parse::<Duid>(), Err(DuidError::Uuid));
        assert_eq!("en:9:".parse::<Duid>(), Err(DuidError::Enterprise));
        assert_eq!("en:9:0g".parse::<Duid>(), Err(DuidError::Enterprise));
        assert_eq!("ll:12".parse::<Duid>(), Err(DuidError::LinkLayer));
    }
}
