//! The option walk of Neighbor Discovery (RFC 4861 §4.6).

use crate::types::MacAddr;
use crate::types::limits::MAX_ND_OPTIONS;
use crate::wire::reader::Reader;

/// Option type of the source link-layer address.
pub const SOURCE_LINK_LAYER: u8 = 1;
/// Option type of the target link-layer address.
pub const TARGET_LINK_LAYER: u8 = 2;

/// A message that RFC 4861 §6.1.1 or §7.1.1 says to discard silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One option: its type and its octets behind type and length.
#[derive(Clone, Copy, Debug)]
pub struct NdOption<'a> {
    /// Option type.
    pub kind: u8,
    /// Value, 6 octets or more.
    pub value: &'a [u8],
}

impl NdOption<'_> {
    /// The MAC of a link-layer address option that is one unit long, as Ethernet's are (RFC 2464 §6).
    #[must_use]
    pub fn mac(&self) -> Option<MacAddr> {
        self.value.try_into().ok().map(MacAddr)
    }
}

/// The options in `octets`, in order. The first one with length zero, the first that runs past the end and the first
/// beyond [`MAX_ND_OPTIONS`] is `Err`, and nothing follows it.
pub fn options(octets: &[u8]) -> impl Iterator<Item = Result<NdOption<'_>, Malformed>> {
    let mut reader = Reader::new(octets);
    let mut left = MAX_ND_OPTIONS;
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let option = next(&mut reader).filter(|_| left > 0);
        left = left.saturating_sub(1);
        if option.is_none() {
            reader = Reader::new(&[]);
        }
        Some(option.ok_or(Malformed))
    })
}

fn next<'a>(reader: &mut Reader<'a>) -> Option<NdOption<'a>> {
    let kind = reader.u8().ok()?;
    let units = reader.u8().ok().filter(|units| *units != 0)?;
    let value = reader.take(usize::from(units).saturating_mul(8).saturating_sub(2)).ok()?;
    Some(NdOption { kind, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RA-001, RA-003.
    #[test]
    fn ra_001_a_zero_length_option_ends_the_message() {
        let octets = [1, 1, 1, 2, 3, 4, 5, 6, 9, 0, 0, 0, 0, 0, 0, 0];
        let mut walk = options(&octets);
        assert_eq!(walk.next().unwrap().unwrap().mac(), Some(MacAddr([1, 2, 3, 4, 5, 6])));
        assert_eq!(walk.next().unwrap().unwrap_err(), Malformed);
        assert!(walk.next().is_none());
    }

    #[test]
    fn ra_003_an_option_past_the_end_or_a_trailing_octet_is_malformed() {
        assert!(options(&[1, 2, 0, 0, 0, 0, 0, 0]).any(|o| o.is_err()));
        assert!(options(&[1, 1, 0, 0, 0, 0, 0, 0, 7]).any(|o| o.is_err()));
    }

    #[test]
    fn the_number_of_options_is_bounded() {
        let many = [250, 1, 0, 0, 0, 0, 0, 0].repeat(MAX_ND_OPTIONS + 1);
        assert_eq!(options(&many).filter(Result::is_ok).count(), MAX_ND_OPTIONS);
        assert_eq!(options(&many).count(), MAX_ND_OPTIONS + 1);
    }
}
