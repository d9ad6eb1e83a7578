//! The other design: one packet socket that is bound to no device and hears all of them, in place of a socket and a ring for
//! each. Here to be measured beside it, with the same engine behind it.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::io::clock::Clock;
use frontdesk::io::packet::{BATCH, Filter, Socket};
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::{MacAddr, limits::MAX_FRAME};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, getsockopt, recvmmsg, sendmmsg};

/// Milliseconds until it looks whether it is to stop.
const STOP: u16 = 20;

/// A thread that answers on all devices of its namespace.
pub(crate) struct AnyDevice {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Its directory in /proc.
    task: PathBuf,
    /// Octets that wait in its socket at most, with what the kernel needs to keep them.
    room: usize,
}

impl AnyDevice {
    /// Starts it; `devices` are numbers and names.
    pub(crate) fn start(leases: &str, devices: Vec<(u32, String)>) -> Self {
        let table = lease::load("generated", leases.as_bytes().to_vec()).expect("valid leases").table;
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let task = fs::read_link("/proc/thread-self").expect("a thread");
            let desk = Desk::new(Arc::new(table), devices);
            let room = getsockopt(&desk.socket, RcvBuf).expect("its size");
            tell.send((PathBuf::from("/proc").join(task), room)).expect("somebody waits");
            desk.run(&stopped);
        });
        let (task, room) = told.recv().expect("it starts");
        Self { stop, thread: Some(thread), task, room }
    }

    /// Memory of what waits to be read, in MiB.
    pub(crate) fn room(&self) -> f64 {
        self.room as f64 / f64::from(1 << 20)
    }

    /// Processor time of its thread so far.
    pub(crate) fn spent(&self) -> Duration {
        let text = fs::read_to_string(self.task.join("schedstat")).unwrap_or_default();
        Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0))
    }
}

impl Drop for AnyDevice {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

struct Desk {
    socket: Socket,
    engine: Engine,
    clock: Clock,
}

impl Desk {
    fn new(table: Arc<LeaseTable>, devices: Vec<(u32, String)>) -> Self {
        let socket = Socket::new().expect("a socket");
        socket.set_filter(&Filter::for_table(&table)).expect("a filter");
        socket.ignore_outgoing().expect("Linux 4.20");
        let mut engine = Engine::new(table, 1);
        let clock = Clock::start();
        for (device, name) in devices {
            engine.attach(device, &name, MacAddr([2, 0, 0, 0, 0, 1]), clock.now());
        }
        // 0 is every device.
        socket.bind(0).expect("bound to no device");
        Self { socket, engine, clock }
    }

    fn run(mut self, stop: &AtomicBool) {
        let mut buffers = vec![[0; MAX_FRAME]; BATCH];
        let mut answers = vec![[0; MAX_FRAME]; BATCH];
        let mut headers = MultiHeaders::<LinkAddr>::preallocate(BATCH, None);
        let mut outgoing = MultiHeaders::<LinkAddr>::preallocate(BATCH, None);
        let fd = self.socket.as_fd().as_raw_fd();
        while !stop.load(Ordering::Relaxed) {
            let mut waiting = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            poll(&mut waiting, STOP).expect("poll");
            let now = self.clock.now();
            let mut slices: Vec<_> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let Ok(received) = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None) else { continue };
            let received: Vec<(usize, Option<LinkAddr>)> = received.map(|m| (m.bytes, m.address)).collect();
            let mut to = Vec::with_capacity(BATCH);
            let mut lengths = Vec::with_capacity(BATCH);
            for (buffer, (length, from)) in buffers.iter().zip(received) {
                let (Some(from), Some(answer)) = (from, answers.get_mut(to.len())) else { continue };
                let Ok(device) = u32::try_from(from.ifindex()) else { continue };
                let (checksum, octets) = (Checksum::Partial, &buffer[..length]);
                let frame = RxFrame { device, vlan: 0, checksum, length, octets };
                if let frontdesk::answer::Verdict::Answer { length, .. } =
                    self.engine.frame(now, frame, answer)
                {
                    to.push(Some(from));
                    lengths.push(length);
                }
            }
            let slices: Vec<_> = answers
                .iter()
                .zip(lengths)
                .map(|(answer, length)| [IoSlice::new(&answer[..length])])
                .collect();
            // What is not sent is lost, as everywhere.
            let _ = sendmmsg(fd, &mut outgoing, &slices, &to, [], flags);
        }
    }
}
