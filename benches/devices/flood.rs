//! One guest floods, another asks now and then: what becomes of its solicitations.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use frontdesk::io::packet::BATCH;

use crate::lan::{Ear, Lan, Mouth, end_of, tap};
use crate::support::Middle;

/// Between two solicitations of the quiet guest.
const PAUSE: Duration = Duration::from_millis(5);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(100);

/// The quiet guest and the one that floods, each on the device of its number.
const QUIET: u32 = 0;
const FLOODING: u32 = 1;

pub(crate) struct Outcome {
    /// Solicitations of the flood per second.
    pub(crate) flood: f64,
    pub(crate) asked: usize,
    pub(crate) lost: usize,
    /// Milliseconds until the quiet guest was answered, of those that were.
    pub(crate) time: Middle,
}

pub(crate) fn run(lan: &Lan, span: Duration) -> Outcome {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            lan.inside(|| {
                let mut mouth = Mouth::new([(FLOODING, tap(FLOODING as usize))].into_iter());
                let (start, mut sent) = (Instant::now(), 0);
                while !done.load(Ordering::Relaxed) {
                    sent += mouth.send(BATCH);
                }
                sent as f64 / start.elapsed().as_secs_f64()
            })
        });
        let (asked, times) = lan.inside(|| ask(span));
        done.store(true, Ordering::Relaxed);
        let flood = flood.join().expect("the flood");
        Outcome { flood, asked, lost: asked - times.len(), time: Middle::of(times) }
    })
}

/// How often the quiet guest asked, and the times of the answers.
fn ask(span: Duration) -> (usize, Vec<f64>) {
    let name = tap(QUIET as usize);
    let device = nix::net::if_::if_nametoindex(end_of(&name).as_str()).expect("its end");
    let (mut mouth, mut ear) = (Mouth::new([(QUIET, name)].into_iter()), Ear::new(device));
    let (start, mut asked, mut times) = (Instant::now(), 0, Vec::new());
    while start.elapsed() < span {
        ear.empty();
        let sent = Instant::now();
        mouth.send(1);
        asked += 1;
        while sent.elapsed() < PATIENCE {
            if ear.next() == Some(QUIET) {
                times.push(sent.elapsed().as_secs_f64() * 1000.0);
                break;
            }
            thread::sleep(Duration::from_micros(100));
        }
        thread::sleep(PAUSE);
    }
    (asked, times)
}
