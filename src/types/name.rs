//! A DNS name, validated once and kept as the labels that go on the wire.

use std::fmt;
use std::str::FromStr;

/// A fully qualified domain name in the uncompressed wire form of RFC 1035 §3.1, root label included
/// (RFC 9915 §10 forbids compression).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<[u8]>);

/// Why a text is not a host or domain name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing but the root.
    #[error("a domain name needs at least one label")]
    Empty,
    /// Two dots in a row, or a dot in front.
    #[error("a domain name must not have an empty label")]
    EmptyLabel,
    /// More than 63 octets between two dots.
    #[error("the label {0:?} is longer than 63 octets")]
    LongLabel(String),
    /// More than 255 octets on the wire.
    #[error("the name is longer than 255 octets")]
    Long,
    /// A character that no host name has.
    #[error(
        "the label {0:?} has a character other than letters, digits, hyphen and underscore, or a hyphen at its edge (write internationalised names in their xn-- form)"
    )]
    Character(String),
}

impl DomainName {
    /// The wire form: length octet and label, in turn, and a zero octet; at most 255 octets.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for DomainName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let relative = text.strip_suffix('.').unwrap_or(text);
        if relative.is_empty() {
            return Err(NameError::Empty);
        }
        let mut wire = Vec::with_capacity(relative.len() + 2);
        for label in relative.split('.') {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            let length = u8::try_from(label.len()).ok().filter(|n| *n <= 63);
            let length = length.ok_or_else(|| NameError::LongLabel(label.to_owned()))?;
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !plain || label.starts_with('-') || label.ends_with('-') {
                return Err(NameError::Character(label.to_owned()));
            }
            wire.push(length);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        if wire.len() > 255 { Err(NameError::Long) } else { Ok(Self(wire.into_boxed_slice())) }
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest: &[u8] = &self.0;
        let mut first = true;
        while let Some((&length, tail)) = rest.split_first().filter(|(n, _)| **n != 0) {
            let (label, tail) = tail.split_at_checked(usize::from(length)).unwrap_or((tail, &[]));
            write!(out, "{}{}", if first { "" } else { "." }, String::from_utf8_lossy(label))?;
            first = false;
            rest = tail;
        }
        Ok(())
    }
}

impl fmt::Debug for DomainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DHCP-160: labels, not one label with dots in it.
    #[test]
    fn dhcp_160_names_are_labels_with_a_root() {
        let name: DomainName = "v6only.example.com.".parse().expect("valid");
        assert_eq!(name.as_wire(), b"\x06v6only\x07example\x03com\x00");
        assert_eq!(name.to_string(), "v6only.example.com");
    }

    #[test]
    fn opt_007_names_that_no_resolver_takes_are_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
        assert_eq!("".parse::<DomainName>(), Err(NameError::Empty));
        assert_eq!(".".parse::<DomainName>(), Err(NameError::Empty));
        assert_eq!("a..b".parse::<DomainName>(), Err(NameError::EmptyLabel));
        assert_eq!(long_label.parse::<DomainName>(), Err(NameError::LongLabel(long_label)));
        assert_eq!(long_name.parse::<DomainName>(), Err(NameError::Long));
        for bad in ["exa mple", "-a", "a-", "bücher.example", "a/b"] {
            assert!(matches!(bad.parse::<DomainName>(), Err(NameError::Character(_))), "{bad}");
        }
    }
}
