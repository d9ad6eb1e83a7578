//! What the process asks of the kernel about its memory.
#![allow(unsafe_code)]

/// Gives back what the allocator keeps for later. After something large and rare: a list of all devices, a lease source.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointer is passed, and no memory that is in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Linux 6.1: pages are made large now, not some time later.
const MADV_COLLAPSE: i32 = 25;

/// Octets of a large page.
const LARGE: usize = 2 << 20;

/// Has memory that is read in no order mapped by large pages, where it is large itself: a look-up in a table of a million
/// ports waits for the page tables as long as for the table otherwise. A kernel that cannot leaves it as it is.
pub fn use_large_pages(octets: &[u8]) {
    let start = octets.as_ptr().addr().next_multiple_of(LARGE);
    let end = (octets.as_ptr().addr() + octets.len()) / LARGE * LARGE;
    if start >= end {
        return;
    }
    for advice in [libc::MADV_HUGEPAGE, MADV_COLLAPSE] {
        let first = octets.as_ptr().with_addr(start).cast_mut().cast();
        // SAFETY: the range lies inside `octets`, which stay as they are: only how they are mapped changes.
        unsafe { libc::madvise(first, end - start, advice) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_stay_what_they_are_on_large_pages() {
        let octets: Vec<u8> = (0..3 * LARGE + 5).map(|n| (n % 251) as u8).collect();
        for part in [&octets[..], &octets[1..LARGE], &octets[LARGE - 1..], &[]] {
            use_large_pages(part);
        }
        give_back();
        assert!(octets.iter().enumerate().all(|(n, octet)| *octet == (n % 251) as u8));
    }
}
