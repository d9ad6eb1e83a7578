//! Segments on their way from the packet thread to the metadata thread.
//!
//! The packet thread waits for nobody: what finds no room is dropped and counted, and the guest's TCP sends it again. No
//! guest can fill the queue alone, so one that floods its connection slows nobody else's.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::Control;
use crate::io::packet::Socket;
use crate::lease::PortId;
use crate::metadata::Segment;

/// Segments that wait for the metadata thread: what a few hundred guests send within a millisecond, 12 MiB at most.
const QUEUE: usize = 8192;

/// Segments of one guest that wait: more than its connections have windows for.
const SHARE: u16 = 256;

/// Guests are told apart by so many counters; those that share one by chance share its room.
const COUNTERS: usize = 4096;

/// A segment and the way back to its device.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) segment: Segment,
    pub(super) socket: Weak<Socket>,
}

#[derive(Debug)]
struct Waiting(Box<[AtomicU16]>);

impl Waiting {
    fn of(&self, port: PortId) -> Option<&AtomicU16> {
        self.0.get(usize::try_from(port.0).ok()? % COUNTERS)
    }
}

/// The packet thread's end.
#[derive(Clone, Debug)]
pub struct Inlet {
    queue: mpsc::Sender<Handed>,
    waiting: Arc<Waiting>,
    control: mpsc::UnboundedSender<Control>,
}

/// The metadata thread's end.
#[derive(Debug)]
pub(super) struct Outlet {
    queue: mpsc::Receiver<Handed>,
    waiting: Arc<Waiting>,
}

pub(super) fn queue(control: mpsc::UnboundedSender<Control>) -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let waiting = Arc::new(Waiting((0..COUNTERS).map(|_| AtomicU16::new(0)).collect()));
    let outlet = Outlet { queue: receiver, waiting: Arc::clone(&waiting) };
    (Inlet { queue: sender, waiting, control }, outlet)
}

impl Inlet {
    /// Tells that a device is gone: the connections that came over it are.
    pub fn detached(&self, device: u32) {
        // A thread that has ended has no connections.
        let _ = self.control.send(Control::Detached(device));
    }

    /// Hands a segment over, and the socket that its answers go out by; false when there was no room for it.
    #[must_use]
    pub fn hand(&self, segment: Segment, socket: &Arc<Socket>) -> bool {
        let Some(waiting) = self.waiting.of(segment.port) else { return false };
        if waiting.fetch_add(1, Ordering::Relaxed) >= SHARE {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        // The other end counts down, after it has taken the segment out: it cannot come before this.
        match self.queue.try_send(Handed { segment, socket: Arc::downgrade(socket) }) {
            Ok(()) => true,
            Err(error) => {
                let (mpsc::error::TrySendError::Full(handed) | mpsc::error::TrySendError::Closed(handed)) =
                    error;
                self.waiting.let_go(handed.segment.port);
                false
            }
        }
    }
}

impl Waiting {
    fn let_go(&self, port: PortId) {
        if let Some(waiting) = self.of(port) {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Outlet {
    /// Waits for segments and takes up to `limit` of them; none when there will be no more.
    pub(super) async fn take(&mut self, batch: &mut Vec<Handed>, limit: usize) -> usize {
        let before = batch.len();
        let count = self.queue.recv_many(batch, limit).await;
        batch.iter().skip(before).for_each(|handed| self.waiting.let_go(handed.segment.port));
        count
    }
}
