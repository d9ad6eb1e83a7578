//! Which frames the kernel hands up: only those that an engine with this table can have something to say about.
//!
//! The filter runs for every frame of an attached device, so foreign traffic is refused in a handful of instructions;
//! a frame that it passes costs a copy into the ring and perhaps a wake-up, a thousand times as much. It must never
//! refuse a frame that would be answered; what it passes too much is dropped, with a reason, by the engine.
//!
//! Passed: Router Solicitations; Neighbor Solicitations whose target may be ours; echo requests to addresses that may
//! be ours or to link-scope groups; datagrams to the DHCPv6 ports; TCP to what may be a metadata service; what only
//! routers and servers send (RA, Redirect, DHCPv6 to clients), because a guest that sends it is worth a counter. All of them behind up to two extension
//! headers, and everything behind more of them or in fragments that is addressed to what may be ours. "May be ours"
//! compares the last 32 bits of an address: few distinct values over all networks, and next to no false positives.

use std::collections::BTreeSet;

use super::bpf::{Assembler, Instruction, Label};
use crate::lease::LeaseTable;

/// Distinct endings of own addresses that the filter compares, and as many of those of metadata services; with more of
/// either every address may be ours. Bounded
/// because they are compared one by one, and because a conditional jump reaches 255 instructions.
pub const MAX_ENDINGS: usize = 64;

/// A socket filter that passes the protocols that are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    program: Vec<Instruction>,
}

const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPE_VLAN: u32 = 0x8100;
const ETHERTYPE_SERVICE_VLAN: u32 = 0x88a8;
const LINK_SCOPE_GROUP: u32 = 0xff02;

const HOP_BY_HOP: u32 = 0;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const ICMPV6: u32 = 58;
const DESTINATION_OPTIONS: u32 = 60;

const ECHO_REQUEST: u32 = 128;
const ROUTER_SOLICITATION: u32 = 133;
const ROUTER_ADVERTISEMENT: u32 = 134;
const NEIGHBOR_SOLICITATION: u32 = 135;
const REDIRECT: u32 = 137;
const DHCPV6_CLIENT: u32 = 546;
const DHCPV6_SERVER: u32 = 547;

/// A frame that leaves through the device.
const OUTGOING: u32 = libc::PACKET_OUTGOING as u32;

/// Octets of the Ethernet header before the EtherType.
const ETHERTYPE: u32 = 12;
/// Octets of one VLAN tag.
const TAG: u32 = 4;
/// Offsets in an untagged frame; X holds what lies in between.
const NEXT_HEADER: u32 = 14 + 6;
const DESTINATION: u32 = 14 + 24;
const UPPER: u32 = 14 + 40;

/// Extension headers that the filter steps over before it looks at the destination only.
const STEPS: usize = 2;

/// Cells of the filter's memory: octets of VLAN tag, and the next header while X moves.
const TAG_CELL: u32 = 0;
const NEXT_CELL: u32 = 1;

/// Octets asked of the kernel: all; the ring's slot cuts what is longer.
const WHOLE: u32 = 0x4_0000;

impl Filter {
    /// The filter for a table's own addresses.
    #[must_use]
    pub fn for_table(table: &LeaseTable) -> Self {
        let networks = table.networks().flat_map(|n| n.own_addresses().iter().copied());
        let relays = table.relay().into_iter();
        let relays =
            relays.flat_map(|r| r.server_addresses().iter().copied().chain([r.server_link_local().octets()]));
        let services = table.networks().flat_map(|n| n.services().iter().map(|service| service.address));
        Self { program: program(endings(networks.chain(relays)).as_ref(), endings(services).as_ref()) }
    }

    /// The filter for a set of own addresses, none of them a metadata service.
    #[must_use]
    pub fn for_addresses(addresses: impl IntoIterator<Item = [u8; 16]>) -> Self {
        Self { program: program(endings(addresses).as_ref(), Some(&BTreeSet::new())) }
    }

    /// The filter that takes every address for ours, and none for a metadata service.
    #[must_use]
    pub fn for_any_address() -> Self {
        Self { program: program(None, Some(&BTreeSet::new())) }
    }

    /// The filter that passes every frame, for tools and tests that look at answers too.
    #[must_use]
    pub fn everything() -> Self {
        let mut asm = Assembler::default();
        asm.deliver(WHOLE);
        Self { program: asm.finish() }
    }

    /// The filter that passes no frame.
    #[must_use]
    pub fn nothing() -> Self {
        let mut asm = Assembler::default();
        asm.deliver(0);
        Self { program: asm.finish() }
    }

    pub(super) fn program(&self) -> &[Instruction] {
        &self.program
    }
}

/// The distinct endings of addresses; `None` when there are too many to be compared.
fn endings(addresses: impl IntoIterator<Item = [u8; 16]>) -> Option<BTreeSet<u32>> {
    let ending = |[.., a, b, c, d]: [u8; 16]| u32::from_be_bytes([a, b, c, d]);
    let mut endings = BTreeSet::new();
    for address in addresses {
        endings.insert(ending(address));
        if endings.len() > MAX_ENDINGS {
            return None;
        }
    }
    Some(endings)
}

