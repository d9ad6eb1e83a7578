//! The AF_PACKET port: a mapped receive ring per device, and answers sent in batches on the same socket.
//!
//! It only listens: the guest's frame still reaches the bridge and the kernel's own stack. It decides nothing beyond
//! what cannot be an answerable frame at all (a service tag), and never waits.
//!
//! # Why it is made like this
//!
//! - **A socket and a ring for each device.** One socket that is bound to no device takes less memory and no time to
//!   attach; but it hears every frame of every device of the machine, uplinks included, and one guest's flood takes the
//!   room of all the others' frames. `cargo bench --bench devices` measures both designs side by side.
//! - **`TPACKET_V2`.** Version 3 hands frames over in blocks, a millisecond late when few come. Reading frame by frame
//!   (`recvmmsg`) copies each once more.
//! - **`sendmmsg`, not a send ring.** It saved nothing over veth, nor did `PACKET_QDISC_BYPASS`, which would go around what
//!   the operator shapes and filters.
//! - **No AF_XDP.** Taps and veths have it in copy mode only, where it answers as many frames as this ring does: what costs
//!   is the kernel's path of a frame, not the hand-over. An XDP program sees every frame before the bridge does, so it
//!   would have to pass on all of the guests' traffic, and loading one takes more than CAP_NET_RAW. Where it would pay is
//!   answering inside the kernel, from the same prepared octets, for a latency of a few microseconds.

mod bpf;
mod fanout;
mod filter;
mod ring;
mod socket;

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

pub use filter::{Filter, MAX_ENDINGS};
pub use ring::{MAX_SLOTS, MIN_SLOTS, SLOT};
pub use socket::{BATCH, Sent, Socket};

use crate::engine::RxFrame;
use crate::types::limits::MAX_FRAME;

/// The stack of a thread that does nothing but two system calls.
const STACK: usize = 64 << 10;

/// EtherType of a customer VLAN tag (IEEE 802.1Q).
const TPID_VLAN: u16 = 0x8100;

/// The VLAN id in a tag's control information; the rest is priority.
const VLAN_ID: u16 = 0x0fff;

/// How a port is opened.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions {
    /// Slots of the ring, a multiple of [`MIN_SLOTS`] up to [`MAX_SLOTS`].
    pub slots: u32,
    /// Ask the device for frames to every address: a bridge or a NIC hands up only those to its own otherwise.
    pub promiscuous: bool,
}

/// One attached device: the socket and its ring.
#[derive(Debug)]
pub struct Port {
    device: u32,
    ring: ring::Ring,
    socket: Arc<Socket>,
}

/// What the port says of the frame in front.
#[derive(Clone, Copy, Debug)]
pub enum Front<'a> {
    /// A frame to look at.
    Frame(RxFrame<'a>),
    /// A frame whose outer tag is no customer VLAN tag: of a network that we are not on.
    ForeignTag,
}

/// A port that lacks nothing but a device. Making one waits for every processor, opening it on a device does not; several
/// made at the same time share the wait.
#[derive(Debug)]
pub struct Spare {
    ring: ring::Ring,
    socket: Socket,
}

