//! One counter per answer kind and drop reason: every frame ends in exactly one of them.

use crate::answer::{AnswerKind, Reason, Verdict};

/// Counts of frames by what became of them.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    answers: [u64; AnswerKind::ALL.len()],
    drops: [u64; Reason::ALL.len()],
    passed: u64,
    metadata: u64,
    unsolicited: u64,
    lost_events: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self { answers: [0; _], drops: [0; _], passed: 0, metadata: 0, unsolicited: 0, lost_events: 0 }
    }
}

impl Counters {
    /// Counts one frame.
    pub(super) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Answer { kind, .. } => self.answers.get_mut(kind as usize),
            Verdict::Drop(reason) => self.drops.get_mut(reason as usize),
            Verdict::Pass => Some(&mut self.passed),
            Verdict::Metadata => Some(&mut self.metadata),
        };
        if let Some(counter) = counter {
            *counter = counter.wrapping_add(1);
        }
    }

    /// Counts one unsolicited RA that was made.
    pub(super) fn count_unsolicited(&mut self) {
        self.unsolicited = self.unsolicited.wrapping_add(1);
    }

    /// Counts what guests told and nobody took in time.
    pub(super) fn count_lost_event(&mut self) {
        self.lost_events = self.lost_events.wrapping_add(1);
    }

    /// Name and count of every counter, zeros included.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let answers = AnswerKind::ALL.iter().zip(self.answers).map(|(kind, count)| (kind.name(), count));
        let drops = Reason::ALL.iter().zip(self.drops).map(|(reason, count)| (reason.name(), count));
        let other = [
            ("passed", self.passed),
            ("metadata-segments", self.metadata),
            ("unsolicited-router-advertisement", self.unsolicited),
            ("events-lost", self.lost_events),
        ];
        answers.chain(drops).chain(other)
    }
}
