//! The receive ring: slots of memory that the kernel fills and we hand back (`TPACKET_V2`).
//!
//! Version 2 because it wakes the reader per frame; version 3 is late by up to its block timeout when traffic is rare.
//! The memory is the kernel's: no guest can change a frame in it, so it is read in place.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::Checksum;

/// Octets of one slot: a frame of standard Ethernet with the kernel's 66 octets in front. What is longer is cut.
pub const SLOT: usize = 2048;

/// Slots of the smallest ring, and the step of all sizes: one block of memory, 64 KiB.
pub const MIN_SLOTS: u32 = 32;

/// Slots of the largest ring, 8 MiB: 10 ms of the fastest flood that one worker answers.
pub const MAX_SLOTS: u32 = 4096;

/// Octets of a slot that are fetched ahead: the kernel's and a frame of 190, as most of guests' messages are shorter.
#[cfg(target_arch = "x86_64")]
const FETCHED: usize = 256;

const BLOCK: usize = SLOT * MIN_SLOTS as usize;

/// One received frame, in the ring until it is released.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    /// The octets, perhaps cut.
    pub(super) octets: &'a [u8],
    /// Octets on the wire, without a tag that the kernel took out.
    pub(super) length: usize,
    /// Tag control information and TPID of a tag that the kernel took out.
    pub(super) tag: Option<(u16, u16)>,
    pub(super) checksum: Checksum,
}

/// A mapped receive ring.
#[derive(Debug)]
pub(super) struct Ring {
    memory: NonNull<u8>,
    slots: usize,
    next: usize,
}

// SAFETY: the mapping is owned by this value alone and is not tied to the thread that made it.
unsafe impl Send for Ring {}

impl Ring {
    /// Makes the ring of `slots` slots (a multiple of [`MIN_SLOTS`]) on a packet socket of version 2 and maps it.
    pub(super) fn map(socket: BorrowedFd<'_>, slots: u32) -> io::Result<Self> {
        let length = SLOT * slots as usize;
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: slots / MIN_SLOTS,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: slots,
        };
        super::socket::set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let (protection, fd) = (libc::PROT_READ | libc::PROT_WRITE, socket.as_raw_fd());
        // SAFETY: a new mapping at an address of the kernel's choice, of exactly the ring that was just made.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { memory, slots: slots as usize, next: 0 })
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// The oldest frame that was not released yet, if the kernel has put one there.
    pub(super) fn front(&self) -> Option<Slot<'_>> {
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        self.fetch_next();
        let start = self.start();
        // SAFETY: the slot is ours since its status says so (acquired above), it starts with this header, it is
        // aligned as the mapping is page-aligned and SLOT a multiple of 16, and lies inside the mapping.
        let header = unsafe { start.cast::<libc::tpacket2_hdr>().read() };
        let first = usize::from(header.tp_mac).min(SLOT);
        let captured = (header.tp_snaplen as usize).min(SLOT - first);
        // SAFETY: `first + captured` is at most SLOT, and the kernel does not touch the slot before it is released,
        // which needs `&mut self` while this borrow needs `&self`.
        let octets = unsafe { std::slice::from_raw_parts(start.as_ptr().add(first), captured) };
        Some(Slot {
            octets,
            length: header.tp_len as usize,
            tag: tag(status, &header),
            checksum: checksum(status),
        })
    }

    /// Hands the slot of [`front`](Self::front) back to the kernel.
    pub(super) fn release(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = self.following();
    }

    /// The slot behind the one in front.
    #[inline]
    fn following(&self) -> usize {
        let next = self.next + 1;
        if next == self.slots { 0 } else { next }
    }

    /// Has the begin of the next slot fetched while the one in front is looked at: another processor wrote it, and the first
    /// look would wait for it, for a fifth of the time that an answer takes here.
    #[inline]
    fn fetch_next(&self) {
        #[cfg(target_arch = "x86_64")]
        for line in (0..FETCHED).step_by(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let at = self.following() * SLOT + line;
            // SAFETY: `at` lies inside the mapping, and a hint reads nothing.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.memory.add(at).as_ptr().cast()) };
        }
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `next` is below `slots`, so the slot lies inside the mapping of `SLOT * slots` octets.
        unsafe { self.memory.add(self.next * SLOT) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: `tp_status` is the first field of the slot's header: four aligned octets inside the mapping, which
        // lives as long as `self`, and which kernel and process only access atomically.
        unsafe { AtomicU32::from_ptr(self.start().cast().as_ptr()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `map` mapped; nothing borrows it, as this is a drop.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.slots * SLOT) };
    }
}

fn tag(status: u32, header: &libc::tpacket2_hdr) -> Option<(u16, u16)> {
    let known = status & libc::TP_STATUS_VLAN_TPID_VALID != 0;
    let tpid = if known { header.tp_vlan_tpid } else { super::TPID_VLAN };
    (status & libc::TP_STATUS_VLAN_VALID != 0).then_some((header.tp_vlan_tci, tpid))
}

fn checksum(status: u32) -> Checksum {
    if status & libc::TP_STATUS_CSUMNOTREADY != 0 {
        Checksum::Partial
    } else if status & libc::TP_STATUS_CSUM_VALID != 0 {
        Checksum::Verified
    } else {
        Checksum::Unknown
    }
}
