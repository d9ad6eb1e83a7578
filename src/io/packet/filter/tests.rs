//! The filter over frames, run by an interpreter of its instructions as the kernel's documentation defines them.

use etherparse::PacketBuilder;

use super::*;

/// Runs the program; a load outside the frame refuses it, as in the kernel.
fn run(filter: &Filter, frame: &[u8]) -> bool {
    cost(filter, frame).0
}

/// Runs the program: whether the frame passes, and how many instructions and loads from X + offset it took.
fn cost(filter: &Filter, frame: &[u8]) -> (bool, usize, usize) {
    let (mut steps, mut calls) = (0, 0);
    let passes = execute(filter, frame, &mut steps, &mut calls);
    (passes, steps, calls)
}

fn execute(filter: &Filter, frame: &[u8], steps: &mut usize, calls: &mut usize) -> bool {
    let (mut a, mut x, mut cells) = (0_u32, 0_u32, [0_u32; 16]);
    let mut at = 0;
    loop {
        let i = filter.program[at];
        at += 1;
        *steps += 1;
        *calls += usize::from(u32::from(i.code) & 0xe7 == libc::BPF_LD | libc::BPF_IND);
        let load = |width: usize, x: u32| {
            let first = (x as usize).checked_add(i.operand as usize)?;
            Some(frame.get(first..first + width)?.iter().fold(0_u32, |n, octet| n << 8 | u32::from(*octet)))
        };
        let width = match u32::from(i.code) & 0x18 {
            libc::BPF_W => 4,
            libc::BPF_H => 2,
            _ => 1,
        };
        match u32::from(i.code) {
            c if c & 0x07 == libc::BPF_LD && c & 0xe0 == libc::BPF_IND => match load(width, x) {
                Some(value) => a = value,
                None => return false,
            },
            c if c == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS && i.operand.cast_signed() < 0 => {
                assert_eq!(i.operand.cast_signed(), libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE);
                a = u32::from(libc::PACKET_HOST);
            }
            c if c & 0x07 == libc::BPF_LD && c & 0xe0 == libc::BPF_ABS => match load(width, 0) {
                Some(value) => a = value,
                None => return false,
            },
            c if c == libc::BPF_LD | libc::BPF_MEM => a = cells[i.operand as usize],
            c if c == libc::BPF_LDX | libc::BPF_IMM => x = i.operand,
            c if c == libc::BPF_LDX | libc::BPF_MEM => x = cells[i.operand as usize],
            c if c == libc::BPF_ST => cells[i.operand as usize] = a,
            c if c == libc::BPF_STX => cells[i.operand as usize] = x,
            c if c == libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K => a = a.wrapping_add(i.operand),
            c if c == libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X => a = a.wrapping_add(x),
            c if c == libc::BPF_ALU | libc::BPF_LSH | libc::BPF_K => a <<= i.operand,
            c if c == libc::BPF_MISC | libc::BPF_TAX => x = a,
            c if c == libc::BPF_JMP | libc::BPF_JA => at += i.operand as usize,
            c if c == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                at += usize::from(if a == i.operand { i.then } else { i.otherwise });
            }
            c if c == libc::BPF_RET | libc::BPF_K => return i.operand != 0,
            c => panic!("instruction {c:#x}"),
        }
    }
}

const GUEST: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0x16, 0x3e, 0xff, 0xfe, 1, 2, 3];
const ROUTER: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const GATEWAY: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const METADATA: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa9, 0xfe, 0xa9, 0xfe];
const NEIGHBOR: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34];
const ALL_ROUTERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const ALL_SERVERS: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2];
const SOLICITED: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1];

fn ours() -> Filter {
    let own = endings([ROUTER, GATEWAY, METADATA]);
    Filter { program: program(own.as_ref(), endings([METADATA]).as_ref()) }
}

fn tcp(to: [u8; 16], port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet().ipv6(GUEST, to, 64).tcp(40_000, port, 1, 1).write(&mut frame, &[133; 40]).expect("room");
    frame
}

fn ethernet() -> etherparse::PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2([0xfa, 0x16, 0x3e, 1, 2, 3], [0x33, 0x33, 0, 0, 0, 2])
}

fn icmp(to: [u8; 16], kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = ethernet().ipv6(GUEST, to, 255).icmpv6_raw(kind, 0, [0; 4]);
    builder.write(&mut frame, body).expect("room");
    frame
}

fn udp(to: [u8; 16], port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet().ipv6(GUEST, to, 1).udp(40_000, port).write(&mut frame, b"12345678").expect("room");
    frame
}

