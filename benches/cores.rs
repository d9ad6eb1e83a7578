//! Answers per second against processors, without a kernel in between: 1 … N threads, each with an engine of its own on the
//! same table, answer the Router Solicitations and the Solicits of 1 000 guests.
//!
//! `cargo bench --bench cores`. What workers do over a cable, where the kernel's work and the load generator's need
//! processors too, says `frontdesk bench --pair --server-workers N`.

#[path = "../tests/support/frames.rs"]
mod frames;
#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use frames::{Guest, client_id, ia_na, ia_pd, oro};
use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::io::clock::thread_time;
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::{self, MacAddr, limits::MAX_FRAME};
use support::{Middle, mac};

const GUESTS: u32 = 1000;

fn main() -> ExitCode {
    let (turns, span) =
        if support::is_measured() { (5, Duration::from_millis(500)) } else { (1, Duration::from_millis(20)) };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let leases = support::leases((0..GUESTS).map(|_| None));
    let table = Arc::new(lease::load("generated", leases.into_bytes()).expect("valid leases").table);
    println!("frames   threads   answers/s (median, min, max)      to one thread's   CPU ns/answer");
    for (name, frames) in [("rs", all(&Guest::rs)), ("solicit", all(&solicit))] {
        let mut one = f64::NAN;
        for threads in 1..=processors {
            let all: Vec<Rate> = (0..turns).map(|_| turn(&table, &frames, threads, span)).collect();
            let rate = Middle::of(all.iter().map(|turn| turn.answers));
            let cost = Middle::of(all.iter().map(|turn| turn.cost)).median;
            if threads == 1 {
                one = rate.median;
            }
            println!(
                "{name:<8} {threads:>7} {:>11.0} {:>11.0} {:>11.0} {:>15.2} {cost:>15.0}",
                rate.median,
                rate.least,
                rate.most,
                rate.median / one
            );
        }
    }
    ExitCode::SUCCESS
}

fn all(write: &dyn Fn(&Guest) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..GUESTS).map(|guest| write(&Guest::with_mac(mac(guest).0))).collect()
}

fn solicit(guest: &Guest) -> Vec<u8> {
    guest.dhcp(1, &[client_id(guest), ia_na(1, &[]), ia_pd(2, &[]), oro(&[23, 24])].concat())
}

/// What threads do.
struct Rate {
    /// Answers per second.
    answers: f64,
    /// Processor time for each, in nanoseconds: more with more threads only where they are in each other's way, whatever
    /// else the machine does.
    cost: f64,
}

/// So many threads together.
fn turn(table: &Arc<LeaseTable>, frames: &[Vec<u8>], threads: usize, span: Duration) -> Rate {
    let begin = Barrier::new(threads);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| answer(table, frames, &begin, span))).collect();
        let rates: Vec<Rate> = all.into_iter().map(|thread| thread.join().expect("a thread")).collect();
        let cost = rates.iter().map(|rate| rate.cost).sum::<f64>() / threads as f64;
        Rate { answers: rates.iter().map(|rate| rate.answers).sum(), cost }
    })
}

fn answer(table: &Arc<LeaseTable>, frames: &[Vec<u8>], begin: &Barrier, span: Duration) -> Rate {
    let mut engine = Engine::new(Arc::clone(table), 1);
    engine.attach(1, "tap1", MacAddr([2, 0, 0, 0, 0, 1]), types::Instant(0));
    let mut out = vec![0; MAX_FRAME];
    begin.wait();
    let (start, before, mut answered) = (Instant::now(), thread_time(), 0_u64);
    while start.elapsed() < span {
        for frame in frames {
            let (checksum, length, octets) = (Checksum::Unknown, frame.len(), black_box(frame.as_slice()));
            let received = RxFrame { device: 1, vlan: 0, checksum, length, octets };
            let verdict = engine.frame(types::Instant(1), received, black_box(&mut out));
            answered += u64::from(matches!(verdict, Verdict::Answer { .. }));
        }
    }
    let (took, spent) = (start.elapsed(), thread_time() - before);
    let answered = answered as f64;
    Rate { answers: answered / took.as_secs_f64(), cost: spent.as_nanos() as f64 / answered }
}
