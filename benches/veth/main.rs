//! Conversations per second over a veth pair: the engine beside a bare responder that only swaps addresses, on the same
//! ring path with the same frames, alternately, in one run.
//!
//! | conversation | is |
//! |---|---|
//! | `rs` | Router Solicitation, Router Advertisement |
//! | `solicit` | Solicit, Advertise with an address, a prefix and DNS |
//! | `exchange` | Solicit, Advertise, Request, Reply |
//!
//! The generator plays 1 000 guests in a closed loop: never more than a window of them are in a conversation. It has one
//! thread and the packet thread has another, so two idle processors are needed for figures that mean something. Each
//! responder has a cable of its own, and turns are short, so that what else the machine does meets both alike. They begin
//! when the first unsolicited RAs have gone out, which one who swaps addresses does not send. Runs in a network namespace
//! of its own; `cargo bench --bench veth`. Without `--bench` (as `cargo test --benches` runs it) each side has one short
//! turn, and only whether answers come is judged.

mod frames;
mod generator;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use frames::Conversation;
use frontdesk::engine::{Engine, Share};
use frontdesk::io::bare::Bare;
use frontdesk::io::netns::{Netlink, Netns};
use frontdesk::io::packet::{Filter, Port, PortOptions};
use frontdesk::io::worker::Worker;
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::MacAddr;
use generator::Generator;
use support::{Middle, ROUTER};

const GUESTS: u32 = 1000;

struct Plan {
    turns: usize,
    /// Before all turns: longer than guests wait at most for their first unsolicited RA.
    begin: Duration,
    /// Before each turn.
    warm: Duration,
    turn: Duration,
}

fn main() -> ExitCode {
    if let Err(code) = support::isolate() {
        return code;
    }
    let [begin, warm, turn] = match support::is_measured() {
        true => [700, 5, 100],
        false => [10, 1, 50],
    }
    .map(Duration::from_millis);
    let plan = Plan { turns: if support::is_measured() { 101 } else { 1 }, begin, warm, turn };
    let cables = [cable("desk0", "guest0"), cable("desk1", "guest1")];
    let leases = support::leases((0..GUESTS).map(|_| None));
    let table = Arc::new(lease::load("generated", leases.into_bytes()).expect("valid leases").table);
    println!("conversation  responder    a second (median, min, max)      CPU ns each  lost  wrong");
    let mut good = true;
    for conversation in Conversation::all(&table, GUESTS) {
        let (mut bare, mut engine) = (Vec::new(), Vec::new());
        let swapped = conversation.swapped();
        let [mut swapper, mut desk] = [
            Side::new(&cables[0], &table, &swapped, start_bare()),
            Side::new(&cables[1], &table, &conversation, start_engine(&table)),
        ];
        for side in [&mut swapper, &mut desk] {
            side.generator.run(plan.begin);
        }
        for round in 0..plan.turns {
            // Each goes first as often as the other: a machine that slows down slows down the second.
            for place in 0..2 {
                if (round + place) % 2 == 0 {
                    bare.push(swapper.turn(&plan));
                } else {
                    engine.push(desk.turn(&plan));
                }
            }
        }
        let of_pairs = |what: fn(&Outcome) -> f64| {
            Middle::of(engine.iter().zip(&bare).map(|(engine, bare)| 100.0 * what(engine) / what(bare)))
        };
        let (rate, cost) = (of_pairs(|turn| turn.rate), of_pairs(|turn| turn.cost));
        let name = conversation.name;
        let (bare, engine) = (Summary::of(&bare), Summary::of(&engine));
        bare.print(name, "bare");
        engine.print(name, "engine");
        println!(
            "{name:<13} engine / bare, median of {} pairs: rate {:.1} %, CPU {:.1} %",
            plan.turns, rate.median, cost.median
        );
        // What comes too late, on a machine that stalls, may be taken for a wrong answer to the next question.
        let right = engine.wrong == 0 || engine.lost > 0;
        good &= bare.rate.median > 0.0 && engine.rate.median > 0.0 && right;
    }
    ExitCode::from(u8::from(!good))
}

/// A cable: the name of the responder's end, and the numbers of both.
struct Cable {
    name: &'static str,
    host: u32,
    guest: u32,
}

fn cable(name: &'static str, peer: &str) -> Cable {
    let (netlink, here) = (Netlink::open().expect("netlink"), Netns::current().expect("a namespace"));
    let host = netlink.add_veth(name, peer, MacAddr([2, 0, 0, 0, 0, 2]), &here).expect("a cable");
    let guest = netlink.link(peer).expect("the other end").index;
    [host, guest].into_iter().for_each(|end| netlink.set_up(end).expect("up"));
    Cable { name, host, guest }
}

fn start_bare() -> Worker {
    Worker::start(Bare::new(ROUTER), || {}).expect("worker")
}

fn start_engine(table: &Arc<LeaseTable>) -> Worker {
    Worker::start(Engine::new(Arc::clone(table), 1), || {}).expect("worker")
}

struct Outcome {
    /// Conversations per second.
    rate: f64,
    /// Processor time of the packet thread for each, in nanoseconds.
    cost: f64,
    lost: u64,
    wrong: u64,
}

/// A responder on its cable, and the guests at the other end.
struct Side<'c> {
    worker: Worker,
    generator: Generator<'c>,
}

impl<'c> Side<'c> {
    fn new(cable: &Cable, table: &LeaseTable, conversation: &'c Conversation, worker: Worker) -> Self {
        let options = PortOptions { slots: 4096, promiscuous: false };
        let port = Port::open(cable.host, options, &Filter::for_table(table)).expect("port");
        worker.attach(port, cable.name, ROUTER, Share::WHOLE).expect("running");
        let ear = Port::open(cable.guest, options, &Filter::for_any_address()).expect("port");
        Self { worker, generator: Generator::new(ear, conversation) }
    }

    fn turn(&mut self, plan: &Plan) -> Outcome {
        self.generator.run(plan.warm);
        let before = self.worker.report().expect("running").processor;
        let heard = self.generator.run(plan.turn);
        let spent = self.worker.report().expect("running").processor - before;
        let complete = heard.complete as f64;
        Outcome {
            rate: complete / plan.turn.as_secs_f64(),
            cost: spent.as_nanos() as f64 / complete.max(1.0),
            lost: heard.lost,
            wrong: heard.wrong,
        }
    }
}

struct Summary {
    rate: Middle,
    cost: f64,
    lost: u64,
    wrong: u64,
}

impl Summary {
    fn of(outcomes: &[Outcome]) -> Self {
        Self {
            rate: Middle::of(outcomes.iter().map(|o| o.rate)),
            cost: Middle::of(outcomes.iter().map(|o| o.cost)).median,
            lost: outcomes.iter().map(|o| o.lost).sum(),
            wrong: outcomes.iter().map(|o| o.wrong).sum(),
        }
    }

    fn print(&self, conversation: &str, responder: &str) {
        let Self { rate: Middle { median, least, most }, cost, lost, wrong } = self;
        println!(
            "{conversation:<13} {responder:<9} {median:>10.0} {least:>10.0} {most:>10.0} {cost:>16.0} {lost:>5} {wrong:>6}"
        );
    }
}
