//! How many descriptors the process may have open.
#![allow(unsafe_code)]

/// Raises the soft limit on open descriptors to the hard one: every attached device needs one, and the usual soft
/// limit of 1024 is there for programs that use `select`. Returns the limit that holds now.
#[must_use]
pub fn raise_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is writable and outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } < 0 {
        return 0;
    }
    let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: `wanted` is initialised and outlives the call.
    let raised = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } == 0;
    if raised { wanted.rlim_cur } else { limit.rlim_cur }
}
