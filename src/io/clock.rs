//! The clocks and the entropy of the process.
#![allow(unsafe_code)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::types::Instant;

/// A monotonic clock that starts at zero when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// The present moment, in microseconds since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::default().plus(self.origin.elapsed())
    }
}

/// A number that nobody can guess, for jitter: the standard library's per-process hash keys, which the kernel's
/// random generator fills.
#[must_use]
pub fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The processor time that the calling thread has used.
#[must_use]
pub fn thread_time() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `used` is writable and outlives the call; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used) };
    duration(used)
}

/// The kernel's monotonic clock in microseconds, as service managers compare it.
#[must_use]
pub fn monotonic() -> Instant {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is writable and outlives the call; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    Instant::default().plus(duration(now))
}

fn duration(span: libc::timespec) -> Duration {
    let seconds = u64::try_from(span.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(span.tv_nsec).unwrap_or(0))
}
