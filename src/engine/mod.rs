//! Joins the pure function with what changes: attached devices, timers of unsolicited RAs, counters, the table.
//!
//! The run-loop contract, the same for the live worker, `replay`, tests and benches: hand over every received frame
//! with [`Engine::frame`] and send what it answers on the same device; then call [`Engine::timeout`] until it returns
//! `None`, sending each frame it makes; then sleep no longer than until [`Engine::next_timeout`]. No system call, clock
//! or randomness is in here: `now` and a seed are arguments.

use std::sync::Arc;

use crate::answer::Verdict;
use crate::lease::LeaseTable;
use crate::types::{Instant, MacAddr};

/// What is known of the upper-layer checksum of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing: it is verified.
    Unknown,
    /// The kernel or the NIC verified it.
    Verified,
    /// Only the pseudo-header is summed, as local kernels and virtio guests leave it; it is not verified.
    Partial,
}

/// One received frame and what the port said about it.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame<'a> {
    /// Number of the attached device (the kernel's ifindex) that it came in on.
    pub device: u32,
    /// VLAN id of a tag that the kernel has taken out of the octets; 0 when there was none.
    pub vlan: u16,
    /// What is known of its checksum.
    pub checksum: Checksum,
    /// Octets of the frame before the capture cut it off; equal to `octets.len()` when it was not cut.
    pub length: usize,
    /// The octets, from the destination MAC on; a VLAN tag may still be inside.
    pub octets: &'a [u8],
}

/// The state of one worker.
#[derive(Debug)]
pub struct Engine {
    table: Arc<LeaseTable>,
}

impl Engine {
    /// An engine without devices. `seed` feeds the jitter of unsolicited RAs.
    #[must_use]
    pub fn new(table: Arc<LeaseTable>, _seed: u64) -> Self {
        Self { table }
    }

    /// A device was attached: its ports get their first unsolicited RAs. A known number is renamed.
    pub fn attach(&mut self, _device: u32, _name: &str, _mac: MacAddr, _now: Instant) {}

    /// A device is gone.
    pub fn detach(&mut self, _device: u32) {}

    /// Replaces the table; ports whose RA changed get an initial burst of the new one.
    pub fn publish(&mut self, table: Arc<LeaseTable>, _now: Instant) {
        self.table = table;
    }

    /// Answers one frame into `out`, which must hold [`MAX_FRAME`](crate::types::limits::MAX_FRAME) octets.
    pub fn frame(&mut self, _now: Instant, _frame: RxFrame<'_>, _out: &mut [u8]) -> Verdict {
        Verdict::Pass
    }

    /// Writes the next unsolicited RA that is due into `out`: the device to send it on and its octets' length.
    pub fn timeout(&mut self, _now: Instant, _out: &mut [u8]) -> Option<(u32, usize)> {
        None
    }

    /// When [`timeout`](Self::timeout) will have something to send; `None` for never.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// What became of all frames so far: name and count of every answer kind and drop reason.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        std::iter::empty()
    }
}
