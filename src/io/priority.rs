//! Which thread the processor serves first.
#![allow(unsafe_code)]

/// Niceness of threads that can wait: half of what there is, so that they still get their share of a busy machine.
const MODEST: libc::c_int = 10;

/// From now on the calling thread lets the others of this process go first when they have work at the same time. It needs
/// no privilege; a system that refuses it leaves things as they were.
pub(super) fn be_modest() {
    // SAFETY: two system calls without pointers; on Linux a niceness is that of the one thread whose id is given.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, libc::gettid().cast_unsigned(), MODEST);
    }
}
