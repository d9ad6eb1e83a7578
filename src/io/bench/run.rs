//! The loop of one thread: hear, answer, begin what is due, send, and rest only when there is nothing to do.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer;
use super::cpu;
use super::desk::Desk;
use super::frames::Frames;
use super::guests::Guests;
use super::leases::Leases;
use super::report::{Storm, Tally};
use super::template::Path;
use super::workload::{Step, Workload};
use super::{BenchError, Options, Pace, Progress, Report};
use crate::io::epoll::Epoll;
use crate::io::netns::Link;
use crate::io::packet::{Filter, Front, MAX_SLOTS, Port, PortOptions};

/// Frames heard before new exchanges are begun: a batch of each, in turn.
const HEARD_AT_ONCE: usize = 64;

/// For so long without a frame the processor is only lent to others, nanoseconds; then the thread sleeps. A wake-up
/// costs the server's side of a loaded machine more than it saves.
const SPIN: u64 = 50_000;

/// The longest sleep: what is due meanwhile is late by as much.
const SLEEP: Duration = Duration::from_millis(1);

/// How often progress is told, nanoseconds.
const TOLD_EVERY: u64 = 100_000_000;

/// Router Solicitations sent before there is no router (RFC 4861 §10, MAX_RTR_SOLICITATIONS).
const SOLICITATIONS: u32 = 3;

