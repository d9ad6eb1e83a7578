//! What a frame that makes the engine panic costs: its sender, not the process.
//!
//! The sender is silent from then on, until the process starts anew: whatever state its frames lead into is not entered
//! twice. The engine's own state is memory-safe after an unwinding; a counter may be off by one.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::responder::Responder;
use crate::engine::RxFrame;
use crate::types::{Instant, MacAddr};

/// Senders remembered; the oldest makes room. More senders than this that all find a bug are one guest that changes
/// its MAC, and cost one unwinding per frame then.
const MAX_QUARANTINED: usize = 1024;

/// Quarantines that are logged; a guest cannot fill the disk by changing its MAC.
const MAX_LOGGED: u64 = 16;

/// How long timers stand still after one of them made the engine panic.
const TIMER_PAUSE: Duration = Duration::from_secs(1);

/// Offset of the source MAC in a frame.
const SOURCE: std::ops::Range<usize> = 6..12;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Sender {
    device: u32,
    vlan: u16,
    mac: MacAddr,
}

/// A responder whose panics are caught.
#[derive(Debug)]
pub(super) struct Guarded<R> {
    pub(super) responder: R,
    silent: HashSet<Sender>,
    order: VecDeque<Sender>,
    timers_from: Instant,
    /// Panics caught.
    pub(super) panics: u64,
}

impl<R: Responder> Guarded<R> {
    pub(super) fn new(responder: R) -> Self {
        let (silent, order) = (HashSet::new(), VecDeque::new());
        Self { responder, silent, order, timers_from: Instant::default(), panics: 0 }
    }

    /// As [`Responder::frame`]; `None` too for a quarantined sender.
    pub(super) fn frame(&mut self, now: Instant, frame: RxFrame<'_>, out: &mut [u8]) -> Option<usize> {
        if !self.silent.is_empty() && self.silent.contains(&sender(&frame)) {
            self.responder.quarantined();
            return None;
        }
        let responder = &mut self.responder;
        match catch_unwind(AssertUnwindSafe(|| responder.frame(now, frame, out))) {
            Ok(answer) => answer,
            Err(_) => {
                self.quarantine(sender(&frame));
                None
            }
        }
    }

    /// As [`Responder::timeout`]; `None` too for a while after a panic.
    pub(super) fn timeout(&mut self, now: Instant, out: &mut [u8]) -> Option<(u32, usize)> {
        if now < self.timers_from {
            return None;
        }
        let responder = &mut self.responder;
        catch_unwind(AssertUnwindSafe(|| responder.timeout(now, out))).unwrap_or_else(|_| {
            self.panics += 1;
            self.timers_from = now.plus(TIMER_PAUSE);
            None
        })
    }

    /// As [`Responder::next_timeout`], not before the pause after a panic is over.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.responder.next_timeout().map(|at| at.max(self.timers_from))
    }

    fn quarantine(&mut self, sender: Sender) {
        self.panics += 1;
        if self.panics <= MAX_LOGGED {
            let Sender { device, vlan, mac } = sender;
            tracing::error!(device, vlan, %mac, "a frame made the engine panic: its sender is ignored from now on");
        }
        if self.order.len() == MAX_QUARANTINED
            && let Some(oldest) = self.order.pop_front()
        {
            self.silent.remove(&oldest);
        }
        if self.silent.insert(sender) {
            self.order.push_back(sender);
        }
    }
}

fn sender(frame: &RxFrame<'_>) -> Sender {
    let mac = frame.octets.get(SOURCE).and_then(|octets| octets.try_into().ok()).unwrap_or_default();
    Sender { device: frame.device, vlan: frame.vlan, mac: MacAddr(mac) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::{Checksum, Share};
    use crate::lease::LeaseTable;

    /// Panics at frames whose last octet is 0xff, and at its timers.
    #[derive(Default)]
    struct Fragile {
        ignored: u64,
    }

    impl Responder for Fragile {
        fn attach(&mut self, _: u32, _: &str, _: MacAddr, _: Share, _: Instant) {}
        fn detach(&mut self, _: u32) {}
        fn publish(&mut self, _: Arc<LeaseTable>, _: Instant) {}
        fn frame(&mut self, _: Instant, frame: RxFrame<'_>, _: &mut [u8]) -> Option<usize> {
            assert_ne!(frame.octets.last(), Some(&0xff), "the bug");
            Some(1)
        }
        fn quarantined(&mut self) {
            self.ignored += 1;
        }
        fn timeout(&mut self, now: Instant, _: &mut [u8]) -> Option<(u32, usize)> {
            panic!("the other bug, at {now:?}");
        }
        fn next_timeout(&self) -> Option<Instant> {
            Some(Instant(0))
        }
        fn counts(&self) -> Vec<(&'static str, u64)> {
            Vec::new()
        }
    }

    fn from_mac(guarded: &mut Guarded<Fragile>, mac: u16, last: u8) -> Option<usize> {
        let [high, low] = mac.to_be_bytes();
        let octets = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, high, low, 0, last];
        let frame = RxFrame {
            device: 1,
            vlan: 0,
            checksum: Checksum::Unknown,
            length: octets.len(),
            octets: &octets,
        };
        guarded.frame(Instant(0), frame, &mut [])
    }

    #[test]
    fn a_panic_silences_its_sender_and_nobody_else() {
        let mut guarded = Guarded::new(Fragile::default());
        assert_eq!(from_mac(&mut guarded, 1, 0), Some(1));
        assert_eq!(from_mac(&mut guarded, 1, 0xff), None);
        assert_eq!(from_mac(&mut guarded, 1, 0), None);
        assert_eq!(from_mac(&mut guarded, 2, 0), Some(1));
        assert_eq!((guarded.panics, guarded.responder.ignored), (1, 1));
    }

    #[test]
    fn the_oldest_sender_makes_room() {
        let mut guarded = Guarded::new(Fragile::default());
        let senders = u16::try_from(MAX_QUARANTINED).expect("small");
        (0..=senders).for_each(|mac| assert_eq!(from_mac(&mut guarded, mac, 0xff), None));
        assert_eq!(guarded.silent.len(), MAX_QUARANTINED);
        assert_eq!(guarded.order.len(), MAX_QUARANTINED);
        assert_eq!(from_mac(&mut guarded, 0, 0), Some(1));
        assert_eq!(from_mac(&mut guarded, 1, 0), None);
    }

    #[test]
    fn a_panic_of_a_timer_pauses_timers() {
        let mut guarded = Guarded::new(Fragile::default());
        assert_eq!(guarded.timeout(Instant(5), &mut []), None);
        assert_eq!(guarded.next_timeout(), Some(Instant(5).plus(TIMER_PAUSE)));
        assert_eq!(guarded.timeout(Instant(6), &mut []), None);
        assert_eq!(guarded.panics, 1);
    }
}
