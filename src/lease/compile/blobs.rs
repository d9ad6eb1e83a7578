//! Octets that records refer to, equal ones stored once.
//!
//! A million ports bring millions of blobs, nearly all different: what is looked up is one slot of eight octets, and
//! the blobs themselves only when the slot's tag says that they may be equal.

use super::TooLarge;
use crate::lease::record::BlobRef;

/// The blob section while it grows.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    octets: Vec<u8>,
    stored: Vec<BlobRef>,
    /// Open-addressed, a power of two or empty, at most half of them used.
    slots: Vec<Slot>,
}

/// A stored blob by its hash.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Upper half of the hash.
    tag: u32,
    /// Number of the blob plus one; 0 for an empty slot.
    number: u32,
}

impl Blobs {
    /// An empty section that is written over these octets.
    pub(super) fn over(mut room: Vec<u8>) -> Self {
        room.clear();
        Self { octets: room, ..Self::default() }
    }

    /// Makes room for so many different blobs more.
    pub(super) fn reserve(&mut self, blobs: usize) {
        let slots = self.stored.len().saturating_add(blobs).saturating_mul(2).next_power_of_two();
        if slots <= self.slots.len() {
            return;
        }
        self.stored.reserve(blobs);
        let mut wider = vec![Slot::default(); slots];
        for (number, at) in (1..).zip(&self.stored) {
            let hash = hash(self.at(*at));
            let empty = probe(&wider, hash).find(|i| wider.get(*i).is_some_and(|slot| slot.number == 0));
            if let Some(slot) = empty.and_then(|i| wider.get_mut(i)) {
                *slot = Slot { tag: (hash >> 32) as u32, number };
            }
        }
        self.slots = wider;
    }

    /// Stores octets, or finds them stored; nothing is two zeros.
    ///
    /// # Errors
    /// [`TooLarge`] when the section would pass 4 GiB.
    pub(super) fn store(&mut self, octets: &[u8]) -> Result<BlobRef, TooLarge> {
        if octets.is_empty() {
            return Ok(BlobRef::default());
        }
        if self.stored.len() * 2 >= self.slots.len() {
            self.reserve(self.stored.len().max(8));
        }
        let hash = hash(octets);
        let tag = (hash >> 32) as u32;
        for i in probe(&self.slots, hash) {
            let Some(slot) = self.slots.get(i).copied() else { break };
            let Some(number) = slot.number.checked_sub(1) else {
                let at = self.store_new(octets)?;
                let number =
                    u32::try_from(self.stored.len()).map_err(|_| TooLarge)?.checked_add(1).ok_or(TooLarge)?;
                self.stored.push(at);
                if let Some(slot) = self.slots.get_mut(i) {
                    *slot = Slot { tag, number };
                }
                return Ok(at);
            };
            if slot.tag == tag
                && let Some(at) = self.stored.get(number as usize)
                && self.at(*at) == octets
            {
                return Ok(*at);
            }
        }
        Err(TooLarge)
    }

    /// Stores octets that are known to be different from all others of their kind, without looking.
    ///
    /// # Errors
    /// [`TooLarge`] when the section would pass 4 GiB.
    pub(super) fn store_new(&mut self, octets: &[u8]) -> Result<BlobRef, TooLarge> {
        let offset = u32::try_from(self.octets.len()).map_err(|_| TooLarge)?;
        let length = u32::try_from(octets.len()).map_err(|_| TooLarge)?;
        offset.checked_add(length).ok_or(TooLarge)?;
        self.octets.extend_from_slice(octets);
        Ok(BlobRef { offset: offset.into(), length: length.into() })
    }

    fn at(&self, at: BlobRef) -> &[u8] {
        let first = at.offset.get() as usize;
        self.octets.get(first..first + at.length.get() as usize).unwrap_or(&[])
    }

    /// The section.
    pub(super) fn into_octets(mut self) -> Vec<u8> {
        self.octets.shrink_to_fit();
        self.octets
    }
}

/// The slots of a hash, in turn.
fn probe(slots: &[Slot], hash: u64) -> impl Iterator<Item = usize> + use<> {
    let count = slots.len();
    let mask = count.wrapping_sub(1);
    (0..count).map(move |step| (hash as usize).wrapping_add(step) & mask)
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

    #[test]
    fn what_is_stored_is_found_while_the_slots_grow() {
        let mut blobs = Blobs::default();
        let names: Vec<String> = (0..5000).map(|i| format!("vm-{i}")).collect();
        let first: Vec<BlobRef> = names.iter().map(|n| blobs.store(n.as_bytes()).expect("small")).collect();
        let again: Vec<BlobRef> = names.iter().map(|n| blobs.store(n.as_bytes()).expect("small")).collect();
        assert_eq!(first, again);
        assert_eq!(blobs.into_octets(), names.concat().as_bytes());
    }
}
