//! The engine's whole call as the table grows: 1 000 to 1 000 000 ports, guests in no order, so that neither
//! the table nor the frames stay in the processor's caches; and no allocation at any size.
//!
//! `cargo bench --bench ports`. What a look-up alone takes is in `--bench table`, what each answer takes in `--bench
//! answer`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frontdesk::answer::Verdict;
use frontdesk::daemon::pair;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::io::bench::{Crowd, Duids, LinkLocals};
use frontdesk::io::memory;
use frontdesk::lease;
use frontdesk::types::{Instant, MacAddr, ip6, limits::MAX_FRAME};

const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Frames shown in turn: more than the caches nearest to the processor hold.
const FRAMES: u32 = 4096;

/// An odd number: multiples of it visit ports without order.
const STRIDE: u32 = 0x9e37_79b1;

fn crowd(base: [u8; 6], count: u32) -> Crowd {
    Crowd::new(MacAddr(base), count, LinkLocals::Eui64, Duids::LinkLayer).expect("a range")
}

fn engine(ports: u32) -> (Engine, Crowd) {
    let guests = crowd([2, 0xfd, 0, 0, 0, 0], ports);
    let source = pair::leases((0..ports).map(|guest| guests.mac(guest)));
    let table = lease::load("generated", source.into_bytes()).expect("valid leases").table;
    // As `run` does.
    lease::file::sections(&table).into_iter().for_each(memory::use_large_pages);
    let mut engine = Engine::new(Arc::new(table), 1);
    engine.attach(1, pair::DEVICE, MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
    (engine, guests)
}

fn ethernet(
    mac: MacAddr,
    to: std::net::Ipv6Addr,
    hops: u8,
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    let own = ip6::link_local(mac).octets();
    etherparse::PacketBuilder::ethernet2(mac.0, ip6::group_mac(to).0).ipv6(own, to.octets(), hops)
}

fn solicitation(mac: MacAddr) -> Vec<u8> {
    let mut frame = Vec::new();
    let option = [&[1, 1][..], &mac.0].concat();
    let step = ethernet(mac, ip6::ALL_ROUTERS, 255).icmpv6_raw(133, 0, [0; 4]);
    step.write(&mut frame, &option).expect("room");
    frame
}

/// Multicast DNS: what most of a bridge's multicast is.
fn foreign(mac: MacAddr) -> Vec<u8> {
    let mut frame = Vec::new();
    let group = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    ethernet(mac, group, 255).udp(5353, 5353).write(&mut frame, &[0; 64]).expect("room");
    frame
}

fn show(engine: &mut Engine, frame: &[u8], out: &mut [u8]) -> Verdict {
    let (checksum, length) = (Checksum::Unknown, frame.len());
    engine.frame(Instant(1), RxFrame { device: 1, vlan: 0, checksum, length, octets: frame }, out)
}

fn ports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ports");
    group.throughput(Throughput::Elements(1));
    let mut out = vec![0; MAX_FRAME];
    for ports in SIZES {
        let (mut engine, guests) = engine(ports);
        let strangers = crowd([2, 0xfc, 0, 0, 0, 0], ports);
        let pick = |n: u32| n.wrapping_mul(STRIDE) % ports;
        let of = |crowd: &Crowd, write: fn(MacAddr) -> Vec<u8>| -> Vec<Vec<u8>> {
            (0..FRAMES).map(|n| write(crowd.mac(pick(n)))).collect()
        };
        for (name, frames, answered) in [
            ("rs-ra", of(&guests, solicitation), true),
            ("unknown-mac", of(&strangers, solicitation), false),
            ("foreign", of(&guests, foreign), false),
        ] {
            // The first time each is heard, timers of unsolicited RAs are set: their heap may grow.
            for frame in &frames {
                let verdict = show(&mut engine, frame, &mut out);
                assert_eq!(matches!(verdict, Verdict::Answer { .. }), answered, "{name}: {verdict:?}");
            }
            let allocations = allocation_counter::measure(|| {
                for frame in &frames {
                    black_box(show(&mut engine, frame, &mut out));
                }
            });
            assert_eq!(allocations.count_total, 0, "{name} allocates with {ports} ports");
            let mut next = frames.iter().cycle();
            group.bench_function(BenchmarkId::new(name, ports), |bencher| {
                bencher.iter(|| {
                    next.next().map(|frame| show(&mut engine, black_box(frame), black_box(&mut out)))
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = ports
}
criterion_main!(benches);
