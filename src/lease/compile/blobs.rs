//! Octets that records refer to, equal ones stored once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use super::TooLarge;
use crate::lease::record::BlobRef;

/// The blob section while it grows.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    octets: Vec<u8>,
    seen: HashMap<u64, BlobRef, BuildHasherDefault<Hashed>>,
}

impl Blobs {
    /// Makes room for so many different blobs.
    pub(super) fn reserve(&mut self, blobs: usize) {
        self.seen.reserve(blobs);
    }

    /// Stores octets, or finds them stored; nothing is two zeros.
    ///
    /// # Errors
    /// [`TooLarge`] when the section would pass 4 GiB.
    pub(super) fn store(&mut self, octets: &[u8]) -> Result<BlobRef, TooLarge> {
        if octets.is_empty() {
            return Ok(BlobRef::default());
        }
        let mut key = hash(octets);
        loop {
            match self.seen.entry(key) {
                Entry::Occupied(entry) => {
                    let at = *entry.get();
                    let first = at.offset.get() as usize;
                    if self.octets.get(first..first + at.length.get() as usize) == Some(octets) {
                        return Ok(at);
                    }
                    // Another blob with this hash: the next key is as good.
                    key = key.wrapping_add(1);
                }
                Entry::Vacant(entry) => {
                    let offset = u32::try_from(self.octets.len()).map_err(|_| TooLarge)?;
                    let length = u32::try_from(octets.len()).map_err(|_| TooLarge)?;
                    offset.checked_add(length).ok_or(TooLarge)?;
                    self.octets.extend_from_slice(octets);
                    return Ok(*entry.insert(BlobRef { offset: offset.into(), length: length.into() }));
                }
            }
        }
    }

    /// The section.
    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }
}

/// Folded multiplications over words of eight octets. Equal hashes cost a comparison, nothing else, and the octets are
/// the operator's.
fn hash(octets: &[u8]) -> u64 {
    let mut state = octets.len() as u64;
    let mut word = |word: u64| {
        let wide = u128::from(state ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        state = (wide >> 64) as u64 ^ wide as u64;
    };
    let (words, rest) = octets.as_chunks::<8>();
    words.iter().for_each(|octets| word(u64::from_le_bytes(*octets)));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    word(u64::from_le_bytes(last));
    state
}

/// Keys that are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_octets_are_stored_once_and_nothing_costs_nothing() {
        let mut blobs = Blobs::default();
        let first = blobs.store(b"one").expect("small");
        assert_eq!(blobs.store(b"one").expect("small"), first);
        assert_ne!(blobs.store(b"two").expect("small"), first);
        assert_eq!(blobs.store(b"").expect("small"), BlobRef::default());
        assert_eq!(blobs.into_octets(), b"onetwo");
    }
}
