//! The Internet checksum by length, and frames that are not ours by kind: what most of a bridge's traffic costs where the
//! kernel's filter lets it pass. Time, and allocations (none).
//!
//! `cargo bench --bench wire`. Frames are shown to the same engine call that the live worker makes.

#[path = "../tests/support/frames.rs"]
mod frames;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use frames::{Guest, LEASES, ROUTER_MAC};
use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease;
use frontdesk::types::{Instant, MacAddr, ip6, limits::MAX_FRAME};
use frontdesk::wire::checksum;

/// An IPv6 header alone, a Neighbor Solicitation, a Solicit, what IPv6 carries everywhere, a full frame.
const LENGTHS: [usize; 6] = [40, 64, 128, 576, 1280, 1500];

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    let octets: Vec<u8> = (0..1500_u32).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect();
    let (source, destination) = (ip6::link_local(MacAddr(ROUTER_MAC)), ip6::ALL_ROUTERS);
    for length in LENGTHS {
        let message = &octets[..length];
        let sum = |message| checksum::upper_layer(source, destination, 17, message);
        assert_eq!(allocations(|| _ = black_box(sum(black_box(message)))), 0, "{length} octets");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| sum(black_box(message)));
        });
    }
    group.finish();
}

fn allocations(call: impl FnOnce()) -> u64 {
    allocation_counter::measure(call).count_total
}

/// What crosses a bridge and is none of our business.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    let guest = Guest::new(1);
    let to = |payload: usize, step: etherparse::PacketBuilderStep<etherparse::TcpHeader>| {
        let mut frame = Vec::new();
        step.write(&mut frame, &vec![0; payload]).expect("room");
        frame
    };
    let tcp4 = PacketBuilder::ethernet2(guest.mac, ROUTER_MAC).ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
    let mut arp = [&[0xff; 6][..], &guest.mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &guest.mac].concat();
    arp.resize(60, 0);
    let query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_http\x04_tcp\x05local\0\0\x0c\0\x01";
    let report = [&[0, 0, 0, 1, 4, 0, 0, 0][..], &frames::ip("ff02::fb").octets()].concat();
    vec![
        ("ipv4-tcp", to(1400, tcp4.tcp(40_000, 443, 1, 4096))),
        ("arp", arp),
        ("tcp-elsewhere-short", guest.tcp("2001:db8:77::1", 443, 16, 1, &[])),
        ("tcp-elsewhere-full", guest.tcp("2001:db8:77::1", 443, 16, 1, &[0; 1400])),
        ("quic-elsewhere", guest.udp("2001:db8:77::1", 40_000, 443, &[0; 1200])),
        ("mdns", guest.udp("ff02::fb", 5353, 5353, query)),
        ("foreign-ns", guest.ns("2001:db8:1::77")),
        ("foreign-na", guest.icmp("fe80::77", 255, 136, 0, &[&[0x60, 0, 0, 0][..], &[0xfe; 16]].concat())),
        ("mld-report", guest.icmp("ff02::16", 1, 143, 0, &report)),
        ("echo-elsewhere", guest.icmp("2001:db8:77::1", 64, 128, 0, &[0; 60])),
    ]
}

fn classify(criterion: &mut Criterion) {
    let loaded = lease::load("leases.toml", LEASES.as_bytes().to_vec()).expect("the leases of the tests");
    let mut engine = Engine::new(Arc::new(loaded.table), 1);
    engine.attach(1, "tap1", MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
    let mut out = vec![0; MAX_FRAME];
    let mut group = criterion.benchmark_group("foreign");
    group.throughput(Throughput::Elements(1));
    for (name, frame) in foreign() {
        let mut show = || {
            let (checksum, length, octets) = (Checksum::Unknown, frame.len(), black_box(frame.as_slice()));
            engine.frame(Instant(1), RxFrame { device: 1, vlan: 0, checksum, length, octets }, &mut out)
        };
        let verdict = show();
        assert!(!matches!(verdict, Verdict::Answer { .. } | Verdict::Metadata), "{name}: {verdict:?}");
        assert_eq!(allocations(|| _ = black_box(show())), 0, "{name} allocates");
        group.bench_function(name, |bencher| bencher.iter(&mut show));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(1200));
    targets = checksums, classify
}
criterion_main!(benches);
