//! What a thread that can wait leaves to the others: the processor, and memory that it needs no more.
#![allow(unsafe_code)]

/// Niceness of threads that can wait: enough to be preempted, and they still get their share of a busy machine.
const MODEST: libc::c_int = 5;

/// From now on the calling thread lets the others of this process go first when they have work at the same time. It needs
/// no privilege; a system that refuses it leaves things as they were.
pub(super) fn be_modest() {
    // SAFETY: two system calls without pointers; on Linux a niceness is that of the one thread whose id is given.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, libc::gettid().cast_unsigned(), MODEST);
    }
}

/// Gives memory that was freed back to the system: glibc keeps it otherwise, in the belief that it is needed again soon.
/// Takes some milliseconds where there is much of it.
pub(super) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function takes a number and looks at the allocator's own lists, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
