//! A metadata request from a guest's frame to the last octet of its document, without a kernel in between: the engine, the
//! guest's own TCP stack, hyper and the documents of the lease, asked by smoltcp's own client over one connection that is
//! kept. Time and allocations, of Frontdesk's part and of both ends together.
//!
//! `cargo bench --bench request`. What a whole hypervisor does with threads, sockets and a bridge is measured by
//! `benches/metadata.sh`.

#[path = "request/client.rs"]
mod client;
#[path = "request/server.rs"]
mod server;

use std::time::Duration;

use client::Client;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use server::Server;

/// Octets of the document.
const DOCUMENT: usize = 2048;

/// A request is a handful of frames; one that takes more turns than this waits for something that does not come.
const MAX_TURNS: usize = 1000;

/// What one request took of Frontdesk.
#[derive(Default)]
struct Cost {
    time: Duration,
    allocations: u64,
    octets: u64,
}

/// Carries frames both ways until the whole answer has come.
fn request(client: &mut Client, server: &mut Server, count: bool) -> Cost {
    let mut cost = Cost::default();
    client.ask();
    for _ in 0..MAX_TURNS {
        let frames = client.frames();
        let started = std::time::Instant::now();
        if count {
            let info = allocation_counter::measure(|| server.turn(frames));
            cost.allocations += info.count_total;
            cost.octets += info.bytes_total;
        } else {
            server.turn(frames);
        }
        cost.time += started.elapsed();
        server.hand_over(|frame| client.receive(frame));
        if client.answered() {
            return cost;
        }
    }
    panic!("no answer");
}

fn requests(criterion: &mut Criterion) {
    let mut server = Server::new();
    let mut client = Client::new();
    let body = client.open(&mut server);
    assert_eq!(body, [b'x'; DOCUMENT], "the document is the lease's");
    for _ in 0..100 {
        request(&mut client, &mut server, false);
    }
    let rounds = 100;
    let sum = (0..rounds)
        .map(|_| request(&mut client, &mut server, true))
        .fold((0, 0), |sum, cost| (sum.0 + cost.allocations, sum.1 + cost.octets));
    println!("a GET of {DOCUMENT} octets allocates {} times, {} octets", sum.0 / rounds, sum.1 / rounds);
    let mut group = criterion.benchmark_group("request");
    group.throughput(Throughput::Elements(1));
    group.bench_function("server", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| request(&mut client, &mut server, false).time).sum());
    });
    group.bench_function("both-ends", |bencher| bencher.iter(|| request(&mut client, &mut server, false)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = requests
}
criterion_main!(benches);