/// Puts extension headers (kind and length in octets) before the upper layer.
fn extended(frame: &[u8], headers: &[(u8, usize)]) -> Vec<u8> {
    let (mut out, rest) = (frame[..54].to_vec(), &frame[54..]);
    let upper = out[20];
    out[20] = headers.first().map_or(upper, |h| h.0);
    for (at, (_, length)) in headers.iter().enumerate() {
        let next = headers.get(at + 1).map_or(upper, |h| h.0);
        let mut header = vec![0_u8; *length];
        header[0] = next;
        header[1] = u8::try_from(length / 8 - 1).expect("short");
        out.extend(header);
    }
    out.extend(rest);
    let payload = u16::try_from(out.len() - 54).expect("short").to_be_bytes();
    out[18..20].copy_from_slice(&payload);
    out
}

fn tagged(frame: &[u8], tpid: u16) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend(tpid.to_be_bytes());
    out.extend([0x01, 0x23]);
    out.extend(&frame[12..]);
    out
}

/// What is answered, as (what it is, frame).
fn answerable() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("router solicitation", icmp(ALL_ROUTERS, 133, &[1, 1, 0xfa, 0x16, 0x3e, 1, 2, 3])),
        ("bare router solicitation", icmp(ALL_ROUTERS, 133, &[])),
        ("neighbor solicitation, multicast", icmp(SOLICITED, 135, &ROUTER)),
        ("neighbor solicitation, unicast", icmp(GATEWAY, 135, &GATEWAY)),
        ("neighbor solicitation, metadata", icmp(SOLICITED, 135, &METADATA)),
        ("echo to the router", icmp(ROUTER, 128, b"ping")),
        ("echo to the gateway", icmp(GATEWAY, 128, b"ping")),
        ("echo to all routers", icmp(ALL_ROUTERS, 128, b"ping")),
        ("dhcpv6", udp(ALL_SERVERS, 547)),
        ("dhcpv6 unicast", udp(NEIGHBOR, 547)),
        ("tcp to the metadata service", tcp(METADATA, 80)),
        ("tcp to another port there", tcp(METADATA, 81)),
    ]
}

fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    let mut arp = vec![0xff; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let mut ipv4 = Vec::new();
    ethernet().ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(1, 547).write(&mut ipv4, &[0; 40]).expect("room");
    vec![
        ("ARP", arp),
        ("IPv4", ipv4),
        ("TCP to the gateway", tcp(GATEWAY, 547)),
        ("TCP to a neighbour", tcp(NEIGHBOR, 80)),
        ("other UDP", udp(ALL_SERVERS, 53)),
        ("neighbor advertisement", icmp(NEIGHBOR, 136, &GATEWAY)),
        ("neighbor solicitation for a neighbour", icmp(SOLICITED, 135, &NEIGHBOR)),
        ("echo to a neighbour", icmp(NEIGHBOR, 128, b"ping")),
        ("echo reply", icmp(ROUTER, 129, b"ping")),
        ("multicast listener report", extended(&icmp(ALL_ROUTERS, 143, &[0; 20]), &[(0, 8)])),
        ("fragment to a neighbour", extended(&udp(NEIGHBOR, 547), &[(44, 8)])),
    ]
}

#[test]
fn what_is_answered_passes() {
    for (what, frame) in answerable() {
        assert!(run(&ours(), &frame), "{what}");
        for tpid in [0x8100, 0x88a8] {
            assert!(run(&ours(), &tagged(&frame, tpid)), "{what}, tagged {tpid:#x}");
        }
    }
}

#[test]
fn what_is_answered_passes_behind_extension_headers() {
    let chains: [&[(u8, usize)]; 5] =
        [&[(0, 8)], &[(60, 24)], &[(0, 8), (60, 16)], &[(43, 24), (60, 8)], &[(0, 2048)]];
    for (what, frame) in answerable() {
        for chain in chains {
            let frame = extended(&frame, chain);
            assert!(run(&ours(), &frame), "{what} behind {chain:?}");
            assert!(run(&ours(), &tagged(&frame, 0x8100)), "{what} behind {chain:?}, tagged");
        }
    }
}

#[test]
fn fragments_and_long_chains_to_what_may_be_ours_pass() {
    for chain in [&[(44, 8)][..], &[(0, 8), (44, 8)], &[(0, 8), (60, 8), (43, 8)], &[(60, 8); 6]] {
        for to in [ALL_SERVERS, ROUTER, GATEWAY] {
            assert!(run(&ours(), &extended(&udp(to, 547), chain)), "{chain:?} to {to:02x?}");
            assert!(
                run(&ours(), &tagged(&extended(&udp(to, 547), chain), 0x8100)),
                "{chain:?} to {to:02x?}, tagged"
            );
        }
        if chain.len() > 2 {
            assert!(!run(&ours(), &extended(&udp(NEIGHBOR, 547), chain)), "{chain:?}");
        }
    }
}

