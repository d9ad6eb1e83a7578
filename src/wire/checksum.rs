//! The Internet checksum over the IPv6 pseudo-header (RFC 8200 §8.1, RFC 1071).

use std::net::Ipv6Addr;

/// What is known of the upper-layer checksum of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: it is verified.
    Unknown,
    /// The kernel or the NIC verified it.
    Verified,
    /// Only the pseudo-header is summed, as local kernels and virtio guests leave it; it cannot be verified.
    Partial,
}

/// One's complement sum of octets taken as 16-bit words in network order, an odd last octet padded with zero.
/// The result is folded to 16 bits.
#[must_use]
#[inline]
pub fn sum(octets: &[u8]) -> u16 {
    u16::from_be(fold(words(octets)))
}

/// The one's complement sum of 64-bit words in the machine's own order, not folded. It is the same in either octet order up
/// to a final swap, and of any word size that is a multiple of 16 bits (RFC 1071 §2). Even and odd words have a sum each,
/// so that neither waits for the other's carry.
#[inline]
fn words(octets: &[u8]) -> u64 {
    let (pairs, rest) = octets.as_chunks::<16>();
    let (mut even, mut odd) = (0_u64, 0_u64);
    for pair in pairs {
        let pair = u128::from_ne_bytes(*pair);
        even = add(even, pair as u64);
        odd = add(odd, (pair >> 64) as u64);
    }
    let (long, rest) = rest.as_chunks::<8>();
    if let [word] = long {
        even = add(even, u64::from_ne_bytes(*word));
    }
    let (short, tail) = rest.as_chunks::<4>();
    if let [word] = short {
        odd = add(odd, u64::from(u32::from_ne_bytes(*word)));
    }
    let last = match *tail {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    add(add(even, odd), u64::from(u32::from_ne_bytes(last)))
}

/// One's complement addition: the carry is added back.
#[inline]
const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u64)
}

/// The checksum of an upper-layer message: the pseudo-header and `message`, whose own checksum field counts as it
/// stands. Zero means that a received checksum is right; with a zeroed field it is the value to send.
#[must_use]
#[inline]
pub fn upper_layer(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, message: &[u8]) -> u16 {
    let addresses = add(words(&source.octets()), words(&destination.octets()));
    !u16::from_be(fold(add(
        add(addresses, words(message)),
        rest_of_pseudo_header(next_header, message.len()),
    )))
}

/// [`upper_layer`] of a message of `length` octets that stands directly behind the addresses, as in a packet without
/// extension headers.
#[must_use]
#[inline]
pub fn addresses_and_message(octets: &[u8], next_header: u8, length: usize) -> u16 {
    !u16::from_be(fold(add(words(octets), rest_of_pseudo_header(next_header, length))))
}

/// Length and next header, as words of the machine's own order.
#[inline]
fn rest_of_pseudo_header(next_header: u8, length: usize) -> u64 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    u64::from(length.to_be()).wrapping_add(u64::from(u32::from(next_header).to_be()))
}

const fn fold(total: u64) -> u16 {
    let mut t = total;
    t = (t & 0xffff_ffff).wrapping_add(t >> 32);
    t = (t & 0xffff_ffff).wrapping_add(t >> 32);
    t = (t & 0xffff).wrapping_add(t >> 16);
    t = (t & 0xffff).wrapping_add(t >> 16);
    t = (t & 0xffff).wrapping_add(t >> 16);
    (t & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 §3.
    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum(&[0xff]), 0xff00);
        assert_eq!(sum(&[]), 0);
    }

    /// IP-005: the sum agrees with a word-by-word sum whatever the length.
    #[test]
    fn ip_005_every_length_agrees_with_the_definition() {
        let octets: Vec<u8> = (0..200_u16).map(|i| (i.wrapping_mul(73) >> 1) as u8).collect();
        for end in 0..octets.len() {
            let mut total: u32 = 0;
            for word in octets[..end].chunks(2) {
                total += u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0));
            }
            while total > 0xffff {
                total = (total & 0xffff) + (total >> 16);
            }
            assert_eq!(u32::from(sum(&octets[..end])), total, "{end} octets");
        }
    }
}
