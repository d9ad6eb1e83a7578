//! How many requests a guest may send: a token bucket for each guest that has sent one of late.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::types::Instant;

/// Microtokens of one request.
const REQUEST: u64 = 1_000_000;

/// What one guest has left, in microtokens, and when that was.
#[derive(Clone, Copy, Debug)]
struct Meter {
    left: u64,
    at: Instant,
}

/// The buckets of all guests. A guest whose bucket is full is not kept.
#[derive(Debug)]
pub(super) struct Meters<K> {
    /// Requests per second; 0 for as many as guests like.
    rate: u64,
    /// Microtokens of a full bucket.
    full: u64,
    meters: HashMap<K, Meter>,
}

impl<K: Eq + Hash> Meters<K> {
    /// Buckets of `burst` requests, at least one, that fill by `rate` requests a second.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let full = u64::from(burst.max(1)).saturating_mul(REQUEST);
        Self { rate: u64::from(rate), full, meters: HashMap::new() }
    }

    /// Takes one request out of a guest's bucket, or says how long until there is one in it.
    pub(super) fn take(&mut self, guest: K, now: Instant) -> Result<(), Duration> {
        if self.rate == 0 {
            return Ok(());
        }
        let (full, rate) = (self.full, self.rate);
        let meter = self.meters.entry(guest).or_insert(Meter { left: full, at: now });
        meter.left = filled(meter, full, rate, now);
        meter.at = now;
        match meter.left.checked_sub(REQUEST) {
            Some(left) => {
                meter.left = left;
                Ok(())
            }
            None => Err(Duration::from_micros((REQUEST - meter.left).div_ceil(rate))),
        }
    }

    /// Forgets the guests whose buckets are full again.
    pub(super) fn forget_full(&mut self, now: Instant) {
        let (full, rate) = (self.full, self.rate);
        self.meters.retain(|_, meter| filled(meter, full, rate, now) < full);
    }
}

/// A microsecond brings as many microtokens as there are requests in a second.
fn filled(meter: &Meter, full: u64, rate: u64, now: Instant) -> u64 {
    let gained = now.0.saturating_sub(meter.at.0).saturating_mul(rate);
    meter.left.saturating_add(gained).min(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_gets_its_burst_then_its_rate_and_costs_nobody_else() {
        let mut meters = Meters::new(10, 3);
        let at = |milliseconds| Instant::default().plus(Duration::from_millis(milliseconds));
        for _ in 0..3 {
            assert_eq!(meters.take("a", at(0)), Ok(()));
        }
        assert_eq!(meters.take("a", at(0)), Err(Duration::from_millis(100)));
        assert_eq!(meters.take("a", at(60)), Err(Duration::from_millis(40)));
        assert_eq!(meters.take("b", at(60)), Ok(()));
        assert_eq!(meters.take("a", at(100)), Ok(()));
        assert_eq!(meters.take("a", at(100)), Err(Duration::from_millis(100)));
        let pause = at(10_000);
        assert_eq!(
            (0..10).filter(|_| meters.take("a", pause).is_ok()).count(),
            3,
            "no more than a burst is saved"
        );
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut meters = Meters::new(10, 3);
        assert_eq!(meters.take("a", Instant(0)), Ok(()));
        meters.forget_full(Instant(99_999));
        assert_eq!(meters.meters.len(), 1);
        meters.forget_full(Instant(100_000));
        assert_eq!(meters.meters.len(), 0);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut meters = Meters::new(0, 1);
        assert!((0..1000).all(|_| meters.take("a", Instant(0)).is_ok()));
        assert_eq!(meters.meters.len(), 0);
    }
}
