//! Rings made ahead of the devices that they are for.
//!
//! Making a ring waits until every processor has let go of the socket, some 10 ms; those made at the same time share the
//! wait. So a thousand devices are attached in the time of twenty, and one that is plugged in is served at once.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::io::packet::Spare;

/// Rings made at the same time.
const THREADS: usize = 64;

/// The stack of a thread that does nothing but two system calls.
const STACK: usize = 64 << 10;

/// Rings of one length that are ready or under way.
#[derive(Default)]
pub(super) struct Stock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told at each ring that is ready, or cannot be made.
    made: Condvar,
}

#[derive(Default)]
struct State {
    /// The length that is kept, in slots.
    slots: u32,
    wanted: usize,
    under_way: usize,
    ready: Vec<Spare>,
    /// Of another length than is wanted now: closing them waits too.
    unwanted: Vec<Spare>,
    threads: usize,
}

impl Stock {
    /// Has `count` rings of `slots` slots made if there are fewer, and those closed that are more: of devices that went
    /// before they were attached. Does not wait.
    pub(super) fn order(&self, slots: u32, count: usize) {
        let mut state = self.0.lock();
        if state.slots != slots {
            let State { ready, unwanted, .. } = &mut *state;
            unwanted.append(ready);
            state.slots = slots;
        }
        state.wanted = count;
        let State { ready, unwanted, .. } = &mut *state;
        unwanted.extend(ready.drain(count.min(ready.len())..));
        let missing = state.missing() + state.unwanted.len();
        let threads = missing.min(THREADS.saturating_sub(state.threads));
        state.threads += threads;
        drop(state);
        for _ in 0..threads {
            let shared = Arc::clone(&self.0);
            let builder = std::thread::Builder::new().name("rings".into()).stack_size(STACK);
            if let Err(error) = builder.spawn(move || shared.work()) {
                tracing::debug!(%error, "rings are made when they are needed");
                self.0.lock().threads -= 1;
            }
        }
    }

    /// A ring of `slots` slots: one that is ready, or the next one, or one that is made now.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(super) fn take(&self, slots: u32) -> io::Result<Spare> {
        let mut state = self.0.lock();
        while state.slots == slots {
            if let Some(spare) = state.ready.pop() {
                state.wanted = state.wanted.saturating_sub(1);
                return Ok(spare);
            }
            if state.under_way == 0 {
                break;
            }
            state = self.0.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        Spare::new(slots)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // What is under way ends by itself; the rings close with the last thread, or here.
        self.0.lock().wanted = 0;
    }
}

impl State {
    fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.ready.len() + self.under_way)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes rings until there are enough, and closes those that are not wanted.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.missing() > 0 {
                let slots = state.slots;
                state.under_way += 1;
                drop(state);
                let made = Spare::new(slots);
                state = self.lock();
                state.under_way -= 1;
                match made {
                    Ok(spare) if slots == state.slots => state.ready.push(spare),
                    Ok(spare) => state.unwanted.push(spare),
                    // Whoever needs one makes it and learns why it cannot be made.
                    Err(_) => state.wanted = 0,
                }
                self.made.notify_all();
            } else if let Some(spare) = state.unwanted.pop() {
                drop(state);
                drop(spare);
                state = self.lock();
            } else {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Without CAP_NET_RAW every ring is refused, which must not be waited for either.
    #[test]
    fn a_ring_that_cannot_be_had_is_not_waited_for() {
        let stock = Stock::default();
        stock.order(32, 3);
        for slots in [32, 32, 64] {
            match stock.take(slots) {
                Ok(spare) => assert_eq!(spare.slots(), slots as usize),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            }
        }
        stock.order(64, 2);
        if let Ok(spare) = stock.take(64) {
            assert_eq!(spare.slots(), 64);
        }
    }
}
