//! The lengths of a DHCPv6 message, looked at before `dhcproto` may decode it.
//!
//! `dhcproto` 0.15 subtracts from claimed lengths without a look (options 11, 13, 16, 17), trusts the type of some
//! options over their length, and ends silently at the first one that it cannot read. What passes here it decodes
//! completely; options that it cannot be trusted with are taken out and kept as octets.

use super::report::{RawOption, hex};
use crate::wire::dhcp6::code;

/// Options taken out of what `dhcproto` sees: a relayed message, authentication, and the classes and options of
/// vendors, whose contents it reads as if they were DHCPv6 options.
const KEPT_RAW: [u16; 5] =
    [code::RELAY_MSG, code::AUTH, code::USER_CLASS, code::VENDOR_CLASS, code::VENDOR_OPTS];

/// Options deeper than IA_PD → IAPREFIX → Status Code are nobody's.
const MAX_DEPTH: u8 = 3;

/// A message that is safe to decode and the options that are no longer in it.
pub(super) struct Guarded {
    pub(super) octets: Vec<u8>,
    /// How many options `octets` has at the top level.
    pub(super) options: usize,
    pub(super) raw: Vec<RawOption>,
    /// Codes at the top level in order, those kept raw included.
    pub(super) codes: Vec<u16>,
}

/// Checks every length of a client-server message; the error says which one lies.
pub(super) fn check(message: &[u8]) -> Result<Guarded, String> {
    let Some((header, mut rest)) = message.split_first_chunk::<4>() else {
        return Err("it is shorter than its header".into());
    };
    let mut out = Guarded { octets: header.to_vec(), options: 0, raw: Vec::new(), codes: Vec::new() };
    while !rest.is_empty() {
        let (code, data, next) = split(rest)?;
        if KEPT_RAW.contains(&code) || (code == code::NTP_SERVER && !is_ntp(data)) {
            out.raw.push(RawOption { code, data: hex(data) });
        } else {
            option(code, data, 0)?;
            let length = rest.len().saturating_sub(next.len());
            out.octets.extend_from_slice(rest.get(..length).unwrap_or_default());
            out.options = out.options.saturating_add(1);
        }
        out.codes.push(code);
        rest = next;
    }
    Ok(out)
}

fn split(octets: &[u8]) -> Result<(u16, &[u8], &[u8]), String> {
    let Some(([a, b, c, d], rest)) = octets.split_first_chunk::<4>() else {
        return Err(format!("{} octets are left over after the last option", octets.len()));
    };
    let (code, length) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    let (data, next) = rest
        .split_at_checked(length.into())
        .ok_or_else(|| format!("option {code} claims {length} octets where {} are left", rest.len()))?;
    Ok((code, data, next))
}

fn option(code: u16, data: &[u8], depth: u8) -> Result<(), String> {
    let length = data.len();
    let fits = match code {
        code::CLIENT_ID | code::SERVER_ID => (3..=130).contains(&length),
        code::ORO | code::CLIENT_ARCH_TYPE => length.is_multiple_of(2),
        code::PREFERENCE | code::RECONF_MSG => length == 1,
        code::ELAPSED_TIME => length == 2,
        code::UNICAST => length == 16,
        code::STATUS_CODE => {
            length >= 2 && data.get(2..).is_some_and(|text| std::str::from_utf8(text).is_ok())
        }
        code::RAPID_COMMIT | code::RECONF_ACCEPT => length == 0,
        code::DNS_SERVERS | code::SNTP_SERVERS => length.is_multiple_of(16) && length > 0,
        code::DOMAIN_LIST => are_names(data),
        code::INFORMATION_REFRESH_TIME | code::SOL_MAX_RT | code::INF_MAX_RT => length == 4,
        code::IA_NA | code::IA_PD => return nested(code, data, 12, depth),
        code::IA_TA => return nested(code, data, 4, depth),
        code::IAADDR => return nested(code, data, 24, depth),
        code::IAPREFIX => return nested(code, data, 25, depth),
        _ if depth > 0 => !KEPT_RAW.contains(&code) && code != code::NTP_SERVER,
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("option {code} cannot be {length} octets: {}", hex(data))) }
}

fn nested(code: u16, data: &[u8], fixed: usize, depth: u8) -> Result<(), String> {
    let Some(mut rest) = data.get(fixed..) else {
        return Err(format!("option {code} has {} octets, fewer than {fixed}", data.len()));
    };
    if depth >= MAX_DEPTH {
        return Err(format!("option {code} is nested too deeply"));
    }
    while !rest.is_empty() {
        let (code, data, next) = split(rest)?;
        option(code, data, depth.saturating_add(1))?;
        rest = next;
    }
    Ok(())
}

/// Whole names of labels up to 63 octets, each ended by a zero, never compressed (RFC 9915 §10).
fn are_names(mut octets: &[u8]) -> bool {
    let mut ended = false;
    while let Some((&length, rest)) = octets.split_first() {
        if length > 63 {
            return false;
        }
        let Some(next) = rest.get(length.into()..) else { return false };
        ended = length == 0;
        octets = next;
    }
    ended
}

/// Suboptions of an NTP Server option: 1 and 2 are addresses, 3 is one name (RFC 5908 §4).
fn is_ntp(mut octets: &[u8]) -> bool {
    while !octets.is_empty() {
        let Ok((code, data, next)) = split(octets) else { return false };
        let fits = match code {
            1 | 2 => data.len() == 16,
            3 => are_names(data),
            _ => false,
        };
        if !fits {
            return false;
        }
        octets = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::check;

    /// The input on which `dhcproto` 0.15 panics: a Status Code of no octets with others behind it.
    #[test]
    fn a_status_code_without_a_code_never_reaches_the_decoder() {
        let message = [7, 0xaa, 0xbb, 0xcc, 0, 13, 0, 0, 0, 0];
        assert!(check(&message).is_err());
    }

    #[test]
    fn vendor_options_are_kept_raw_whatever_is_in_them() {
        let message = [7, 1, 2, 3, 0, 17, 0, 2, 0xde, 0xad, 0, 14, 0, 0];
        let guarded = check(&message).expect("well formed");
        assert_eq!(guarded.octets, [7, 1, 2, 3, 0, 14, 0, 0]);
        assert_eq!((guarded.raw.len(), guarded.raw[0].code, guarded.raw[0].data.as_str()), (1, 17, "dead"));
        assert_eq!(guarded.codes, [17, 14]);
    }

    #[test]
    fn lengths_that_lie_are_refused_with_the_option_that_lies() {
        for (message, word) in [
            (&[7, 1, 2][..], "header"),
            (&[7, 1, 2, 3, 0], "left over"),
            (&[7, 1, 2, 3, 0, 23, 0, 17, 1], "option 23 claims 17 octets"),
            (&[7, 1, 2, 3, 0, 3, 0, 4, 0, 0, 0, 1], "option 3 has 4 octets"),
            (&[7, 1, 2, 3, 0, 24, 0, 2, 0xc0, 0x0c], "option 24"),
            (&[7, 1, 2, 3, 0, 3, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0], "option 13"),
        ] {
            let error = check(message).err().unwrap_or_default();
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    }
}