impl Spare {
    /// Makes the socket and a ring of `slots` slots, see [`PortOptions::slots`].
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`, `ENOMEM` when the ring finds no memory, `EMFILE`.
    pub fn new(slots: u32) -> io::Result<Self> {
        let socket = Self::socket()?;
        let ring = ring::Ring::map(socket.as_fd(), slots)?;
        Ok(Self { ring, socket })
    }

    /// Makes several for [`open_together`](Self::open_together): the sockets in order, as the kernel puts those of a
    /// device that comes up again in the order of their making; the rings at the same time, as each waits.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn several(count: usize, slots: u32) -> io::Result<Vec<Self>> {
        let sockets: Vec<Socket> = (0..count).map(|_| Self::socket()).collect::<io::Result<_>>()?;
        let rings: Vec<ring::Ring> = std::thread::scope(|scope| {
            let begin = |socket| {
                let map = move || ring::Ring::map(Socket::as_fd(socket), slots);
                let builder = std::thread::Builder::new().name("rings".into()).stack_size(STACK);
                builder.spawn_scoped(scope, map).map_err(|_| map())
            };
            let begun: Vec<_> = sockets.iter().map(begin).collect();
            let end = |ring: Result<ScopedJoinHandle<'_, io::Result<ring::Ring>>, _>| match ring {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())),
                // No thread could be had: it was made here.
                Err(made) => made,
            };
            begun.into_iter().map(end).collect::<io::Result<_>>()
        })?;
        Ok(rings.into_iter().zip(sockets).map(|(ring, socket)| Self { ring, socket }).collect())
    }

    fn socket() -> io::Result<Socket> {
        let socket = Socket::new()?;
        socket.use_version_2()?;
        socket.ignore_outgoing()?;
        Ok(socket)
    }

    /// The slots of its ring.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.ring.slots()
    }

    /// Opens it on a device, which is asked for frames to every address if it is to be `promiscuous`.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device.
    pub fn open(self, device: u32, promiscuous: bool, filter: &Filter) -> io::Result<Port> {
        let Self { ring, socket } = self;
        socket.set_filter(filter)?;
        if promiscuous {
            socket.be_promiscuous(device)?;
        }
        socket.bind(device)?;
        Ok(Port { device, ring, socket: Arc::new(socket) })
    }

    /// Opens several on one device: number `n` of them gets the frames of the guests in
    /// [`Share`](crate::engine::Share) `n`.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device; `EINVAL` before Linux 6.13 when it is down.
    pub fn open_together(
        spares: Vec<Self>,
        device: u32,
        promiscuous: bool,
        filter: &Filter,
    ) -> io::Result<Vec<Port>> {
        if let [_] = spares.as_slice() {
            return spares.into_iter().map(|spare| spare.open(device, promiscuous, filter)).collect();
        }
        // What arrives before they share it out would be seen by all of them.
        let nothing = Filter::nothing();
        let open = |spare: Self| spare.open(device, promiscuous, &nothing);
        let ports: Vec<Port> = spares.into_iter().map(open).collect::<io::Result<_>>()?;
        let sockets: Vec<Arc<Socket>> = ports.iter().map(|port| Arc::clone(&port.socket)).collect();
        fanout::join(&sockets)?;
        sockets.iter().try_for_each(|socket| socket.set_filter(filter))?;
        Ok(ports)
    }
}

/// True while there is a device of this number, or nobody can tell: a ring for one that is gone is not worth making.
#[must_use]
pub fn exists(device: u32) -> bool {
    socket::exists(device)
}

impl Port {
    /// Opens a device by its number. What arrives from now on and passes the filter waits in the ring.
    ///
    /// # Errors
    /// `ENODEV` when there is no such device, `EPERM` without `CAP_NET_RAW`, `ENOMEM` when the ring finds no memory.
    pub fn open(device: u32, options: PortOptions, filter: &Filter) -> io::Result<Self> {
        // A ring for a device that is gone would cost two waits for every processor, and the kernel's last words of
        // devices that go are as many as these.
        if !exists(device) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        Spare::new(options.slots)?.open(device, options.promiscuous, filter)
    }

    /// The number of its device.
    #[must_use]
    pub fn device(&self) -> u32 {
        self.device
    }

    /// The slots of its ring.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.ring.slots()
    }

    /// Its socket, for filters and statistics.
    #[must_use]
    pub fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// The oldest frame that waits, if one does; it stays in front until [`release`](Self::release).
    #[must_use]
    pub fn front(&self) -> Option<Front<'_>> {
        let slot = self.ring.front()?;
        let vlan = match slot.tag {
            None => 0,
            Some((tci, TPID_VLAN)) => tci & VLAN_ID,
            Some(_) => return Some(Front::ForeignTag),
        };
        let device = self.device;
        let (checksum, length, octets) = (slot.checksum, slot.length, slot.octets);
        Some(Front::Frame(RxFrame { device, vlan, checksum, length, octets }))
    }

    /// Hands the frame in front back to the kernel.
    pub fn release(&mut self) {
        self.ring.release();
    }
}

/// Answers on their way out, written one behind the other and sent with one system call per device.
#[derive(Debug)]
pub struct Outbox {
    arena: Box<[u8]>,
    used: usize,
    frames: Vec<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    device: u32,
    octets: Range<usize>,
}

/// Answers start at multiples of this: a cache line.
const ALIGN: usize = 64;

impl Default for Outbox {
    fn default() -> Self {
        let arena = vec![0; BATCH * MAX_FRAME].into_boxed_slice();
        Self { arena, used: 0, frames: Vec::with_capacity(BATCH) }
    }
}

impl Outbox {
    /// Room for the next answer, [`MAX_FRAME`] octets. A full outbox gives the last room again: flush it before.
    pub fn room(&mut self) -> &mut [u8] {
        let start = self.start();
        &mut self.arena[start..start + MAX_FRAME]
    }

    /// The first `length` octets of the room are to be sent on `device`.
    pub fn commit(&mut self, device: u32, length: usize) {
        let start = self.start();
        let end = start + length.min(MAX_FRAME);
        self.frames.push(Outgoing { device, octets: start..end });
        self.used = end.next_multiple_of(ALIGN);
    }

    /// True when it has to be flushed before the next answer.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.len() == BATCH
    }

    /// Sends everything, in order, on the sockets of the devices; what cannot be sent now is lost and counted.
    pub fn flush<'s>(&mut self, socket: impl Fn(u32) -> Option<&'s Socket>) -> Sent {
        let mut total = Sent::default();
        for run in self.frames.chunk_by(|a, b| a.device == b.device) {
            let mut frames: [&[u8]; BATCH] = [&[]; BATCH];
            for (frame, outgoing) in frames.iter_mut().zip(run) {
                *frame = &self.arena[outgoing.octets.clone()];
            }
            let count = run.len().min(BATCH);
            total += match run.first().and_then(|o| socket(o.device)) {
                Some(socket) => socket.send(&frames[..count]),
                None => Sent { sent: 0, lost: count as u64 },
            };
        }
        self.frames.clear();
        self.used = 0;
        total
    }

    fn start(&self) -> usize {
        self.used.min(self.arena.len() - MAX_FRAME)
    }
}
