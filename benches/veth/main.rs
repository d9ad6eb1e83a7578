//! Conversations per second over a veth pair: the engine beside a bare responder that only swaps addresses, on the same
//! ring path with the same frames, alternately, in one run. An answer is longer than its question, and that costs time in
//! the kernel: so there is a second bare responder, whose answers are as long as the engine's.
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

use frames::{Conversation, Step};
use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame, Share};
use frontdesk::io::bare::Bare;
use frontdesk::io::netns::{Netlink, Netns};
use frontdesk::io::packet::{Filter, Port, PortOptions};
use frontdesk::io::responder::Responder;
use frontdesk::io::worker::Worker;
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::limits::MAX_FRAME;
use frontdesk::types::{Instant, MacAddr};
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
    let leases = support::leases((0..GUESTS).map(|_| None));
    let table = Arc::new(lease::load("generated", leases.into_bytes()).expect("valid leases").table);
    let cables = [["desk0", "guest0"], ["desk1", "guest1"], ["desk2", "guest2"]].map(cable);
    println!("conversation  responder    a second (median, min, max)      CPU ns each  lost  wrong");
    let mut good = true;
    for conversation in Conversation::all(&table, GUESTS) {
        let swapped = conversation.swapped();
        let least = shortest_answer(&table, &conversation);
        let [bare, long, desk] = &cables;
        let mut sides = [
            Side::new("bare", bare, &table, &swapped, Bare::new(ROUTER)),
            Side::new("as long", long, &table, &swapped, Bare::new(ROUTER).of_length(least)),
            Side::new("engine", desk, &table, &conversation, Engine::new(Arc::clone(&table), 1)),
        ];
        for side in &mut sides {
            side.generator.run(plan.begin);
        }
        for round in 0..plan.turns {
            // Each goes first as often as the others: a machine that slows down slows down those behind.
            for place in 0..sides.len() {
                let turn = (round + place) % sides.len();
                sides[turn].take_turn(&plan);
            }
        }
        let name = conversation.name;
        let [bare, long, engine] = &sides;
        sides.iter().for_each(|side| side.print(name));
        [bare, long].into_iter().for_each(|other| engine.print_beside(other, name));
        // What comes too late, on a machine that stalls, may be taken for a wrong answer to the next question.
        let right = engine.sum(|turn| turn.wrong) == 0 || engine.sum(|turn| turn.lost) > 0;
        good &= right && sides.iter().all(|side| side.middle(|turn| turn.rate).median > 0.0);
    }
    ExitCode::from(u8::from(!good))
}

/// A cable: the name of the responder's end, and the numbers of both.
struct Cable {
    name: &'static str,
    host: u32,
    guest: u32,
}

fn cable([name, peer]: [&'static str; 2]) -> Cable {
    let (netlink, here) = (Netlink::open().expect("netlink"), Netns::current().expect("a namespace"));
    let host = netlink.add_veth(name, peer, MacAddr([2, 0, 0, 0, 0, 2]), &here).expect("a cable");
    let guest = netlink.link(peer).expect("the other end").index;
    [host, guest].into_iter().for_each(|end| netlink.set_up(end).expect("up"));
    Cable { name, host, guest }
}

/// Octets of the engine's shortest answer in a conversation.
fn shortest_answer(table: &Arc<LeaseTable>, conversation: &Conversation) -> usize {
    let (device, vlan, checksum) = (1, 0, Checksum::Unknown);
    let mut engine = Engine::new(Arc::clone(table), 1);
    engine.attach(device, "desk", ROUTER, Instant(0));
    let answer = |step: &Step| {
        let octets = &step.frames[0][..];
        let frame = RxFrame { device, vlan, checksum, length: octets.len(), octets };
        match engine.frame(Instant(0), frame, &mut [0; MAX_FRAME]) {
            Verdict::Answer { length, .. } => length,
            verdict => panic!("{}: {verdict:?}", conversation.name),
        }
    };
    conversation.steps.iter().map(answer).min().expect("a step")
}

/// What came of one turn.
struct Turn {
    /// Conversations per second.
    rate: f64,
    /// Processor time of the packet thread for each, in nanoseconds.
    cost: f64,
    lost: u64,
    wrong: u64,
}

/// A responder on its cable, the guests at the other end, and what came of their turns.
struct Side<'c> {
    name: &'static str,
    worker: Worker,
    generator: Generator<'c>,
    turns: Vec<Turn>,
}

impl<'c> Side<'c> {
    fn new(
        name: &'static str,
        cable: &Cable,
        table: &LeaseTable,
        conversation: &'c Conversation,
        responder: impl Responder,
    ) -> Self {
        let options = PortOptions { slots: 4096, promiscuous: false };
        let port = Port::open(cable.host, options, &Filter::for_table(table)).expect("port");
        let worker = Worker::start(responder, || {}).expect("worker");
        worker.attach(port, cable.name, ROUTER, Share::WHOLE).expect("running");
        let ear = Port::open(cable.guest, options, &Filter::for_any_address()).expect("port");
        Self { name, worker, generator: Generator::new(ear, conversation), turns: Vec::new() }
    }

    fn take_turn(&mut self, plan: &Plan) {
        self.generator.run(plan.warm);
        let before = self.worker.report().expect("running").processor;
        let heard = self.generator.run(plan.turn);
        let spent = self.worker.report().expect("running").processor - before;
        let complete = heard.complete as f64;
        self.turns.push(Turn {
            rate: complete / plan.turn.as_secs_f64(),
            cost: spent.as_nanos() as f64 / complete.max(1.0),
            lost: heard.lost,
            wrong: heard.wrong,
        });
    }

    fn middle(&self, what: fn(&Turn) -> f64) -> Middle {
        Middle::of(self.turns.iter().map(what))
    }

    fn sum(&self, what: fn(&Turn) -> u64) -> u64 {
        self.turns.iter().map(what).sum()
    }

    fn print(&self, conversation: &str) {
        let Middle { median, least, most } = self.middle(|turn| turn.rate);
        let (name, cost) = (self.name, self.middle(|turn| turn.cost).median);
        let (lost, wrong) = (self.sum(|turn| turn.lost), self.sum(|turn| turn.wrong));
        println!(
            "{conversation:<13} {name:<9} {median:>10.0} {least:>10.0} {most:>10.0} {cost:>16.0} {lost:>5} {wrong:>6}"
        );
    }

    /// Prints how much of another's rate and processor time it has, turn beside turn.
    fn print_beside(&self, other: &Self, conversation: &str) {
        let percent = |what: fn(&Turn) -> f64| {
            let pairs = self.turns.iter().zip(&other.turns);
            Middle::of(pairs.map(|(own, other)| 100.0 * what(own) / what(other))).median
        };
        let (rate, cost) = (percent(|turn| turn.rate), percent(|turn| turn.cost));
        println!(
            "{conversation:<13} {} / {}, median of {} pairs: rate {rate:.1} %, CPU {cost:.1} %",
            self.name,
            other.name,
            self.turns.len()
        );
    }
}
