//! The least that can be answered: the frame itself with its addresses swapped. What a real answer costs is measured
//! against it, on the same ring path.

use std::sync::Arc;

use super::responder::Responder;
use crate::engine::{RxFrame, Share};
use crate::lease::LeaseTable;
use crate::types::{Instant, MacAddr};

/// A responder that sends every frame back to where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Bare {
    mac: MacAddr,
    least: usize,
    answered: u64,
}

impl Bare {
    /// One that answers from `mac`.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        Self { mac, least: 0, answered: 0 }
    }

    /// The same, with answers of `least` octets or more, zeros behind shorter frames: a longer frame costs the kernel more.
    #[must_use]
    pub fn of_length(self, least: usize) -> Self {
        Self { least, ..self }
    }
}

/// Octets of an Ethernet header, and of one with the addresses of an IPv6 packet behind it.
const ETHERNET: usize = 14;
const ADDRESSES: std::ops::Range<usize> = ETHERNET + 8..ETHERNET + 40;

impl Responder for Bare {
    fn attach(&mut self, _device: u32, _name: &str, _mac: MacAddr, _share: Share, _now: Instant) {}

    fn detach(&mut self, _device: u32) {}

    fn publish(&mut self, _table: Arc<LeaseTable>, _now: Instant) {}

    fn frame(&mut self, _now: Instant, frame: RxFrame<'_>, out: &mut [u8]) -> Option<usize> {
        let length = frame.octets.len().max(self.least);
        let answer = out.get_mut(..length)?;
        let (swapped, rest) = answer.split_at_mut_checked(frame.octets.len())?;
        swapped.copy_from_slice(frame.octets);
        rest.fill(0);
        answer.get_mut(..6)?.copy_from_slice(frame.octets.get(6..12)?);
        answer.get_mut(6..12)?.copy_from_slice(&self.mac.0);
        let (source, destination) = answer.get_mut(ADDRESSES)?.split_at_mut(16);
        source.swap_with_slice(destination);
        self.answered += 1;
        Some(length)
    }

    fn quarantined(&mut self) {}

    fn timeout(&mut self, _now: Instant, _out: &mut [u8]) -> Option<(u32, usize)> {
        None
    }

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        vec![("swapped", self.answered)]
    }
}