#[test]
fn what_only_routers_and_servers_send_passes_to_be_counted() {
    for frame in [icmp(ALL_ROUTERS, 134, &[0; 8]), icmp(GUEST, 137, &[0; 32]), udp(GUEST, 546)] {
        assert!(run(&ours(), &frame));
    }
}

#[test]
fn foreign_traffic_stays_in_the_kernel() {
    for (what, frame) in foreign() {
        assert!(!run(&ours(), &frame), "{what}");
        assert!(!run(&ours(), &tagged(&frame, 0x8100)), "{what}, tagged");
    }
}

#[test]
fn a_frame_cut_anywhere_ends_the_program() {
    let frames = answerable().into_iter().chain(foreign());
    for (what, frame) in frames {
        for end in 0..54.min(frame.len()) {
            assert!(!run(&ours(), &frame[..end]), "{what} cut at {end}");
        }
    }
}

#[test]
fn with_too_many_addresses_every_address_may_be_ours() {
    let address = |n: usize| {
        let mut address = GATEWAY;
        address[12..].copy_from_slice(&u32::try_from(n + 0x1_0000).expect("small").to_be_bytes());
        address
    };
    for count in 0..=MAX_ENDINGS {
        let filter = Filter::for_addresses((0..count).map(address));
        assert!(!run(&filter, &icmp(NEIGHBOR, 128, b"ping")), "{count}");
        for own in 0..count {
            assert!(run(&filter, &icmp(address(own), 128, b"ping")), "{own} of {count}");
        }
    }
    let filter = Filter::for_addresses((0..=MAX_ENDINGS).map(address));
    assert_eq!(filter, Filter::for_any_address());
    assert!(run(&filter, &icmp(NEIGHBOR, 128, b"ping")));
    assert!(run(&filter, &icmp(SOLICITED, 135, &NEIGHBOR)));
    assert!(!run(&filter, &icmp(SOLICITED, 136, &NEIGHBOR)));
    assert!(!run(&filter, &tcp(NEIGHBOR, 80)));
    for count in [MAX_ENDINGS, MAX_ENDINGS + 1] {
        let services = endings((0..count).map(address));
        let filter =
            Filter { program: program(endings((0..count).map(address)).as_ref(), services.as_ref()) };
        assert!(run(&filter, &tcp(address(count - 1), 80)));
        assert_eq!(run(&filter, &tcp(NEIGHBOR, 80)), count > MAX_ENDINGS);
    }
}

#[test]
fn foreign_traffic_costs_few_instructions() {
    assert!(ours().program.len() < 100, "{}", ours().program.len());
    let mut ipv4 = Vec::new();
    ethernet()
        .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .tcp(1, 443, 1, 1)
        .write(&mut ipv4, &[0; 40])
        .expect("room");
    // Loads from X + offset are calls in the kernel: what most traffic is made of has none.
    for (what, frame, most) in [
        ("IPv4", ipv4, 6),
        ("TCP", tcp(NEIGHBOR, 443), 9),
        ("TCP, tagged", tagged(&tcp(NEIGHBOR, 443), 0x8100), 20),
    ] {
        let (passes, steps, calls) = cost(&ours(), &frame);
        assert!(!passes && steps <= most, "{what}: {steps} instructions");
        assert_eq!(calls, usize::from(what == "TCP, tagged"), "{what}");
    }
    let (passes, steps, calls) = cost(&ours(), &udp(NEIGHBOR, 5353));
    assert!(!passes && steps <= 14 && calls == 1, "{steps} instructions, {calls} calls");
}

/// Every frame that the engine answers passes the filter of its table, whatever stands around and inside it.
mod with_the_engine {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::answer::Verdict;
    use crate::engine::{Checksum, Engine, RxFrame};
    use crate::lease;
    use crate::types::{Instant, MacAddr, ip6};

    const LEASES: &str = include_str!("../../../../tests/support/leases.toml");

    fn table() -> Arc<LeaseTable> {
        Arc::new(lease::load("leases.toml", LEASES.into()).expect("valid leases").table)
    }

