//! Takes what the packet thread hands on: events to the log, segments to the metadata service.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use crate::answer::Event;
use crate::io::metadata::Inlet;
use crate::io::packet::Socket;
use crate::io::responder;
use crate::metadata::Segment;

/// Whom the packet threads talk to.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) events: Sender<(u32, Event)>,
    pub(super) metadata: Inlet,
}

impl responder::Listener for Listener {
    fn event(&mut self, device: u32, event: Event) -> bool {
        self.events.try_send((device, event)).is_ok()
    }

    fn detached(&mut self, device: u32) {
        self.metadata.detached(device);
    }

    fn segment(&mut self, segment: Segment, socket: &Arc<Socket>) -> bool {
        self.metadata.hand(segment, socket)
    }
}