/// Plays all guests on a device of the calling thread's namespace for the time of the options.
///
/// # Errors
/// [`BenchError`] when nothing can be measured; answers that are wrong or do not come are in the report.
pub fn run(link: &Link, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Report, BenchError> {
    if let Some(pid) = options.server_pid.filter(|pid| cpu::spent(*pid).is_none()) {
        return Err(BenchError::NoProcess(pid));
    }
    let mut options = options.clone();
    if options.workload.needs_router() && options.router.is_none() {
        let pace = Pace::Window(1);
        let ask = Options { workload: Workload::Rs, pace, leases: None, ..options.clone() };
        options.router = Some(Bench::open(link, &ask)?.find_router()?);
    }
    Bench::open(link, &options)?.measure(&options, progress)
}

struct Bench {
    device: String,
    port: Port,
    epoll: Epoll,
    desk: Desk,
    start: Instant,
    /// When the last frame was heard.
    heard: u64,
    told: u64,
}

impl Bench {
    fn open(link: &Link, options: &Options) -> Result<Self, BenchError> {
        let relay = (options.workload == Workload::Relay).then_some((link.mac, options.link_address));
        let leases = match &options.leases {
            Some(table) => {
                let behind = relay.map(|(_, link)| link);
                let leases = Leases::of(Arc::clone(table), &options.crowd, options.vlan, behind);
                Some(leases.map_err(BenchError::NotLeased)?)
            }
            None => None,
        };
        let mut guests = Guests::new(options.workload, options.crowd, leases, options.pace.is_storm());
        guests.router = options.router;
        let frames = Frames::new(Path { vlan: options.vlan, relay }, &guests);

        let failed = |source: io::Error, what| match source.kind() {
            io::ErrorKind::PermissionDenied => BenchError::NotPermitted(link.name.clone()),
            _ => BenchError::Os { device: link.name.clone(), what, source },
        };
        let mut heads: BTreeSet<u32> = options.crowd.heads();
        if relay.is_some()
            && let Ok(head) = u32::try_from(link.mac.to_u64() >> 16)
        {
            heads.insert(head);
        }
        let ring = PortOptions { slots: MAX_SLOTS, promiscuous: true };
        let port = Port::open(link.index, ring, &Filter::for_answers(&heads));
        let port = port.map_err(|source| failed(source, "cannot open a raw socket"))?;
        let epoll = Epoll::new().map_err(|source| failed(source, "cannot wait"))?;
        let tally = Tally::new();
        let tally = tally.ok_or_else(|| failed(io::ErrorKind::OutOfMemory.into(), "cannot measure"))?;
        let timeout = nanoseconds(options.timeout);
        let wire = (link.index, Arc::clone(port.socket()));
        let desk = Desk::new(guests, frames, tally, options.pace, wire, timeout);
        let (device, start) = (link.name.clone(), Instant::now());
        Ok(Self { device, port, epoll, desk, start, heard: 0, told: 0 })
    }

    /// Nanoseconds of this run.
    fn now(&self) -> u64 {
        nanoseconds(self.start.elapsed())
    }

    /// Lets the first guest ask for a router.
    fn find_router(mut self) -> Result<Ipv6Addr, BenchError> {
        for _ in 0..SOLICITATIONS {
            let now = self.now();
            self.desk.transmit(0, Step::RouterSolicitation, false, now);
            self.desk.flush();
            let end = now + 1_000_000_000;
            while self.now() < end {
                let now = self.now();
                self.hear(now);
                if let Some(router) = self.desk.guests.router {
                    return Ok(router);
                }
                self.rest(now)?;
            }
        }
        Err(BenchError::NoRouter)
    }

    fn measure(
        mut self,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, BenchError> {
        let guests = options.crowd.count();
        let storm = options.pace.is_storm();
        if !storm {
            self.play(nanoseconds(options.warm_up), &mut |_, _| {})?;
            self.desk.tally = Tally::new().unwrap_or(self.desk.tally);
        }
        let _ = self.port.socket().take_statistics();
        let cpu = options.server_pid.and_then(cpu::spent);
        let (begin, time) = (self.now(), nanoseconds(options.time));
        self.play(begin + time, &mut |now, desk| {
            let share = match storm {
                true => f64::from(desk.bound) / f64::from(guests),
                false => now.saturating_sub(begin) as f64 / time.max(1) as f64,
            };
            let (workload, exchanges) = (options.workload, desk.tally.exchanges);
            progress(Progress { workload, share: share.min(1.0), exchanges });
        })?;
        let span = Duration::from_nanos(self.now() - begin);
        let spent = options.server_pid.and_then(cpu::spent).zip(cpu);
        let exchanges = self.desk.tally.exchanges;
        self.drain(nanoseconds(options.timeout))?;
        self.desk.close();
        self.desk.tally.unread += self.port.socket().take_statistics().1;
        let (bound, last) = (self.desk.bound, self.desk.last_bound);
        let mut report = self.desk.tally.report(options.workload, guests, options.pace, exchanges, span);
        report.server_cpu_us_per_exchange = spent
            .filter(|_| exchanges > 0)
            .map(|(after, before)| (after.saturating_sub(before)).as_secs_f64() * 1e6 / exchanges as f64);
        report.storm = storm.then(|| Storm {
            bound,
            all_bound_after_seconds: (bound == guests)
                .then(|| Duration::from_nanos(last.saturating_sub(begin)).as_secs_f64()),
        });
        Ok(report)
    }

    /// Plays until `end`, or until all guests of a storm are bound.
    fn play(&mut self, end: u64, tell: &mut dyn FnMut(u64, &Desk)) -> Result<(), BenchError> {
        let guests = self.desk.guests.crowd.count();
        loop {
            let now = self.now();
            if now >= end || self.desk.pace.is_storm() && self.desk.bound == guests {
                return Ok(());
            }
            let heard = self.hear(now);
            self.desk.overdue(now);
            let begun = self.desk.begin(now);
            self.desk.flush();
            if now >= self.told {
                self.told = now + TOLD_EVERY;
                tell(now, &self.desk);
            }
            if heard == 0 && begun == 0 {
                self.rest(now)?;
            }
        }
    }

    /// Lets what is under way come to its end, for as long as an answer may take.
    fn drain(&mut self, timeout: u64) -> Result<(), BenchError> {
        if self.desk.pace.is_storm() {
            return Ok(());
        }
        let end = self.now() + timeout;
        while !self.desk.is_idle() && self.now() < end {
            let now = self.now();
            let heard = self.hear(now);
            self.desk.overdue(now);
            self.desk.flush();
            if heard == 0 {
                self.rest(now)?;
            }
        }
        Ok(())
    }

    /// Hears what waits, at most a batch; how many frames.
    fn hear(&mut self, now: u64) -> usize {
        let vlan = self.desk.frames.path().vlan;
        let mut count = 0;
        while count < HEARD_AT_ONCE
            && let Some(front) = self.port.front()
        {
            if let Front::Frame(frame) = front
                && frame.vlan == vlan
                && let Some(heard) = answer::read(frame.octets, frame.checksum)
            {
                self.desk.hear(&heard, now);
            }
            self.port.release();
            count += 1;
        }
        if count > 0 {
            self.heard = now;
        }
        count
    }

    /// Lets others work; sleeps when the server takes its time. A fixed rate is kept awake: a sleep would be late.
    fn rest(&mut self, now: u64) -> Result<(), BenchError> {
        if matches!(self.desk.pace, Pace::Rate(_)) || now.saturating_sub(self.heard) < SPIN {
            std::thread::yield_now();
            return Ok(());
        }
        let next = self.desk.next_wait().map_or(SLEEP, |at| Duration::from_nanos(at.saturating_sub(now)));
        let os =
            |device: &str, source| BenchError::Os { device: device.to_owned(), what: "cannot wait", source };
        let alarm = self.sleep(next.min(SLEEP)).map_err(|source| os(&self.device, source))?;
        if alarm && let Some(error) = self.port.socket().take_error() {
            return Err(match error.raw_os_error() {
                Some(libc::ENETDOWN | libc::ENODEV | libc::ENXIO) => BenchError::Down(self.device.clone()),
                _ => os(&self.device, error),
            });
        }
        Ok(())
    }
}

impl Bench {
    /// Sleeps until a frame comes; true for an error of the device. It is waited for only here: a socket that somebody
    /// waits for has him woken at each frame that comes or goes.
    fn sleep(&mut self, limit: Duration) -> io::Result<bool> {
        self.epoll.add(self.port.socket().as_fd(), 0)?;
        let alarm = self.epoll.wait(Some(limit))?.any(|ready| ready.error);
        self.epoll.remove(self.port.socket().as_fd())?;
        Ok(alarm)
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
