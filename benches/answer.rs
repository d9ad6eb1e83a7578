//! The pure function and the engine around it, per class of frame: time, and allocations (none).
//!
//! `cargo bench --bench answer`. Every frame is shown to the same engine call that the live worker makes.

#[path = "../tests/support/frames.rs"]
mod frames;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frames::{Guest, LEASES, ROUTER, client_id, ia_na, ia_pd, option, oro, server_id};
use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease;
use frontdesk::types::{Instant, MacAddr, limits::MAX_FRAME};

fn engine() -> Engine {
    let loaded = lease::load("leases.toml", LEASES.as_bytes().to_vec()).expect("the leases of the tests");
    let mut engine = Engine::new(Arc::new(loaded.table), 1);
    engine.attach(1, "tap1", MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
    engine
}

/// Name, frame and whether it is answered.
fn classes() -> Vec<(&'static str, Vec<u8>, bool)> {
    let guest = Guest::new(1);
    let client = client_id(&guest);
    let asked = oro(&[23, 24, 39, 56]);
    let both = [ia_na(1, &[]), ia_pd(1, &[])].concat();
    let own = ia_na(1, &["2001:db8:1::4"]);
    let dhcp = |kind, parts: &[&[u8]]| guest.dhcp(kind, &parts.concat());
    let stranger = Guest::new(0x99);
    vec![
        ("rs-ra", guest.rs(), true),
        ("ns-na", guest.ns(ROUTER), true),
        ("echo", guest.icmp(ROUTER, 64, 128, 0, &[0; 60]), true),
        ("solicit-advertise-na-pd", dhcp(1, &[&client, &both, &asked]), true),
        ("solicit-reply-rapid-commit", dhcp(1, &[&client, &option(14, &[]), &both, &asked]), true),
        ("request-reply", dhcp(3, &[&client, &server_id(), &both, &asked]), true),
        ("renew-reply", dhcp(5, &[&client, &server_id(), &own, &asked]), true),
        ("confirm-reply", dhcp(4, &[&client, &own]), true),
        ("release-reply", dhcp(8, &[&client, &server_id(), &own]), true),
        ("information-request", dhcp(11, &[&client, &asked]), true),
        ("unknown-mac", stranger.rs(), false),
        ("foreign-udp", guest.udp("2001:db8::1", 5353, 53, &[0; 64]), false),
        ("foreign-ns", guest.ns("2001:db8:1::77"), false),
    ]
}

fn show(engine: &mut Engine, frame: &[u8], checksum: Checksum, out: &mut [u8]) -> Verdict {
    let rx = RxFrame { device: 1, vlan: 0, checksum, length: frame.len(), octets: frame };
    engine.frame(Instant(1), rx, out)
}

fn answers(criterion: &mut Criterion) {
    let mut engine = engine();
    let mut out = vec![0; MAX_FRAME];
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(1));
    for (name, frame, answered) in classes() {
        let verdict = show(&mut engine, &frame, Checksum::Unknown, &mut out);
        assert_eq!(matches!(verdict, Verdict::Answer { .. }), answered, "{name}: {verdict:?}");
        let allocations = allocation_counter::measure(|| {
            black_box(show(&mut engine, black_box(&frame), Checksum::Unknown, &mut out));
        });
        assert_eq!(allocations.count_total, 0, "{name} allocates");
        group.bench_function(name, |bencher| {
            bencher.iter(|| show(&mut engine, black_box(&frame), Checksum::Unknown, black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, answers);
criterion_main!(benches);
