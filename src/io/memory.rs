//! Memory that the process has freed goes back to the machine.
#![allow(unsafe_code)]

/// Gives back what the allocator keeps for later. After something large and rare: a list of all devices, a lease source.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointer is passed, and no memory that is in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}
