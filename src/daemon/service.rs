//! The order of start, reload and stop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::counters::Counters;
use super::devices::Devices;
use super::events;
use super::leases::{self, LoadError};
use super::listener::Listener;
use super::notify::Notifier;
use super::{Settings, log};
use crate::engine::Engine;
use crate::io::links::{LinkEvent, Links};
use crate::io::metadata::Metadata;
use crate::io::packet::{Filter, Socket};
use crate::io::worker::{Ended, Report};
use crate::io::workers::Workers;
use crate::io::{clock, descriptors, memory};
use crate::lease::LeaseTable;

/// Why the dataplane did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lease file cannot be read.
    #[error("{0}")]
    NoLeases(String),
    /// The lease file holds bad data; one line per problem.
    #[error("{0}")]
    BadLeases(String),
    /// Networks name upstreams of metadata that are not configured here; one line for each.
    #[error("{0}")]
    UnknownUpstreams(String),
    /// Packet sockets are forbidden.
    #[error(
        "packet sockets are not permitted: run as root or with CAP_NET_RAW \
         (`setcap cap_net_raw+ep` on the program, or `AmbientCapabilities=CAP_NET_RAW` in its systemd unit)"
    )]
    NotPermitted,
    /// The operating system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
}

/// Events of devices that wait for the control thread; further ones wait in netlink's own queue.
const MAX_EVENTS: usize = 64;

/// Pause before netlink is opened anew after it failed.
const NETLINK_PAUSE: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT: answers on the devices that match, reloads the leases on SIGHUP, prints the counters on
/// SIGUSR1 and at the end. No final RAs are sent (RA-025): guests keep their default route over a restart.
///
/// # Errors
/// Why it did not start, or ended by itself.
pub fn run(settings: &Settings) -> Result<(), RunError> {
    log::start(settings.log_format, settings.log_level);
    // Signals are looked for after every event, not after 61 as tokio does: one event may take tens of milliseconds.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build();
    runtime.map_err(system("the control thread's reactor"))?.block_on(serve(settings))
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    print: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            print: signal(SignalKind::user_defined1())?,
        })
    }
}

type Load = Result<Arc<LeaseTable>, LoadError>;

struct Service<'a> {
    settings: &'a Settings,
    started: Instant,
    table: Arc<LeaseTable>,
    devices: Devices,
    workers: Workers,
    metadata: Metadata,
    notifier: Notifier,
    /// A load of the leases that is under way, and whether another was asked for meanwhile.
    loading: Option<JoinHandle<Load>>,
    again: bool,
    /// The first list of devices has come, and all of it is attached.
    listed: bool,
    ready: bool,
}

async fn serve(settings: &Settings) -> Result<(), RunError> {
    // First of all, so that no signal ends the process while it starts.
    let signals = Signals::listen().map_err(system("signals"))?;
    let started = Instant::now();
    // Closing a socket, as making a ring, waits for every processor: both happen while the leases are read.
    let permitted = Socket::new();
    let mut devices = Devices::new(settings);
    let table = leases::load(&settings.leases)?;
    let complaints = settings.metadata.complaints(&table);
    if !complaints.is_empty() {
        return Err(RunError::UnknownUpstreams(complaints.join("\n")));
    }
    devices.close(vec![Arc::new(permitted.map_err(socket_error)?)]);
    let limit = descriptors::raise_limit();
    tracing::debug!(limit, "open descriptors allowed");
    let links = Links::open().map_err(system("netlink"))?;
    let (end, ended) = mpsc::channel(1);
    // The first of the two threads that ends is enough, and nobody listens any more when the service has ended first.
    let last = |end: mpsc::Sender<()>| {
        move || {
            let _ = end.try_send(());
        }
    };
    let metadata = Metadata::start(settings.metadata.clone(), Arc::clone(&table), last(end.clone()))
        .map_err(system("the metadata service"))?;
    let (tell, told) = mpsc::channel(events::MAX_WAITING);
    let listener = Listener { events: tell, metadata: metadata.inlet() };
    let engine = || {
        let engine = Engine::new(Arc::clone(&table), clock::seed());
        if settings.workers > 1 { engine.among_others() } else { engine }
    };
    let workers = Workers::start(settings.workers, engine, &listener, settings.busy_poll, &last(end));
    let workers = workers.map_err(system("the packet thread"))?;
    tracing::info!(
        leases = %settings.leases.display(), ports = table.port_count(), networks = table.network_count(),
        attach = settings.patterns.join(","), "started"
    );
    devices.set_filter(Filter::for_table(&table));
    let notifier = Notifier::from_environment();
    let mut service = Service {
        settings,
        started,
        table,
        devices,
        workers,
        metadata,
        notifier,
        loading: None,
        again: false,
        listed: false,
        ready: false,
    };
    tokio::spawn(events::log(told));
    let outcome = service.attend(signals, follow(links), ended).await;
    service.finish(outcome)
}

