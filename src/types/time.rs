//! Time as the caller gives it, and lifetimes as the protocols write them.

use std::fmt;
use std::time::Duration;

/// A moment in microseconds since an origin that only the caller knows; never goes back.
///
/// Nothing below `io/` reads a clock: `now` is always an argument.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The moment `span` later; stops at the end of time.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

const fn micros(span: Duration) -> u64 {
    let all = span.as_micros();
    if all > u64::MAX as u128 { u64::MAX } else { all as u64 }
}

/// A lifetime in seconds; `0xffffffff` is infinity (RFC 9915 §7.7, RFC 4861 §4.6.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lifetime(pub u32);

impl Lifetime {
    /// No end.
    pub const INFINITE: Self = Self(u32::MAX);
    /// Over already: how a lease or an option is withdrawn.
    pub const ZERO: Self = Self(0);

    /// True for the value that means no end.
    #[must_use]
    pub const fn is_infinite(self) -> bool {
        self.0 == u32::MAX
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinite() { out.write_str("infinity") } else { write!(out, "{} s", self.0) }
    }
}
