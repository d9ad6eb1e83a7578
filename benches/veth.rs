//! Answered frames per second over a veth pair: the engine beside a bare responder that only swaps addresses, on the
//! same ring path, alternately, in one run.
//!
//! The generator sends Router Solicitations of 1 000 guests in a closed loop: never more than a window of them without
//! an answer. It has one thread and the packet thread has another, so two idle processors are needed for figures that
//! mean something. Runs in a network namespace of its own; `cargo bench --bench veth`. Without `--bench` (as
//! `cargo test --benches` runs it) each side has one short turn, and only whether answers come is judged.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk::engine::Engine;
use frontdesk::io::bare::Bare;
use frontdesk::io::packet::{BATCH, Filter, Front, Port, PortOptions, Socket};
use frontdesk::io::worker::Worker;
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::MacAddr;

const INSIDE: &str = "FRONTDESK_BENCH_NAMESPACE";
const HOST: &str = "desk0";
const GUEST: &str = "guest0";
const GUESTS: u32 = 1000;
const ROUTER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);

/// Solicitations that may wait for their answers.
const WINDOW: usize = 512;
/// Without an answer for so long, what is on its way counts as lost.
const LOST: Duration = Duration::from_millis(50);

struct Plan {
    turns: usize,
    warm: Duration,
    turn: Duration,
}

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        return enter_namespace();
    }
    let full = std::env::args().any(|argument| argument == "--bench");
    let plan = if full {
        Plan { turns: 7, warm: Duration::from_millis(200), turn: Duration::from_millis(1500) }
    } else {
        Plan { turns: 1, warm: Duration::from_millis(10), turn: Duration::from_millis(50) }
    };
    let (host, guest) = cable();
    let table = Arc::new(lease::load("generated", leases().into_bytes()).expect("valid leases").table);
    let (mut bare, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..plan.turns {
        bare.push(turn(&plan, host, guest, &table, |_| start_bare()));
        engine.push(turn(&plan, host, guest, &table, start_engine));
    }
    let (bare, engine) = (Summary::of(&bare), Summary::of(&engine));
    println!("responder  answered/s (median, min, max)      CPU ns/answer  lost");
    bare.print("bare");
    engine.print("engine");
    println!("engine / bare: {:.1} %", 100.0 * engine.rate / bare.rate);
    ExitCode::from(u8::from(bare.rate == 0.0 || engine.rate == 0.0))
}

fn enter_namespace() -> ExitCode {
    let forbidden =
        |flags: &&str| Command::new("unshare").args([flags, "true"]).status().is_ok_and(|s| s.success());
    let Some(flags) = ["-n", "-Urn"].into_iter().find(forbidden) else {
        eprintln!("network namespaces are forbidden here: nothing was measured");
        return ExitCode::from(u8::from(std::env::var("CI").as_deref() == Ok("true")));
    };
    let program = std::env::current_exe().expect("the bench's path");
    let error = Command::new("unshare")
        .arg(flags)
        .arg(program)
        .args(std::env::args().skip(1))
        .env(INSIDE, "1")
        .exec();
    eprintln!("unshare: {error}");
    ExitCode::FAILURE
}

