//! `epoll` and `eventfd`: what the worker sleeps on.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Devices reported by one wait; the rest are reported by the next, as the kernel takes turns.
const EVENTS: usize = 64;

/// A set of descriptors to wait for, each with a token.
#[derive(Debug)]
pub(super) struct Epoll {
    set: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

/// One descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// The token it was added with.
    pub(super) token: u64,
    /// An error waits to be taken from it.
    pub(super) error: bool,
}

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed; the result is checked before it becomes an owner.
        let raw = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        let set = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { set, ready: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    /// Reports `token` for as long as `fd` is readable (level-triggered).
    pub(super) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let (set, fd) = (self.set.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: both descriptors are open as they are borrowed, and the event outlives the call.
        check(unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    pub(super) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let (set, fd) = (self.set.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: both descriptors are open as they are borrowed; the event may be null for a removal.
        check(unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) })?;
        Ok(())
    }

    /// Sleeps until something is ready or `timeout`, in whole milliseconds, has passed (`None`: no limit). A signal
    /// ends the sleep early.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Ready> + '_> {
        // Rounded up: waking early would find nothing due and spin.
        let limit = timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
        let room = i32::try_from(self.ready.len()).unwrap_or(i32::MAX);
        let (set, ready) = (self.set.as_raw_fd(), self.ready.as_mut_ptr());
        // SAFETY: `ready` has room for `room` events and outlives the call.
        let outcome = check(unsafe { libc::epoll_wait(set, ready, room, limit) });
        let count = match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => usize::try_from(other?).unwrap_or(0),
        };
        let alarm = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
        Ok(self.ready.iter().take(count).map(move |e| Ready { token: e.u64, error: e.events & alarm != 0 }))
    }
}

/// A counter that wakes a sleeper in another thread.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed; the result is checked before it becomes an owner.
        let raw = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Wakes the sleeper. A counter that is full has woken it already, so failure is none.
    pub(super) fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is eight octets that outlive the call.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silences it until the next [`ring`](Self::ring).
    pub(super) fn hush(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the buffer is eight writable octets that outlive the call.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn check(outcome: i32) -> io::Result<i32> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_wakes_until_it_is_hushed() {
        let (mut epoll, bell) = (Epoll::new().expect("epoll"), Bell::new().expect("eventfd"));
        epoll.add(bell.as_fd(), 7).expect("add");
        assert_eq!(epoll.wait(Some(Duration::ZERO)).expect("wait").count(), 0);
        bell.ring();
        bell.ring();
        let tokens: Vec<u64> = epoll.wait(None).expect("wait").map(|r| r.token).collect();
        assert_eq!(tokens, [7]);
        bell.hush();
        assert_eq!(epoll.wait(Some(Duration::from_micros(1))).expect("wait").count(), 0);
        epoll.remove(bell.as_fd()).expect("remove");
        bell.ring();
        assert_eq!(epoll.wait(Some(Duration::ZERO)).expect("wait").count(), 0);
    }
}
