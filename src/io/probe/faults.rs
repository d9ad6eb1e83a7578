//! What is wrong with the answers, each kind once.

use super::report::Fault;

/// Kinds of fault kept: a report that is longer says nothing more.
const MAX_FAULTS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// Notes that `message` had `what` wrong, against `rule`.
    pub(super) fn add(&mut self, message: &'static str, rule: &'static str, what: impl Into<String>) {
        let what = what.into();
        if let Some(known) = self.0.iter_mut().find(|fault| fault.message == message && fault.what == what) {
            known.times = known.times.saturating_add(1);
        } else if self.0.len() < MAX_FAULTS {
            self.0.push(Fault { message, what, rule, times: 1 });
        }
    }
}