    /// A frame of the port `01` of the leases, which is on an untagged network with a gateway.
    fn base(kind: u8, own: &[[u8; 16]], pick: usize, group: bool) -> Vec<u8> {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
        let source = ip6::link_local(mac).octets();
        let to = own[pick % own.len()];
        let solicited = ip6::solicited_node(to.into()).octets();
        let builder =
            |to, hops| PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0, 0, 0, 2]).ipv6(source, to, hops);
        let option = [&[1, 1][..], &mac.0].concat();
        let mut frame = Vec::new();
        let icmp = |to, kind, body: &[u8], frame: &mut Vec<u8>| {
            builder(to, 255).icmpv6_raw(kind, 0, [0; 4]).write(frame, body).expect("room");
        };
        match kind {
            0 => icmp(ALL_ROUTERS, 133, &option, &mut frame),
            1 => icmp(if group { solicited } else { to }, 135, &[&to[..], &option].concat(), &mut frame),
            2 => icmp(to, 128, b"ping", &mut frame),
            3 => builder(to, 64).tcp(40_000, 80, 1, 1).write(&mut frame, b"").expect("room"),
            _ => {
                let client = [&[0, 1, 0, 10, 0, 3, 0, 1][..], &mac.0].concat();
                let ia = [0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
                let message =
                    [&[if group { 1 } else { 11 }, 1, 2, 3][..], &client, if group { &ia } else { &[] }];
                builder(ALL_SERVERS, 1).udp(546, 547).write(&mut frame, &message.concat()).expect("room");
            }
        }
        frame
    }

    fn answered(engine: &mut Engine, octets: &[u8]) -> bool {
        let (checksum, length) = (Checksum::Verified, octets.len());
        let frame = RxFrame { device: 1, vlan: 0, checksum, length, octets };
        matches!(engine.frame(Instant(0), frame, &mut [0; 2048]), Verdict::Answer { .. } | Verdict::Metadata)
    }

    #[test]
    fn every_plain_frame_is_answered() {
        let table = table();
        let mut engine = Engine::new(Arc::clone(&table), 0);
        let own = table.networks().find(|n| n.name() == "stateful").expect("there").own_addresses().to_vec();
        for (kind, pick, group) in (0..5).flat_map(|k| [(k, 0, true), (k, 1, false), (k, 2, true)]) {
            let pick = if kind == 3 { own.iter().position(|a| *a == METADATA).expect("there") } else { pick };
            assert!(answered(&mut engine, &base(kind, &own, pick, group)), "{kind} {pick} {group}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_the_engine_answers_passes(
            kind in 0_u8..5,
            pick in 0_usize..8,
            group: bool,
            chain in prop::collection::vec((prop::sample::select(vec![0_u8, 43, 44, 60]), 1_usize..4), 0..5),
            tag in prop::option::of(prop::sample::select(vec![0x8100_u16, 0x88a8])),
            changes in prop::collection::vec((12_usize..120, any::<u8>()), 0..3),
        ) {
            let table = table();
            let own = table.networks().find(|n| n.name() == "stateful").expect("there").own_addresses().to_vec();
            let plain = base(kind, &own, pick, group);
            let length = |(kind, units): &(u8, usize)| (*kind, if *kind == 44 { 8 } else { units * 8 });
            let mut frame = extended(&plain, &chain.iter().map(length).collect::<Vec<_>>());
            if let Some(tpid) = tag {
                frame = tagged(&frame, tpid);
                frame[14..16].copy_from_slice(&[0, 0]);
            }
            for (at, octet) in changes {
                if let Some(place) = frame.get_mut(at) {
                    *place = octet;
                }
            }
            let mut engine = Engine::new(Arc::clone(&table), 0);
            if answered(&mut engine, &frame) {
                prop_assert!(run(&Filter::for_table(&table), &frame));
            }
        }
    }
}

/// What answers to many guests pass, and nothing of others.
#[test]
fn answers_pass_to_the_guests_of_a_tool_only() {
    let heads = |heads: &[u32]| Filter::for_answers(&heads.iter().copied().collect());
    let to = |mac: [u8; 6], frame: Vec<u8>| [&mac[..], frame.get(6..).expect("a frame")].concat();
    let (own, other) = ([2, 0xfd, 0, 0, 9, 9], [2, 0xfd, 0, 1, 9, 9]);
    let filter = heads(&[0x02fd_0000, 0x02fe_0000]);
    for frame in
        [icmp(GUEST, 134, &[0; 8]), icmp(GUEST, 135, &GUEST), icmp(GUEST, 136, &ROUTER), udp(GUEST, 546)]
    {
        assert!(run(&filter, &to(own, frame.clone())));
        assert!(run(&filter, &tagged(&to(own, frame.clone()), 0x8100)));
        assert!(run(&filter, &to([0x33, 0x33, 0, 0, 0, 1], frame.clone())), "a group");
        assert!(!run(&filter, &to(other, frame.clone())));
        let everybody: Vec<u32> = (0..=MAX_ENDINGS as u32).collect();
        assert!(run(&heads(&everybody), &to(other, frame)), "too many to compare");
    }
    assert!(run(&filter, &to(own, udp(GUEST, 547))), "to a relay");
    for frame in [icmp(GUEST, 133, &[]), icmp(GUEST, 128, b"ping"), udp(GUEST, 53), tcp(GUEST, 80)] {
        assert!(!run(&filter, &to(own, frame)));
    }
}
