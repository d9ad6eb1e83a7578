//! When exchanges begin, and when an answer is no longer waited for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use serde::Serialize;

/// How exchanges are begun.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Closed loop: so many exchanges under way, always; the server's speed is the rate.
    Window(u32),
    /// Open loop: so many begin every second, whatever the server does.
    Rate(f64),
    /// Every guest begins once, evenly within so many seconds, and keeps asking until it is answered.
    Storm(f64),
}

const SECOND: f64 = 1e9;

impl Pace {
    /// How many exchanges are to begin now. `elapsed` are nanoseconds of this run, in which `begun` exchanges began, of
    /// which `active` are under way.
    pub(super) fn due(self, elapsed: u64, begun: u64, active: u64, guests: u32) -> u64 {
        let seconds = elapsed as f64 / SECOND;
        match self {
            Self::Window(window) => u64::from(window).saturating_sub(active),
            // The first one at once. Conversion saturates.
            Self::Rate(rate) => ((seconds * rate) as u64).saturating_add(1).saturating_sub(begun),
            Self::Storm(within) => {
                let guests = u64::from(guests);
                let share = if within > 0.0 { (seconds / within).min(1.0) } else { 1.0 };
                let due = (share * guests as f64) as u64 + 1;
                due.min(guests).saturating_sub(begun)
            }
        }
    }

    /// When exchange number `begun` was to begin, nanoseconds of the run: what its latency is counted from, so that a
    /// server that stops for a second is charged for all who would have come in that second. `None` for at once.
    pub(super) fn scheduled(self, begun: u64) -> Option<u64> {
        match self {
            Self::Rate(rate) => Some((begun as f64 / rate * SECOND) as u64),
            Self::Window(_) | Self::Storm(_) => None,
        }
    }

    pub(super) fn is_storm(self) -> bool {
        matches!(self, Self::Storm(_))
    }
}

/// Who waits until when. Waits that end in the order in which they began, which all of a loop do, cost next to nothing.
#[derive(Debug, Default)]
pub(super) struct Waits {
    ordered: VecDeque<Wait>,
    others: BinaryHeap<Reverse<Wait>>,
}

/// One wait; it is void when the guest has sent something else since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wait {
    pub(super) until: u64,
    pub(super) guest: u32,
    /// Number of the guest's message.
    pub(super) message: u32,
}

impl Waits {
    pub(super) fn add(&mut self, wait: Wait) {
        if self.ordered.back().is_none_or(|last| last.until <= wait.until) {
            self.ordered.push_back(wait);
        } else {
            self.others.push(Reverse(wait));
        }
    }

    /// The next wait that is over by `now`.
    pub(super) fn over(&mut self, now: u64) -> Option<Wait> {
        if self.next()? > now {
            return None;
        }
        let first = self.ordered.front().map(|wait| wait.until);
        let other = self.others.peek().map(|Reverse(wait)| wait.until);
        match (first, other) {
            (Some(first), Some(other)) if other < first => self.others.pop().map(|Reverse(wait)| wait),
            (None, _) => self.others.pop().map(|Reverse(wait)| wait),
            _ => self.ordered.pop_front(),
        }
    }

    /// When the next wait is over.
    pub(super) fn next(&self) -> Option<u64> {
        let first = self.ordered.front().map(|wait| wait.until);
        let other = self.others.peek().map(|Reverse(wait)| wait.until);
        first.into_iter().chain(other).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_window_is_kept_full() {
        assert_eq!(Pace::Window(8).due(0, 0, 0, 100), 8);
        assert_eq!(Pace::Window(8).due(MS, 8, 5, 100), 3);
        assert_eq!(Pace::Window(8).due(MS, 8, 9, 100), 0);
    }

    #[test]
    fn a_rate_does_not_depend_on_answers() {
        let rate = Pace::Rate(1000.0);
        assert_eq!(rate.due(0, 0, 0, 1), 1);
        assert_eq!(rate.due(0, 1, 1, 1), 0);
        assert_eq!(rate.due(100 * MS, 1, 1, 1), 100);
        assert_eq!(rate.scheduled(250), Some(250 * MS));
    }

    #[test]
    fn a_storm_lets_every_guest_begin_once() {
        let storm = Pace::Storm(2.0);
        assert_eq!(storm.due(0, 0, 0, 10), 1);
        assert_eq!(storm.due(1000 * MS, 1, 1, 10), 5);
        assert_eq!(storm.due(9000 * MS, 6, 0, 10), 4);
        assert_eq!(storm.due(9000 * MS, 10, 0, 10), 0);
        assert_eq!(Pace::Storm(0.0).due(0, 0, 0, 10), 10);
    }

    #[test]
    fn waits_end_in_the_order_of_their_ends() {
        let mut waits = Waits::default();
        for until in [5, 9, 3, 7, 9, 1] {
            waits.add(Wait { until, guest: 0, message: 0 });
        }
        assert_eq!(waits.over(0), None);
        let ends: Vec<u64> = std::iter::from_fn(|| waits.over(8).map(|wait| wait.until)).collect();
        assert_eq!(ends, [1, 3, 5, 7]);
        assert_eq!(waits.next(), Some(9));
    }
}
