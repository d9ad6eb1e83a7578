//! The Internet checksum over the IPv6 pseudo-header (RFC 8200 §8.1, RFC 1071).

use std::net::Ipv6Addr;

/// Octets of an IPv6 packet's two addresses.
const ADDRESSES: usize = 32;

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

/// The sum in the machine's own order, not folded. A one's complement sum is the same in either octet order up to a final
/// swap, and of any word size that is a multiple of 16 bits once carries are added back (RFC 1071 §2); so halves of 64-bit
/// words go into two 64-bit sums, which have room for the longest frame a million times over. To add each carry back at
/// once is fewer instructions and slower: every addition waits for the one before.
#[inline]
fn words(octets: &[u8]) -> u64 {
    let (long, rest) = octets.as_chunks::<8>();
    let (mut low, mut high) = (0_u64, 0_u64);
    for word in long {
        let word = u64::from_ne_bytes(*word);
        low = low.wrapping_add(word & 0xffff_ffff);
        high = high.wrapping_add(word >> 32);
    }
    let word = rest_word(octets, rest);
    low.wrapping_add(high).wrapping_add(word & 0xffff_ffff).wrapping_add(word >> 32)
}

/// The last octets, fewer than eight, as a word that zeros fill up.
#[inline]
fn rest_word(octets: &[u8], rest: &[u8]) -> u64 {
    match (rest.len(), octets.last_chunk::<8>()) {
        (0, _) => 0,
        // The last eight octets, without those that are counted already.
        (count, Some(last)) => {
            let counted = 8_u32.saturating_sub(count as u32).saturating_mul(8);
            let word = u64::from_le_bytes(*last).checked_shr(counted).unwrap_or(0);
            u64::from_ne_bytes(word.to_le_bytes())
        }
        (_, None) => {
            let mut word = [0; 8];
            word.iter_mut().zip(rest).for_each(|(place, octet)| *place = *octet);
            u64::from_ne_bytes(word)
        }
    }
}

/// The checksum of an upper-layer message: the pseudo-header and `message`, whose own checksum field counts as it
/// stands. Zero means that a received checksum is right; with a zeroed field it is the value to send.
#[must_use]
#[inline]
pub fn upper_layer(source: Ipv6Addr, destination: Ipv6Addr, next_header: u8, message: &[u8]) -> u16 {
    let addresses = words(&source.octets()).wrapping_add(words(&destination.octets()));
    seal(addresses.wrapping_add(words(message)), next_header, message.len(), 0)
}

/// [`upper_layer`] of a packet without extension headers, from its source address on: both addresses and the message stand
/// together. `unwritten` is a field of the message that is still zero in the octets.
#[must_use]
#[inline]
pub fn addresses_and_message(octets: &[u8], next_header: u8, unwritten: u16) -> u16 {
    seal(words(octets), next_header, octets.len().saturating_sub(ADDRESSES), unwritten)
}

/// The checksum from the sum of addresses and message, with the rest of the pseudo-header and another 16 bits.
#[inline]
fn seal(sum: u64, next_header: u8, length: usize, more: u16) -> u16 {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let own = [length, next_header.into(), more.into()].map(|number: u32| u64::from(number.to_be()));
    !u16::from_be(fold(own.iter().fold(sum, |sum, own| sum.wrapping_add(*own))))
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
