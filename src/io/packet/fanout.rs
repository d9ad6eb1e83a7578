//! Sharing out one device's frames among several sockets (`PACKET_FANOUT`), so that each guest's go to one of them: a
//! guest's frames stay in order, and its timers run in one place.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::bpf::{Assembler, Instruction};
use super::socket::{self, Socket};

/// The group's program decides (Linux 4.3).
const BY_PROGRAM: u32 = libc::PACKET_FANOUT_CBPF;
/// Frames of this host that leave through the device are not received: groups do not ask their sockets. Before Linux 6.2
/// this asks for nothing, and the filter alone refuses them.
const IGNORE_OUTGOING: u32 = 0x4000;
/// The kernel finds a number that no other group has (Linux 4.12).
const UNIQUE: u32 = libc::PACKET_FANOUT_FLAG_UNIQUEID;

/// Offsets from the network header on, of an IPv6 packet without extension headers.
const NEXT_HEADER: u32 = 6;
const DESTINATION_PORT: u32 = 40 + 2;
const MESSAGE: u32 = 40 + 8;
/// The last four octets of a Relay-forward's peer address (RFC 9915 §9.1).
const PEER: u32 = MESSAGE + 2 + 16 + 12;
/// The last four octets of the source MAC.
const SOURCE_MAC: u32 = 6 + 2;

const UDP: u32 = 17;
const DHCPV6_SERVER: u32 = 547;
const RELAY_FORWARD: u32 = 12;

/// Makes a group of sockets that are bound to the same device and have not received anything yet: number
/// `share % sockets.len()` gets a frame, in their order. The device must be up before Linux 6.13.
pub(super) fn join(sockets: &[Arc<Socket>]) -> io::Result<()> {
    let (Some(first), rest) = (sockets.first(), sockets.iter().skip(1)) else { return Ok(()) };
    let mode = (BY_PROGRAM | IGNORE_OUTGOING) << 16;
    let set = |socket: &Socket, value: u32| {
        socket::set_option(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT, &value)
    };
    set(first, mode | UNIQUE << 16)?;
    let number: u32 = socket::option(first.as_fd(), libc::SOL_PACKET, libc::PACKET_FANOUT)?;
    for socket in rest {
        set(socket, mode | number & 0xffff)?;
    }
    first.set_program(libc::SOL_PACKET, libc::PACKET_FANOUT_DATA, &program())
}

/// The number that a frame is shared out by: its source MAC's end. All that a relay forwards comes from the relay's MAC,
/// so there it is the end of the address of whom it was had from.
fn program() -> Vec<Instruction> {
    let mut asm = Assembler::default();
    let (udp, server, relayed, mac) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.load_octet(NEXT_HEADER);
    asm.jump_if(UDP, udp);
    asm.jump(mac);
    asm.place(udp);
    asm.load_half(DESTINATION_PORT);
    asm.jump_if(DHCPV6_SERVER, server);
    asm.jump(mac);
    asm.place(server);
    asm.load_octet(MESSAGE);
    asm.jump_if(RELAY_FORWARD, relayed);
    asm.jump(mac);
    asm.place(relayed);
    asm.load_word(PEER);
    asm.deliver_number();
    asm.place(mac);
    asm.load_link_word(SOURCE_MAC);
    asm.deliver_number();
    asm.finish()
}
