//! The progress bar of long runs; nobody sees it where standard error is no terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::io::bench::Progress;

/// Steps of the bar for each workload.
const STEPS: u64 = 1000;

/// How often a second the bar is drawn: often enough to be seen moving, too rare to be measured.
const DRAWN_PER_SECOND: u8 = 5;

/// A bar over all workloads.
pub(super) struct Bar {
    bar: ProgressBar,
    done: u64,
}

impl Bar {
    /// A bar for so many workloads.
    pub(super) fn new(workloads: usize) -> Self {
        // Draws nothing when standard error is no terminal.
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
        let bar = ProgressBar::with_draw_target(Some(STEPS * workloads as u64), target);
        let style = ProgressStyle::with_template("{msg:24} {wide_bar} {percent:>3} % {elapsed}");
        Self { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), done: 0 }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_message(format!("{}: {}", progress.workload.name(), progress.exchanges));
        self.bar.set_position(self.done * STEPS + (progress.share * STEPS as f64) as u64);
    }

    /// The next workload follows.
    pub(super) fn next(&mut self) {
        self.done += 1;
        self.bar.set_position(self.done * STEPS);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
