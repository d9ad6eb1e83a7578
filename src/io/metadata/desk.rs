//! What the tasks of the metadata thread share.

use std::cell::{Cell, RefCell};

use crate::io::clock::Clock;
use crate::metadata::Limits;
use crate::metadata::stacks::Stacks;

use super::backends::Backends;

/// The state of the metadata thread.
pub(super) struct Desk {
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) stacks: RefCell<Stacks>,
    pub(super) backends: Backends,
    pub(super) tally: Tally,
}

/// What became of requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: Cell<u64>,
    /// Refused before anybody was asked.
    pub(super) refused: Cell<u64>,
    /// Sent too fast.
    pub(super) limited: Cell<u64>,
    /// Answers below 400.
    pub(super) served: Cell<u64>,
    /// Answers from 400 on and below 500.
    pub(super) denied: Cell<u64>,
    /// Answers from 500 on.
    pub(super) failed: Cell<u64>,
    /// Panics that were caught.
    pub(super) panics: Cell<u64>,
}

/// One more.
pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get().wrapping_add(1));
}

impl Tally {
    /// Counts an answer.
    pub(super) fn answered(&self, status: http::StatusCode) {
        count(match status.as_u16() {
            ..400 => &self.served,
            400..500 => &self.denied,
            _ => &self.failed,
        });
    }

    /// Counts a panic that was caught. Its guest's connections are gone; nobody else's are.
    pub(super) fn panicked(&self) {
        count(&self.panics);
        tracing::error!("a guest's segment made its TCP stack panic: its connections are forgotten");
    }

    /// Name and count of each.
    pub(super) fn all(&self) -> [(&'static str, u64); 7] {
        [
            ("metadata-requests", self.requests.get()),
            ("metadata-requests-refused", self.refused.get()),
            ("metadata-requests-limited", self.limited.get()),
            ("metadata-answers-served", self.served.get()),
            ("metadata-answers-denied", self.denied.get()),
            ("metadata-answers-failed", self.failed.get()),
            ("metadata-panics", self.panics.get()),
        ]
    }
}