struct Exits {
    pass: Label,
    drop: Label,
    icmp: Label,
    udp: Label,
    tcp: Label,
    services: Label,
    destination: Label,
}

fn program(own: Option<&BTreeSet<u32>>, services: Option<&BTreeSet<u32>>) -> Vec<Instruction> {
    let mut asm = Assembler::default();
    let to = Exits {
        pass: asm.label(),
        drop: asm.label(),
        icmp: asm.label(),
        udp: asm.label(),
        tcp: asm.label(),
        services: asm.label(),
        destination: asm.label(),
    };
    let upper = asm.label();
    link_layer(&mut asm, &to, upper);
    asm.place(upper);
    for _ in 0..STEPS {
        let extension = asm.label();
        dispatch(&mut asm, &to, extension);
        asm.place(extension);
        asm.load_octet(UPPER);
        asm.store(NEXT_CELL);
        asm.load_octet(UPPER + 1);
        asm.skip_extension();
        asm.recall(NEXT_CELL);
    }
    dispatch(&mut asm, &to, to.destination);

    asm.place(to.udp);
    asm.load_half(UPPER + 2);
    asm.jump_if(DHCPV6_SERVER, to.pass);
    asm.jump_if(DHCPV6_CLIENT, to.pass);
    asm.jump(to.drop);

    let solicitation = asm.label();
    asm.place(to.icmp);
    asm.load_octet(UPPER);
    asm.jump_if(NEIGHBOR_SOLICITATION, solicitation);
    asm.jump_if(ECHO_REQUEST, to.destination);
    for passed in [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, REDIRECT] {
        asm.jump_if(passed, to.pass);
    }
    asm.jump(to.drop);

    let compare = asm.label();
    asm.place(solicitation);
    asm.load_word(UPPER + 8 + 12);
    asm.jump(compare);

    asm.place(to.destination);
    asm.recall_x(TAG_CELL);
    asm.load_half(DESTINATION);
    asm.jump_if(LINK_SCOPE_GROUP, to.pass);
    asm.load_word(DESTINATION + 12);
    asm.place(compare);
    one_of(&mut asm, own, &to);
    asm.place(to.tcp);
    asm.recall_x(TAG_CELL);
    asm.load_word(DESTINATION + 12);
    asm.place(to.services);
    one_of(&mut asm, services, &to);
    asm.place(to.pass);
    // What leaves through the device is refused: sockets that share one see it before Linux 6.2, whatever they ask for.
    asm.load_packet_type();
    asm.jump_if(OUTGOING, to.drop);
    asm.deliver(WHOLE);
    asm.place(to.drop);
    asm.deliver(0);
    asm.finish()
}

/// Passes when A is one of the endings, else drops.
fn one_of(asm: &mut Assembler, endings: Option<&BTreeSet<u32>>, to: &Exits) {
    match endings {
        None => asm.jump(to.pass),
        Some(endings) => {
            endings.iter().for_each(|ending| asm.jump_if(*ending, to.pass));
            asm.jump(to.drop);
        }
    }
}

/// Goes to `upper` with the IPv6 header's next header in A, and in X and its cell the octets of VLAN tag in the frame: none
/// when the kernel has taken the tag out, as it does on reception. A second tag that stays inside is passed, for the engine
/// to count. Most of what guests send each other is decided here, in frames without a tag by loads from fixed places.
fn link_layer(asm: &mut Assembler, to: &Exits, upper: Label) {
    let (tag, inside, untagged, other) = (asm.label(), asm.label(), asm.label(), asm.label());
    asm.load_half_at(ETHERTYPE);
    asm.jump_if(ETHERTYPE_IPV6, untagged);
    asm.jump_if(ETHERTYPE_VLAN, tag);
    asm.jump_if(ETHERTYPE_SERVICE_VLAN, tag);
    asm.jump(to.drop);

    asm.place(untagged);
    asm.load_octet_at(NEXT_HEADER);
    asm.jump_unless(TCP, other);
    asm.load_word_at(DESTINATION + 12);
    asm.jump(to.services);
    asm.place(other);
    asm.set_x(0);
    asm.store_x(TAG_CELL);
    asm.jump(upper);

    asm.place(tag);
    asm.load_half_at(ETHERTYPE + TAG);
    asm.jump_if(ETHERTYPE_IPV6, inside);
    asm.jump(to.drop);
    asm.place(inside);
    asm.set_x(TAG);
    asm.store_x(TAG_CELL);
    asm.load_octet_at(NEXT_HEADER + TAG);
}

/// Goes on by the next header in A; X + `UPPER` is where that header starts.
fn dispatch(asm: &mut Assembler, to: &Exits, extension: Label) {
    asm.jump_if(ICMPV6, to.icmp);
    asm.jump_if(UDP, to.udp);
    asm.jump_if(TCP, to.tcp);
    for header in [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING] {
        asm.jump_if(header, extension);
    }
    asm.jump_if(FRAGMENT, to.destination);
    asm.jump(to.drop);
}

mod answers;
#[cfg(test)]
mod tests;
