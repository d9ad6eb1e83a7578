//! What the packet thread asks for answers, and to whom it hands on what it does not answer itself.

use std::sync::Arc;

use super::packet::Socket;
use crate::answer::{Event, Verdict};
use crate::engine::{Engine, Move, RxFrame, Share};
use crate::lease::LeaseTable;
use crate::metadata::Segment;
use crate::types::{Instant, MacAddr};

/// Takes what the packet thread hands on. It is waited for by all guests, so it must never wait itself.
pub trait Listener: Send + 'static {
    /// What a guest on `device` told; false when there was no room for it.
    fn event(&mut self, device: u32, event: Event) -> bool;
    /// A device is gone.
    fn detached(&mut self, _device: u32) {}
    /// A segment for the metadata service, and the socket that its answers go out by; false when there was no room.
    fn segment(&mut self, segment: Segment, socket: &Arc<Socket>) -> bool;
}

/// Nobody listens.
impl Listener for () {
    fn event(&mut self, _: u32, _: Event) -> bool {
        true
    }

    fn segment(&mut self, _: Segment, _: &Arc<Socket>) -> bool {
        true
    }
}

/// What answers frames: the engine, or a stand-in in tests and benches. See [`crate::engine`] for the contract.
pub trait Responder: Send + 'static {
    /// A device was attached, and the frames of a share of its guests are shown; a known number is renamed.
    fn attach(&mut self, device: u32, name: &str, mac: MacAddr, share: Share, now: Instant);
    /// A device is gone.
    fn detach(&mut self, device: u32);
    /// Replaces the lease table.
    fn publish(&mut self, table: Arc<LeaseTable>, now: Instant);
    /// Answers one frame into `out`: the octets of the answer, or `None` for silence.
    fn frame(&mut self, now: Instant, frame: RxFrame<'_>, out: &mut [u8]) -> Option<usize>;
    /// Counts a frame that is not shown to it, because its sender had made it panic.
    fn quarantined(&mut self);
    /// Writes the next frame that is due by itself into `out`: its device and its octets.
    fn timeout(&mut self, now: Instant, out: &mut [u8]) -> Option<(u32, usize)>;
    /// When [`timeout`](Self::timeout) will have something; `None` for never.
    fn next_timeout(&self) -> Option<Instant>;
    /// The oldest of what guests told, with its device.
    fn event(&mut self) -> Option<(u32, Event)> {
        None
    }
    /// The segment of the last frame that was not answered, if it is one for the metadata service.
    fn segment(&mut self) -> Option<Segment> {
        None
    }
    /// A guest that was heard elsewhere than before, for the responders of other devices.
    fn moved(&mut self) -> Option<Move> {
        None
    }
    /// Another responder has heard a guest.
    fn moved_elsewhere(&mut self, _: Move) {}
    /// What became of all frames so far, by name.
    fn counts(&self) -> Vec<(&'static str, u64)>;
}

impl Responder for Engine {
    fn attach(&mut self, device: u32, name: &str, mac: MacAddr, share: Share, now: Instant) {
        Self::attach_share(self, device, name, mac, share, now);
    }

    fn detach(&mut self, device: u32) {
        Self::detach(self, device);
    }

    fn publish(&mut self, table: Arc<LeaseTable>, now: Instant) {
        Self::publish(self, table, now);
    }

    fn frame(&mut self, now: Instant, frame: RxFrame<'_>, out: &mut [u8]) -> Option<usize> {
        match Self::frame(self, now, frame, out) {
            Verdict::Answer { length, .. } => Some(length),
            Verdict::Metadata | Verdict::Pass | Verdict::Drop(_) => None,
        }
    }

    fn quarantined(&mut self) {
        Self::quarantined(self);
    }

    fn timeout(&mut self, now: Instant, out: &mut [u8]) -> Option<(u32, usize)> {
        Self::timeout(self, now, out)
    }

    fn next_timeout(&self) -> Option<Instant> {
        Self::next_timeout(self)
    }

    fn event(&mut self) -> Option<(u32, Event)> {
        Self::event(self)
    }

    fn segment(&mut self) -> Option<Segment> {
        Self::segment(self)
    }

    fn moved(&mut self) -> Option<Move> {
        Self::moved(self)
    }

    fn moved_elsewhere(&mut self, heard: Move) {
        Self::moved_elsewhere(self, heard);
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        Self::counts(self).collect()
    }
}