fn cable() -> (u32, u32) {
    ip(&format!("link add {HOST} type veth peer name {GUEST}"));
    for end in [HOST, GUEST] {
        std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1").expect("sysctl");
        ip(&format!("link set {end} up"));
    }
    (index(HOST), index(GUEST))
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn index(device: &str) -> u32 {
    let text = ip(&format!("-o link show dev {device}"));
    text.split(':').next().and_then(|number| number.parse().ok()).expect("a number")
}

fn leases() -> String {
    let network = format!(
        "version = 1\n[server]\ncloud = \"bench\"\n[networks.one]\nrouter = {{ mac_address = \"{ROUTER}\" }}\n\
         [[networks.one.subnets]]\ncidr = \"2001:db8:7::/64\"\nipv6_ra_mode = \"slaac\"\nipv6_address_mode = \"slaac\"\n"
    );
    let port = |n| format!("[[ports]]\nmac_address = \"{}\"\nnetwork = \"one\"\n", mac(n));
    (0..GUESTS).fold(network, |text, n| text + &port(n))
}

fn mac(guest: u32) -> MacAddr {
    let [_, a, b, c] = guest.to_be_bytes();
    MacAddr([0xfa, 0x16, 0x3e, a, b, c])
}

/// A Router Solicitation with the guest's link-layer address, written by a library that is not ours.
fn solicitation(guest: u32) -> Vec<u8> {
    let mac = mac(guest);
    let mut source = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    source[8..].copy_from_slice(&mac.eui64());
    let routers = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let option = [&[1, 1][..], &mac.0].concat();
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2(mac.0, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(source, routers, 255)
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut frame, &option)
        .expect("room");
    frame
}

fn start_bare() -> Worker {
    Worker::start(Bare::new(ROUTER), || {}).expect("worker")
}

fn start_engine(table: &Arc<LeaseTable>) -> Worker {
    Worker::start(Engine::new(Arc::clone(table), 1), || {}).expect("worker")
}

struct Outcome {
    /// Answers per second.
    rate: f64,
    /// Processor time of the packet thread per answer, in nanoseconds.
    cost: f64,
    lost: u64,
}

fn turn(
    plan: &Plan,
    host: u32,
    guest: u32,
    table: &Arc<LeaseTable>,
    start: impl Fn(&Arc<LeaseTable>) -> Worker,
) -> Outcome {
    let worker = start(table);
    let options = PortOptions { slots: 4096, promiscuous: false };
    let port = Port::open(host, options, &Filter::for_table(table)).expect("port");
    worker.attach(port, HOST, ROUTER).expect("running");
    let ear = Port::open(guest, options, &Filter::for_any_address()).expect("port");
    let mut generator = Generator::new(ear);
    generator.run(plan.warm);
    let before = worker.report().expect("running").processor;
    let (answered, lost) = generator.run(plan.turn);
    let spent = worker.report().expect("running").processor - before;
    let answers = answered as f64;
    Outcome {
        rate: answers / plan.turn.as_secs_f64(),
        cost: spent.as_nanos() as f64 / answers.max(1.0),
        lost,
    }
}

struct Generator {
    frames: Vec<Vec<u8>>,
    next: usize,
    port: Port,
    socket: Arc<Socket>,
}

impl Generator {
    fn new(port: Port) -> Self {
        let socket = Arc::clone(port.socket());
        Self { frames: (0..GUESTS).map(solicitation).collect(), next: 0, port, socket }
    }

    /// Sends and counts answers for `span`: answers, and solicitations without one.
    fn run(&mut self, span: Duration) -> (u64, u64) {
        let start = Instant::now();
        let (mut answered, mut lost, mut waiting) = (0, 0, 0_usize);
        let mut last = start;
        while start.elapsed() < span {
            if waiting + BATCH <= WINDOW {
                waiting += self.send();
            }
            let heard = self.hear();
            if heard > 0 {
                last = Instant::now();
                answered += heard as u64;
                waiting = waiting.saturating_sub(heard);
            } else if last.elapsed() > LOST {
                lost += waiting as u64;
                waiting = 0;
                last = Instant::now();
            } else {
                std::thread::yield_now();
            }
        }
        (answered, lost)
    }

    fn send(&mut self) -> usize {
        let frames = &self.frames;
        let batch: [&[u8]; BATCH] =
            std::array::from_fn(|n| frames[(self.next + n) % frames.len()].as_slice());
        self.next = (self.next + BATCH) % frames.len();
        usize::try_from(self.socket.send(&batch).sent).unwrap_or(0)
    }

    fn hear(&mut self) -> usize {
        let mut heard = 0;
        while let Some(front) = self.port.front() {
            heard += usize::from(matches!(front, Front::Frame(_)));
            self.port.release();
        }
        heard
    }
}

struct Summary {
    rate: f64,
    range: (f64, f64),
    cost: f64,
    lost: u64,
}

impl Summary {
    fn of(outcomes: &[Outcome]) -> Self {
        let sorted = |value: fn(&Outcome) -> f64| {
            let mut all: Vec<f64> = outcomes.iter().map(value).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let (rates, costs) = (sorted(|o| o.rate), sorted(|o| o.cost));
        let middle = outcomes.len() / 2;
        Self {
            rate: rates[middle],
            range: (rates[0], rates[outcomes.len() - 1]),
            cost: costs[middle],
            lost: outcomes.iter().map(|o| o.lost).sum(),
        }
    }

    fn print(&self, name: &str) {
        let Self { rate, range: (least, most), cost, lost } = self;
        println!("{name:<9} {rate:>12.0} {least:>12.0} {most:>12.0} {cost:>14.0} {lost:>5}");
    }
}
