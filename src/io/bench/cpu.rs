//! Processor time of another process.

use std::fs;
use std::time::Duration;

/// Processor time of all threads of a process, user and system together; `None` when there is no such process.
///
/// The scheduler's own account, in nanoseconds, where the kernel keeps it (`CONFIG_SCHED_INFO`); threads that have
/// ended are not in it, and servers do not end theirs. What the kernel does for a server in interrupts, which is most of
/// the work on its received frames, is in nobody's account.
pub(super) fn spent(pid: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end between the two.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let running = text.split_whitespace().next().and_then(|number| number.parse().ok());
        total += Duration::from_nanos(running?);
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_spent_some_time_and_no_process_none() {
        assert!(spent(std::process::id()).is_some_and(|spent| spent > Duration::ZERO));
        assert_eq!(spent(u32::MAX), None);
    }
}
