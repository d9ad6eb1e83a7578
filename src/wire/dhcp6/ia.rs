//! Identity associations as a client sends them: IA_NA (RFC 9915 §21.4) and IA_PD (§21.21).
//!
//! T1, T2 and lifetimes of the client are never read: a server ignores them (RFC 9915 §21.4, §21.6, §21.21, §21.22).

use std::net::Ipv6Addr;

use super::option::{Broken, Opt, code, options};
use crate::types::ip6;
use crate::types::limits::MAX_IA_HINTS;
use crate::wire::reader::Reader;

/// Which kind of identity association; their IAIDs are separate (RFC 9915 §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IaKind {
    /// Addresses.
    Na,
    /// Delegated prefixes.
    Pd,
}

/// One identity association.
#[derive(Clone, Copy, Debug)]
pub struct Ia<'a> {
    /// Addresses or prefixes.
    pub kind: IaKind,
    /// The client's number for it; 0 is legal.
    pub iaid: u32,
    inner: &'a [u8],
}

/// An address or a prefix that the client names in an IA. An address has length 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Address, or first address of the prefix, as the client wrote it.
    pub address: Ipv6Addr,
    /// Prefix length, 0 to 128.
    pub length: u8,
}

impl IaKind {
    /// Code of the option.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Na => code::IA_NA,
            Self::Pd => code::IA_PD,
        }
    }
}

impl<'a> Ia<'a> {
    /// Reads an IA_NA or IA_PD option; `None` for another option.
    ///
    /// # Errors
    /// [`Broken`] when it is shorter than 12 octets, or an option inside crosses its end or is shorter than RFC 9915
    /// allows (DHCP-015, DHCP-016).
    pub fn parse(option: Opt<'a>) -> Result<Option<Self>, Broken> {
        let Some(ia) = Self::peek(option) else {
            return if matches!(option.code, code::IA_NA | code::IA_PD) { Err(Broken) } else { Ok(None) };
        };
        for inner in options(ia.inner) {
            let inner = inner?;
            let minimum = match inner.code {
                code::IAADDR => 24_usize,
                code::IAPREFIX => 25,
                _ => 0,
            };
            let (_, nested) = inner.value.split_at_checked(minimum).ok_or(Broken)?;
            if minimum != 0 {
                options(nested).try_for_each(|o| o.map(drop))?;
            }
        }
        Ok(Some(ia))
    }

    /// Takes the fixed fields of an IA that [`parse`](Self::parse) has accepted before.
    pub(super) fn peek(option: Opt<'a>) -> Option<Self> {
        let kind = match option.code {
            code::IA_NA => IaKind::Na,
            code::IA_PD => IaKind::Pd,
            _ => return None,
        };
        let mut reader = Reader::new(option.value);
        let iaid = reader.u32().ok()?;
        reader.array::<8>().ok()?;
        Some(Self { kind, iaid, inner: reader.rest() })
    }

    /// The addresses or prefixes named inside, at most [`MAX_IA_HINTS`]. What names nothing is left out: `::`
    /// (DHCP-136), a prefix of length 0 or over 128 (DHCP-137), and `::` with a length, which asks for a length only
    /// (DHCP-099).
    pub fn hints(&self) -> impl Iterator<Item = Hint> + use<'a> {
        let kind = self.kind;
        let hint = move |option: Opt<'a>| {
            let mut reader = Reader::new(option.value);
            let hint = match (kind, option.code) {
                (IaKind::Na, code::IAADDR) => {
                    Hint { address: Ipv6Addr::from_octets(reader.array().ok()?), length: 128 }
                }
                (IaKind::Pd, code::IAPREFIX) => {
                    reader.array::<8>().ok()?;
                    let length = reader.u8().ok()?;
                    // Bits behind the length are not part of a prefix (RFC 9915 §21.22; PD-001).
                    Hint { address: ip6::mask(Ipv6Addr::from_octets(reader.array().ok()?), length), length }
                }
                _ => return None,
            };
            Some(hint).filter(|h| !h.address.is_unspecified() && (1..=128).contains(&h.length))
        };
        options(self.inner).filter_map(Result::ok).filter_map(hint).take(MAX_IA_HINTS)
    }
}
