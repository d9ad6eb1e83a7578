//! The metadata service's thread: guests' TCP stacks, HTTP on top of them, and whoever answers.
//!
//! It has a thread of its own, so that no connection, however many there are and whatever their upstreams do, delays a
//! Router Advertisement. The packet thread decides which segments come here and never waits for them to be taken.
//!
//! | file | holds |
//! |---|---|
//! | `queue.rs` | segments on their way here, and each guest's share of the queue |
//! | `driver.rs` | the loop: segments in, frames out |
//! | `stream.rs` | a connection as hyper reads and writes it |
//! | `http.rs` | requests: admitted, refused, handed to whoever answers |
//! | `backends.rs` | who answers |
//! | `desk.rs` | what the tasks share |

mod backends;
mod desk;
mod driver;
mod http;
mod queue;
mod stream;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Sender, bounded};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use backends::Backends;
use desk::{Desk, Tally};
use driver::Driver;
pub use queue::Inlet;

use super::clock::{self, Clock};
use super::modesty::be_modest;
use super::worker::OnDrop;
use crate::lease::LeaseTable;
use crate::metadata::Config;
use crate::metadata::stacks::Stacks;

/// How long the control thread waits for a report.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Control {
    /// A device is gone, and its number may be given to another.
    Detached(u32),
    Publish(Arc<LeaseTable>),
    Report(Sender<Vec<(&'static str, u64)>>),
    Stop,
}

/// The control thread's end of the running service.
#[derive(Debug)]
pub struct Metadata {
    inlet: Inlet,
    control: UnboundedSender<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Metadata {
    /// Starts the metadata thread, which calls `ended` when it ends, however it ends.
    ///
    /// # Errors
    /// No thread, no reactor, or an upstream that cannot be set up.
    pub fn start(
        config: Config,
        table: Arc<LeaseTable>,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (control, requests) = unbounded_channel();
        let (inlet, outlet) = queue::queue(control.clone());
        let (tell, told) = bounded(1);
        let body = move || {
            let _ended = OnDrop(Some(ended));
            // A Router Advertisement never waits for the processor because somebody downloads.
            be_modest();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let ready = runtime.and_then(|runtime| {
                let backends = Backends::open(&config)?;
                Ok((runtime, backends))
            });
            match ready {
                Err(error) => {
                    // Whoever waits for it is there: it is told before anything else happens.
                    let _ = tell.send(Err(error));
                }
                Ok((runtime, backends)) => {
                    let stacks = RefCell::new(Stacks::new(config.limits.clone(), table, clock::seed()));
                    let (clock, tally) = (Clock::start(), Tally::default());
                    let desk = Rc::new(Desk { limits: config.limits, clock, stacks, backends, tally });
                    let _ = tell.send(Ok(()));
                    tokio::task::LocalSet::new()
                        .block_on(&runtime, Driver::new(desk, outlet, requests).run());
                    // A name that is being resolved is waited for by nobody.
                    runtime.shutdown_background();
                }
            }
        };
        let thread = std::thread::Builder::new().name("metadata".into()).spawn(body)?;
        told.recv().unwrap_or_else(|_| Err(io::Error::other("the metadata thread ended at once")))?;
        Ok(Self { inlet, control, thread: Some(thread) })
    }

    /// Where the packet thread hands segments over.
    #[must_use]
    pub fn inlet(&self) -> Inlet {
        self.inlet.clone()
    }

    /// Hands over a new lease table; guests keep their connections. To be called before the packet thread gets it.
    pub fn publish(&self, table: Arc<LeaseTable>) {
        self.request(Control::Publish(table));
    }

    /// What became of segments, connections and requests so far, by name; empty when the thread has ended or is too busy.
    #[must_use]
    pub fn report(&self) -> Vec<(&'static str, u64)> {
        let (answer, report) = bounded(1);
        self.request(Control::Report(answer));
        report.recv_timeout(PATIENCE).unwrap_or_default()
    }

    /// Ends the thread; guests' connections are forgotten without a word, and refused by a reset after a new start.
    pub fn stop(&mut self) {
        self.request(Control::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the metadata thread panicked");
        }
    }

    fn request(&self, request: Control) {
        // A thread that has ended has told by then.
        let _ = self.control.send(request);
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.stop();
    }
}
