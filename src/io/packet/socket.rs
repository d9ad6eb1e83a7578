//! The packet socket itself: its options, its batched send, its errors.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Type};

use super::bpf::Instruction;
use super::filter::Filter;

/// Frames sent by one system call.
pub const BATCH: usize = 64;

/// A packet socket: closed until it is bound to a device, and never blocking.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames that the kernel took.
    pub sent: u64,
    /// Frames that it refused: a full queue, a device that is down or gone, a frame above its MTU.
    pub lost: u64,
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, more: Self) {
        self.sent += more.sent;
        self.lost += more.lost;
    }
}

impl Socket {
    /// A socket that receives nothing yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] without `CAP_NET_RAW`.
    pub fn new() -> io::Result<Self> {
        // Protocol 0: nothing arrives before `bind`, so nothing passes before the filter is there.
        let socket = socket2::Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(Protocol::from(0)))?;
        Ok(Self(socket.into()))
    }

    /// Replaces the filter; the kernel swaps it whole between two frames.
    ///
    /// # Errors
    /// Those of `SO_ATTACH_FILTER`: no memory.
    pub fn set_filter(&self, filter: &Filter) -> io::Result<()> {
        self.set_program(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, filter.program())
    }

    /// Sets an option whose value is a program.
    pub(super) fn set_program(&self, level: i32, name: i32, program: &[Instruction]) -> io::Result<()> {
        let code =
            |i: &Instruction| libc::sock_filter { code: i.code, jt: i.then, jf: i.otherwise, k: i.operand };
        let mut program: Vec<libc::sock_filter> = program.iter().map(code).collect();
        let length =
            u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
        set_option(self.as_fd(), level, name, &program)
    }

    /// Reads the next frame without a ring, for tests and tools: `None` when there is none.
    ///
    /// # Errors
    /// The socket's pending error, such as `ENETDOWN`.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let (fd, room) = (self.0.as_raw_fd(), buffer.len());
        // SAFETY: the buffer is writable for `room` octets and outlives the call.
        let count = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), room, libc::MSG_DONTWAIT) };
        match usize::try_from(count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Frames of this socket's own host that leave through the device are not received (Linux 4.20).
    ///
    /// # Errors
    /// Of an older kernel.
    pub fn ignore_outgoing(&self) -> io::Result<()> {
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)
    }

    pub(super) fn use_version_2(&self) -> io::Result<()> {
        let version = libc::tpacket_versions::TPACKET_V2 as i32;
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_VERSION, &version)
    }

    /// Frames to any address reach the device for as long as this socket is open.
    pub(super) fn be_promiscuous(&self, device: u32) -> io::Result<()> {
        let request = libc::packet_mreq {
            mr_ifindex: device.cast_signed(),
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set_option(self.as_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// Binds to a device: receives every protocol there, and sends there.
    ///
    /// # Errors
    /// `ENODEV` when the device is gone.
    pub fn bind(&self, device: u32) -> io::Result<()> {
        // ETH_P_ALL, not ETH_P_IPV6: a bridge takes the frames of its ports before the handlers of a protocol see them,
        // so that those see none at all. The price is that the filter runs for every frame of this device.
        let address = address(device, libc::ETH_P_ALL as u16)?;
        // SAFETY: the address is a whole sockaddr_ll that outlives the call.
        let outcome = unsafe { libc::bind(self.0.as_raw_fd(), address.as_ptr().cast(), address.len()) };
        if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// The device that it is bound to; `None` once that is gone.
    #[must_use]
    pub fn device(&self) -> Option<u32> {
        let mut address = EMPTY_ADDRESS;
        let mut length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: `address` has room for `length` octets, and both outlive the call.
        let outcome =
            unsafe { libc::getsockname(self.0.as_raw_fd(), (&raw mut address).cast(), &raw mut length) };
        (outcome == 0 && address.sll_ifindex > 0).then(|| address.sll_ifindex.cast_unsigned())
    }

    /// Takes the error that waits on the socket, so that it wakes nobody any more.
    pub(in crate::io) fn take_error(&self) -> Option<io::Error> {
        socket2::SockRef::from(&self.0).take_error().ok().flatten()
    }

    /// Frames that passed the filter and frames that were lost for want of a slot, since the last call.
    #[must_use]
    pub fn take_statistics(&self) -> (u64, u64) {
        let mut counts = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = size_of_val(&counts) as libc::socklen_t;
        let (fd, target) = (self.0.as_raw_fd(), (&raw mut counts).cast());
        // SAFETY: `counts` has room for `length` octets, and both outlive the call.
        let outcome = unsafe {
            libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, target, &raw mut length)
        };
        if outcome < 0 { (0, 0) } else { (u64::from(counts.tp_packets), u64::from(counts.tp_drops)) }
    }

    /// Sends frames, [`BATCH`] of them by one system call, without waiting. A frame that is refused is lost; the others
    /// are tried. They take the device's queue like everybody's (no `PACKET_QDISC_BYPASS`): what an operator shapes or
    /// filters on the way out holds for answers too, and going around it saved nothing over veth.
    pub fn send(&self, frames: &[&[u8]]) -> Sent {
        let mut sent = Sent::default();
        for batch in frames.chunks(BATCH) {
            self.send_batch(batch, &mut sent);
        }
        sent
    }

    fn send_batch(&self, frames: &[&[u8]], sent: &mut Sent) {
        // SAFETY: both are plain C structures for which all zeros are valid: no address, no buffer, no control data.
        let mut parts: [libc::iovec; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for ((frame, part), message) in frames.iter().zip(&mut parts).zip(&mut messages) {
            part.iov_base = frame.as_ptr().cast_mut().cast();
            part.iov_len = frame.len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
        }
        let mut told = false;
        let mut rest = &mut messages[..frames.len().min(BATCH)];
        while !rest.is_empty() {
            let (fd, room) = (self.0.as_raw_fd(), rest.len() as u32);
            // SAFETY: `rest` is `room` headers whose one part each points at a frame that outlives the call and is
            // only read.
            let taken = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), room, libc::MSG_DONTWAIT) };
            let skip = match usize::try_from(taken) {
                Ok(taken) => {
                    sent.sent += taken as u64;
                    taken
                }
                Err(_) => {
                    let error = io::Error::last_os_error().raw_os_error();
                    // It waits on the socket since the device went down, though that may be up again: told once.
                    let old = error == Some(libc::ENETDOWN) && !std::mem::replace(&mut told, true);
                    let lost = if old { 0 } else { refused(error, rest.len()) };
                    sent.lost += lost as u64;
                    lost
                }
            };
            rest = &mut rest[skip..];
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// True while there is a device of this number, and when the kernel does not say: it takes a descriptor to ask.
pub(super) fn exists(device: u32) -> bool {
    let mut name: [libc::c_char; libc::IF_NAMESIZE] = [0; libc::IF_NAMESIZE];
    // SAFETY: `name` has the room that the call asks for, and outlives it.
    let named = unsafe { !libc::if_indextoname(device, name.as_mut_ptr()).is_null() };
    let gone = || matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ENXIO | libc::ENODEV));
    named || !gone()
}

const EMPTY_ADDRESS: libc::sockaddr_ll = libc::sockaddr_ll {
    sll_family: libc::AF_PACKET as u16,
    sll_protocol: 0,
    sll_ifindex: 0,
    sll_hatype: 0,
    sll_pkttype: 0,
    sll_halen: 0,
    sll_addr: [0; 8],
};

fn address(device: u32, protocol: u16) -> io::Result<SockAddr> {
    let index = i32::try_from(device).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let link = libc::sockaddr_ll { sll_protocol: protocol.to_be(), sll_ifindex: index, ..EMPTY_ADDRESS };
    // SAFETY: the storage is larger than a sockaddr_ll and aligned for it; the length is that of what is written.
    let (_, address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(link);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    Ok(address)
}

/// How many of the `waiting` frames are lost by the error of a send.
fn refused(error: Option<i32>, waiting: usize) -> usize {
    match error {
        Some(libc::EINTR) => 0,
        // The socket's own buffer is full, or the device is down or gone: that holds for the rest of the batch too.
        Some(libc::EAGAIN | libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => waiting,
        // A queue that refused this one frame, or this frame's length.
        _ => 1,
    }
}

/// Sets a socket option whose value is a plain C structure.
pub(super) fn set_option<T>(socket: BorrowedFd<'_>, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    let (fd, value) = (socket.as_raw_fd(), std::ptr::from_ref(value).cast());
    // SAFETY: `value` points at `length` initialised octets that outlive the call; what they point at in turn is kept
    // alive by the caller until this returns.
    let outcome = unsafe { libc::setsockopt(fd, level, name, value, length) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a socket option whose value is a plain number.
pub(super) fn option(socket: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<u32> {
    let mut value = 0_u32;
    let mut length = size_of_val(&value) as libc::socklen_t;
    let (fd, target) = (socket.as_raw_fd(), (&raw mut value).cast());
    // SAFETY: `value` has room for `length` octets, and both outlive the call.
    let outcome = unsafe { libc::getsockopt(fd, level, name, target, &raw mut length) };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
