//! The loop of the metadata thread: segments in, frames out, a task for each connection.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::Control;
use super::desk::Desk;
use super::http;
use super::queue::{Handed, Outlet};
use crate::io::modesty::give_memory_back;
use crate::io::packet::{BATCH, Sent, Socket};
use crate::types::Instant;

/// Segments taken from the queue before connections have their turn.
const TURN: usize = BATCH;

/// Why the loop went on.
enum Woken {
    Segments(usize),
    Control(Option<Control>),
    Dirty,
    Timer,
}

/// The loop's own state.
pub(super) struct Driver {
    pub(super) desk: Rc<Desk>,
    pub(super) inbox: Outlet,
    pub(super) control: UnboundedReceiver<Control>,
    /// The way to each device that a guest was heard on.
    sockets: HashMap<u32, Weak<Socket>>,
    sent: Sent,
    /// The most connections that were open since memory was given back, when that was, and when it is due again.
    most: usize,
    gave_back: Option<Instant>,
    due: Option<Instant>,
}

/// Between two times that memory is given back, and after the last connection.
const GIVING_BACK: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_millis(200);

/// Connections whose memory is worth giving back once they are closed: some megabytes.
const MANY: usize = 128;

impl Driver {
    pub(super) fn new(desk: Rc<Desk>, inbox: Outlet, control: UnboundedReceiver<Control>) -> Self {
        Self {
            desk,
            inbox,
            control,
            sockets: HashMap::new(),
            sent: Sent::default(),
            most: 0,
            gave_back: None,
            due: None,
        }
    }

    /// Runs until it is told to stop, or nobody is left who could tell.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(TURN);
        loop {
            match self.wait(&mut batch).await {
                Woken::Control(None | Some(Control::Stop)) | Woken::Segments(0) => return,
                Woken::Control(Some(Control::Publish(table))) => self.desk.stacks.borrow_mut().publish(table),
                Woken::Control(Some(Control::Detached(device))) => {
                    self.sockets.remove(&device);
                    self.desk.stacks.borrow_mut().detached(device);
                }
                Woken::Control(Some(Control::Report(to))) => {
                    // Whoever asked may have given up.
                    let _ = to.send(self.report());
                }
                Woken::Segments(_) | Woken::Dirty | Woken::Timer => {}
            }
            batch.drain(..).for_each(|handed| self.segment(&handed));
            self.desk.stacks.borrow_mut().timeout(self.desk.clock.now());
            self.transmit();
            self.accept();
            self.clean_up();
            // The tasks that were woken run before the next segments are taken: a flood waits in its queue.
            tokio::task::yield_now().await;
        }
    }

    async fn wait(&mut self, batch: &mut Vec<Handed>) -> Woken {
        let desk = Rc::clone(&self.desk);
        let due = desk.stacks.borrow().next_timeout().into_iter().chain(self.due).min();
        let due = due.map(|at| at.since(desk.clock.now()));
        tokio::select! {
            biased;
            control = self.control.recv() => Woken::Control(control),
            count = self.inbox.take(batch, TURN) => Woken::Segments(count),
            () = poll_fn(|context| desk.stacks.borrow_mut().poll_dirty(context)) => Woken::Dirty,
            () = sleep(due) => Woken::Timer,
        }
    }

    fn segment(&mut self, handed: &Handed) {
        let device = handed.segment.device;
        let known = self.sockets.get(&device).is_some_and(|socket| socket.ptr_eq(&handed.socket));
        if !known {
            self.sockets.retain(|_, socket| socket.strong_count() > 0);
            self.sockets.insert(device, Weak::clone(&handed.socket));
        }
        let now = self.desk.clock.now();
        let mut stacks = self.desk.stacks.borrow_mut();
        if catch_unwind(AssertUnwindSafe(|| stacks.segment(&handed.segment, now))).is_err() {
            stacks.give_up();
            self.desk.tally.panicked();
        }
    }

    /// Sends all that the stacks have to say.
    fn transmit(&mut self) {
        let mut stacks = self.desk.stacks.borrow_mut();
        loop {
            let now = self.desk.clock.now();
            let more = catch_unwind(AssertUnwindSafe(|| stacks.transmit(now))).unwrap_or_else(|_| {
                stacks.give_up();
                self.desk.tally.panicked();
                true
            });
            if !more {
                return;
            }
            let frames = stacks.frames();
            self.sent += send(&self.sockets, frames.iter());
            frames.clear();
        }
    }

    /// Gives each new connection a task of its own.
    fn accept(&self) {
        loop {
            let opened = self.desk.stacks.borrow_mut().opened();
            let Some(id) = opened else { return };
            tokio::task::spawn_local(http::serve(Rc::clone(&self.desk), id));
        }
    }

    /// Once all of many connections are over, and their tasks too, what they needed goes back to the system.
    fn clean_up(&mut self) {
        let (connections, _) = self.desk.stacks.borrow().open_now();
        let now = self.desk.clock.now();
        self.most = self.most.max(connections);
        if connections > 0 || self.most < MANY {
            self.due = None;
            return;
        }
        let earliest = self.gave_back.map_or(now, |at| at.plus(GIVING_BACK)).max(now.plus(AFTER));
        if *self.due.get_or_insert(earliest) <= now {
            (self.most, self.gave_back, self.due) = (0, Some(now), None);
            self.desk.stacks.borrow_mut().let_go();
            give_memory_back();
        }
    }

    fn report(&self) -> Vec<(&'static str, u64)> {
        let stacks = self.desk.stacks.borrow();
        let (connections, guests) = stacks.open_now();
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let now = [
            ("metadata-connections-now", size(connections)),
            ("metadata-guests-now", size(guests)),
            ("metadata-frames-sent", self.sent.sent),
            ("metadata-frames-unsent", self.sent.lost),
        ];
        stacks.counts().all().chain(self.desk.tally.all()).chain(now).collect()
    }
}

/// Sends frames in order, as many at once as are for one device.
fn send<'f>(sockets: &HashMap<u32, Weak<Socket>>, frames: impl Iterator<Item = (u32, &'f [u8])>) -> Sent {
    let frames: Vec<(u32, &[u8])> = frames.collect();
    let mut total = Sent::default();
    for run in frames.chunk_by(|a, b| a.0 == b.0) {
        let octets: Vec<&[u8]> = run.iter().map(|(_, octets)| *octets).collect();
        let socket = run.first().and_then(|(device, _)| sockets.get(device)).and_then(Weak::upgrade);
        total += match socket {
            Some(socket) => socket.send(&octets),
            None => Sent { sent: 0, lost: u64::try_from(octets.len()).unwrap_or(u64::MAX) },
        };
    }
    total
}

async fn sleep(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}