impl Service<'_> {
    /// Does what the world asks until it asks to stop; [`Ended`] when the packet thread has failed.
    async fn attend(
        &mut self,
        mut signals: Signals,
        mut links: mpsc::Receiver<LinkEvent>,
        mut ended: mpsc::Receiver<()>,
    ) -> Result<&'static str, Ended> {
        loop {
            tokio::select! {
                Some(event) = links.recv(), if !self.devices.is_busy() => self.link(event)?,
                () = tokio::task::yield_now(), if self.devices.is_busy() => self.proceed()?,
                Some(()) = signals.hangup.recv() => self.reload(),
                loaded = load_end(&mut self.loading) => self.loaded(loaded)?,
                Some(()) = signals.print.recv() => {
                    let report = self.workers.report()?;
                    self.print(&report);
                }
                Some(()) = signals.terminate.recv() => return Ok("SIGTERM"),
                Some(()) = signals.interrupt.recv() => return Ok("SIGINT"),
                _ = ended.recv() => return Err(Ended),
            }
        }
    }

    fn link(&mut self, event: LinkEvent) -> Result<(), Ended> {
        self.listed |= matches!(event, LinkEvent::All(_));
        self.devices.follow(event, &mut self.workers)?;
        self.greet();
        Ok(())
    }

    fn proceed(&mut self) -> Result<(), Ended> {
        self.devices.proceed(&mut self.workers)?;
        self.greet();
        Ok(())
    }

    /// Tells that it is ready once all devices that there were at the start are attached.
    fn greet(&mut self) {
        if self.listed && !self.ready && !self.devices.is_busy() {
            self.ready = true;
            if self.devices.count() == 0 {
                let attach = self.settings.patterns.join(",");
                tracing::info!(attach, "no device matches now; those that appear are attached");
            }
            self.notifier.ready();
            // What reading the lease source and the list of all devices took.
            memory::give_back();
        }
    }

    fn reload(&mut self) {
        if self.loading.is_some() {
            self.again = true;
            return;
        }
        self.notifier.reloading();
        let path = self.settings.leases.clone();
        tracing::info!(leases = %path.display(), "reloading");
        self.loading = Some(tokio::task::spawn_blocking(move || leases::load(&path)));
    }

    fn loaded(&mut self, loaded: Load) -> Result<(), Ended> {
        self.loading = None;
        match loaded {
            Ok(table) => match self.settings.metadata.complaints(&table) {
                complaints if complaints.is_empty() => self.publish(table)?,
                complaints => self.refuse(complaints.iter().map(String::as_str)),
            },
            Err(error) => self.refuse(error.to_string().lines()),
        }
        if std::mem::take(&mut self.again) {
            self.reload();
        } else {
            self.notifier.ready();
        }
        Ok(())
    }

    fn refuse<'p>(&self, problems: impl Iterator<Item = &'p str>) {
        problems.for_each(|problem| tracing::error!("{problem}"));
        tracing::error!(leases = %self.settings.leases.display(), "not reloaded: the table stays as it was");
    }

    fn publish(&mut self, table: Arc<LeaseTable>) -> Result<(), Ended> {
        self.devices.set_filter(Filter::for_table(&table));
        self.metadata.publish(Arc::clone(&table));
        self.workers.publish(&table)?;
        // The packet thread has let go of the old table after this, so its memory is freed here.
        self.workers.report()?;
        tracing::info!(ports = table.port_count(), networks = table.network_count(), "reloaded");
        self.table = table;
        memory::give_back();
        Ok(())
    }

    fn print(&mut self, report: &Report) {
        let counters = Counters {
            uptime: self.started.elapsed(),
            table: &self.table,
            devices: self.devices.count(),
            ring_drops: self.devices.drops(),
            report,
            metadata: &self.metadata.report(),
        };
        let text = counters.print(self.settings.log_format);
        if let Err(error) = io::Write::write_all(&mut io::stdout().lock(), text.as_bytes()) {
            tracing::warn!(%error, "the counters could not be printed");
        }
    }

    fn finish(&mut self, outcome: Result<&'static str, Ended>) -> Result<(), RunError> {
        self.notifier.stopping();
        if let Ok(signal) = outcome {
            tracing::info!(signal, "stopping");
        }
        let report = self.workers.stop().map_err(system("the packet thread"))?;
        self.print(&report);
        self.metadata.stop();
        self.devices.finish();
        match outcome {
            Ok(_) => Ok(()),
            // The packet thread was there to be stopped.
            Err(Ended) => Err(system("the metadata thread")(io::Error::other("it has ended"))),
        }
    }
}

/// Waits for the load that is under way; for ever when none is.
async fn load_end(loading: &mut Option<JoinHandle<Load>>) -> Load {
    let Some(load) = loading else { return std::future::pending().await };
    load.await.unwrap_or_else(|error| Err(LoadError::Bug(error.to_string())))
}

/// Follows the devices in a task of its own: a list that a signal interrupts would have to be asked for again.
fn follow(mut links: Links) -> mpsc::Receiver<LinkEvent> {
    let (tell, told) = mpsc::channel(MAX_EVENTS);
    tokio::spawn(async move {
        loop {
            match links.next().await {
                Ok(event) => {
                    if tell.send(event).await.is_err() {
                        return;
                    }
                }
                Err(error) => links = reopen(&error).await,
            }
        }
    });
    told
}

async fn reopen(error: &io::Error) -> Links {
    tracing::warn!(%error, "netlink failed: it is opened anew, and all devices are listed again");
    loop {
        tokio::time::sleep(NETLINK_PAUSE).await;
        match Links::open() {
            Ok(links) => return links,
            Err(error) => tracing::warn!(%error, "netlink cannot be opened"),
        }
    }
}

impl From<LoadError> for RunError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read { .. } => Self::NoLeases(error.to_string()),
            LoadError::Data(_) | LoadError::Bug(_) => Self::BadLeases(error.to_string()),
        }
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> RunError {
    move |error| RunError::System { what, error }
}

fn socket_error(error: io::Error) -> RunError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => RunError::NotPermitted,
        _ => RunError::System { what: "packet sockets", error },
    }
}
