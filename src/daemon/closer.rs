//! Closes sockets aside of the control thread: closing one packet socket waits for every processor, some 30 ms.
//!
//! A socket is closed once the packet thread has let go of it, and its last lost frames are counted then. Threads exist
//! only while there is something to close.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::io::packet::Socket;

/// Sockets closed at the same time: they share the wait, so a thousand of them are closed in half a second rather than in 30.
const THREADS: usize = 64;

/// The stack of a thread that does nothing but close.
const STACK: usize = 64 << 10;

/// Pause between two looks whether the packet thread still holds a socket.
const PAUSE: Duration = Duration::from_millis(1);

/// Closes sockets.
#[derive(Default)]
pub(super) struct Closer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when the last thread ends.
    idle: Condvar,
    drops: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<Arc<Socket>>,
    threads: usize,
}

impl Closer {
    /// Takes a socket that is no longer wanted here. Does not wait.
    pub(super) fn close(&self, socket: Arc<Socket>) {
        let mut state = self.0.lock();
        state.waiting.push(socket);
        if state.threads == THREADS {
            return;
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(&self.0);
        let builder = std::thread::Builder::new().name("closer".into()).stack_size(STACK);
        let started = builder.spawn(move || shared.work());
        if let Err(error) = started {
            tracing::warn!(%error, "sockets are closed by the control thread, which is slow meanwhile");
            self.0.work();
        }
    }

    /// Frames that closed sockets had lost for want of a ring slot.
    pub(super) fn drops(&self) -> u64 {
        self.0.drops.load(Ordering::Relaxed)
    }

    /// Waits until all are closed: to be called after the packet thread has ended.
    pub(super) fn finish(&self) {
        let state = self.0.lock();
        let done = self.0.idle.wait_while(state, |state| state.threads > 0);
        drop(done.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what waits until nothing does.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let Some(socket) = state.waiting.pop() else {
                state.threads -= 1;
                if state.threads == 0 {
                    self.idle.notify_all();
                }
                return;
            };
            drop(state);
            let socket = sole(socket);
            self.drops.fetch_add(socket.take_statistics().1, Ordering::Relaxed);
        }
    }
}

/// The socket, once nobody else holds it.
fn sole(mut socket: Arc<Socket>) -> Socket {
    loop {
        match Arc::try_unwrap(socket) {
            Ok(sole) => return sole,
            Err(held) => socket = held,
        }
        std::thread::sleep(PAUSE);
    }
}
