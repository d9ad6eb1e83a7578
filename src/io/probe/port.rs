//! The probe's place on the wire: one AF_PACKET socket that sends and hears IPv6 frames of one device.
//!
//! Hears every IPv6 frame, also those to other addresses (the MAC may be made up), and never those that this host
//! sent. The kernel's own stack is kept from answering in the probe's stead by holding the DHCPv6 client port.

#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};

/// A frame as the kernel handed it over.
pub(super) struct Frame<'a> {
    /// From the destination MAC on, without the VLAN tag.
    pub(super) octets: &'a [u8],
    /// VLAN id of the tag that the kernel took out; 0 when there was none.
    pub(super) vlan: u16,
    /// True when a local sender left the checksum to be finished by hardware: it cannot be verified.
    pub(super) partial_checksum: bool,
}

pub(super) struct Port {
    socket: Socket,
    _client_port: Option<Socket>,
    _groups: Vec<Socket>,
    buffer: Vec<u8>,
}

/// Octets of the longest frame: several TCP segments that the sender's kernel, or ours, made one packet of.
const LONGEST: usize = 14 + 40 + 65535;

/// EtherType of IPv6.
const ETH_P_IPV6: u16 = 0x86dd;

/// Octets of control data read with a frame, in units of 8: one `tpacket_auxdata` with its header takes 40.
const CONTROL_WORDS: usize = 16;

impl Port {
    /// Opens the device and starts hearing, promiscuously while this lives.
    pub(super) fn open(device: u32) -> io::Result<Self> {
        // Protocol 0 hears nothing: no frame of another device gets in before the socket is bound.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        socket.attach_filter(&ipv6_only())?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1_i32)?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        let promiscuous = libc::packet_mreq {
            mr_ifindex: i32::try_from(device).unwrap_or_default(),
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &promiscuous)?;
        socket.bind(&packet_address(device))?;
        Ok(Self { socket, _client_port: None, _groups: Vec::new(), buffer: vec![0; LONGEST] })
    }

    /// Holds UDP port 546 and the solicited-node group of `address` on the device, so that the kernel neither answers
    /// "port unreachable" to a server nor lets a snooping bridge withhold neighbour solicitations. A real client may
    /// hold the port already, and IPv6 may be off here: then the wire is as it is.
    pub(super) fn hold_client_port(&mut self, name: &str, device: u32, group: Ipv6Addr) {
        let hold = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_only_v6(true)?;
            socket.set_reuse_address(true)?;
            socket.bind_device(Some(name.as_bytes()))?;
            socket.bind(&SockAddr::from(SocketAddrV6::new(
                Ipv6Addr::UNSPECIFIED,
                super::CLIENT_PORT,
                0,
                0,
            )))?;
            socket.join_multicast_v6(&group, device)?;
            Ok(socket)
        };
        self._client_port = hold().ok();
    }

    /// Joins a group on the device while this lives, so that a snooping bridge lets its frames through. Where IPv6 is
    /// off the wire is as it is.
    pub(super) fn join(&mut self, device: u32, group: Ipv6Addr) {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP));
        let joined = socket.and_then(|socket| socket.join_multicast_v6(&group, device).map(|()| socket));
        self._groups.extend(joined.ok());
    }

    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).map(drop)
    }

    /// The next frame, or `None` when none came until `deadline`.
    pub(super) fn receive(&mut self, deadline: Instant) -> io::Result<Option<Frame<'_>>> {
        let (length, control) = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // A timeout of zero would mean none; the kernel's granularity is a tick anyway.
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.receive_once() {
                Ok(received) => break received,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        };
        let (status, tci) = control.map_or((0, 0), |data| (data.tp_status, data.tp_vlan_tci));
        let tagged = status & libc::TP_STATUS_VLAN_VALID != 0;
        Ok(Some(Frame {
            octets: self.buffer.get(..length).unwrap_or_default(),
            vlan: if tagged { tci & 0x0fff } else { 0 },
            partial_checksum: status & libc::TP_STATUS_CSUMNOTREADY != 0,
        }))
    }

    fn receive_once(&mut self) -> io::Result<(usize, Option<libc::tpacket_auxdata>)> {
        let mut control = [0_u64; CONTROL_WORDS];
        let mut piece = libc::iovec { iov_base: self.buffer.as_mut_ptr().cast(), iov_len: self.buffer.len() };
        // SAFETY: all fields of `msghdr` are integers and pointers, for which zero is a value.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_iov = &raw mut piece;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the message points at the two buffers above with their own lengths, and both outlive the call.
        let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, 0) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: `message` is as `recvmsg` left it; the headers it leads to lie in `control`, which is aligned.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
        let ours = |header: &&libc::cmsghdr| {
            header.cmsg_level == libc::SOL_PACKET && header.cmsg_type == libc::PACKET_AUXDATA
        };
        let auxiliary = header.filter(ours).map(|header| {
            // SAFETY: the kernel wrote a `tpacket_auxdata` behind a header of this level and type.
            unsafe { libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>().read_unaligned() }
        });
        Ok((length, auxiliary))
    }
}

/// Accepts IPv6 and nothing else; a VLAN tag is out of the octets before the filter runs.
fn ipv6_only() -> [SockFilter; 4] {
    let absolute_half = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
    let jump_if_equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let give_back = (libc::BPF_RET | libc::BPF_K) as u16;
    [
        SockFilter::new(absolute_half, 0, 0, 12),
        SockFilter::new(jump_if_equal, 0, 1, u32::from(ETH_P_IPV6)),
        SockFilter::new(give_back, 0, 0, u32::MAX),
        SockFilter::new(give_back, 0, 0, 0),
    ]
}

/// All protocols of one device: a device that is a bridge's port shows its frames to such sockets only.
fn packet_address(device: u32) -> SockAddr {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: i32::try_from(device).unwrap_or_default(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let mut storage = socket2::SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is the address type of this platform's AF_PACKET and fits the storage.
    unsafe { *storage.view_as::<libc::sockaddr_ll>() = address };
    // SAFETY: the storage holds a complete `sockaddr_ll`, whose size is given.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

fn set<T>(socket: &Socket, level: i32, option: i32, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is valid for reads of its own size for the length of the call.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), size)
    };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
