//! What attached devices cost: `frontdesk run` with 1, 10, 100 and 1 000 of them, and beside it the other design, one packet
//! socket for all devices, with the same engine and the same 1 000 guests.
//!
//! | column | is |
//! |---|---|
//! | ready | from the start of the process until all devices are attached (`READY=1`), in ms; of the socket until it is bound |
//! | RSS, rings | resident memory, and the part of it that is receive rings, in MiB; of the socket its receive buffer |
//! | one more | from the moment that a further device is up until its guest has an RA, in ms |
//! | wake-ups, RAs | per second while no guest asks: threads woken, and unsolicited RAs sent (more of them in the first minute) |
//! | answers/s, CPU ns | solicitations in a closed loop, one after the other over all devices, and the server's time for each |
//!
//! Then one guest floods and another one asks: how much of the quiet one's solicitations is lost, by either design.
//!
//! Runs in namespaces of its own: `cargo bench --bench devices`, or `… -- --devices 1,100` for other numbers. Without
//! `--bench` a short run with 1 and 4.

mod any;
mod flood;
mod lan;
mod process;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use any::AnyDevice;
use frontdesk::io::child::Server;
use lan::{Ear, GUESTS, Lan, Mouth, late_tap, tap};
use support::{Middle, dataplane, mac, spent};

/// Solicitations that wait for their answers.
const WINDOW: usize = 64;
/// Without an answer for so long, what is on its way counts as lost.
const LOST: Duration = Duration::from_millis(50);
/// Devices that are plugged in while Frontdesk runs, one after the other.
const LATE: usize = 5;
/// How long the guest of such a device waits for an RA.
const PATIENCE: Duration = Duration::from_secs(10);

struct Plan {
    devices: Vec<usize>,
    warm: Duration,
    turns: usize,
    turn: Duration,
    idle: Duration,
    flood: Duration,
}

impl Plan {
    fn new() -> Self {
        let arguments: Vec<String> = std::env::args().collect();
        let numbers = arguments.iter().position(|a| a == "--devices").and_then(|at| arguments.get(at + 1));
        let numbers = numbers.map(|list| {
            list.split(',').map(|n| n.parse().expect("--devices NUMBER[,NUMBER…]")).collect::<Vec<usize>>()
        });
        let milliseconds = Duration::from_millis;
        if support::is_measured() {
            let [warm, turn, idle, flood] = [300, 700, 17_000, 3000].map(milliseconds);
            let devices = numbers.unwrap_or_else(|| vec![1, 10, 100, 1000]);
            Self { devices, warm, turns: 3, turn, idle, flood }
        } else {
            let [warm, turn, idle, flood] = [10, 50, 50, 100].map(milliseconds);
            Self { devices: numbers.unwrap_or_else(|| vec![1, 4]), warm, turns: 1, turn, idle, flood }
        }
    }
}

fn main() -> ExitCode {
    if let Err(code) = support::isolate() {
        return code;
    }
    let plan = Plan::new();
    let mut lan = Lan::new();
    println!(
        "design  devices  ready ms  RSS MiB  rings MiB  one more ms  wake-ups/s  RAs/s  answers/s  CPU ns/answer  lost"
    );
    let (mut good, mut floods) = (true, Vec::new());
    for devices in plan.devices.clone() {
        lan.grow(devices);
        let leases = leases(devices);
        for rate in [rings(&lan, &plan, devices, &leases), shared(&lan, &plan, devices, &leases)] {
            good &= rate > 0.0;
        }
        if devices > 1 {
            floods.push((devices, leases));
        }
    }
    println!("\ndesign  devices  flood/s  quiet guest asked  lost  lost %  answered after ms (median, max)");
    for (devices, leases) in floods {
        // Devices beyond these are there and silent, for both.
        let server = dataplane(&leases, &patterns(devices));
        print_flood("rings", devices, &flood::run(&lan, plan.flood));
        drop(server);
        let server = AnyDevice::start(&leases, attached(&lan, devices));
        print_flood("shared", devices, &flood::run(&lan, plan.flood));
        drop(server);
    }
    ExitCode::from(u8::from(!good))
}

fn device_of(guest: u32, devices: usize) -> String {
    tap(guest as usize % devices)
}

/// The guests spread over the devices, and one for each device that comes late.
fn leases(devices: usize) -> String {
    let late = (0..LATE).map(late_tap);
    support::leases((0..GUESTS).map(|guest| device_of(guest, devices)).chain(late).map(Some))
}

/// Patterns for the first so many devices, and those that come late.
fn patterns(devices: usize) -> String {
    let names = (0..devices).map(tap).chain((0..LATE).map(late_tap));
    names.collect::<Vec<_>>().join(",")
}

fn attached(lan: &Lan, devices: usize) -> Vec<(u32, String)> {
    lan.ports.iter().copied().zip((0..devices).map(tap)).collect()
}

/// Frontdesk as it is: a socket and a ring for each device. Answers per second.
fn rings(lan: &Lan, plan: &Plan, devices: usize, leases: &str) -> f64 {
    let started = Instant::now();
    let server = dataplane(leases, &patterns(devices));
    let ready = started.elapsed().as_secs_f64() * 1000.0;
    let pid = server.id();
    let loops = closed_loop(lan, plan, devices, || spent(pid));
    let (resident, rings) = process::memory(pid);
    let (wakes, advertised) = idle(lan, plan.idle, pid);
    let late = Middle::of((0..LATE).map(|number| plug(lan, number)));
    println!(
        "rings   {devices:>7} {ready:>9.1} {resident:>8.1} {rings:>10.1} {:>12.1} {wakes:>11.1} {advertised:>6.1} {loops}",
        late.median
    );
    told(&server, devices);
    loops.rate.median
}

/// The other design. Answers per second.
fn shared(lan: &Lan, plan: &Plan, devices: usize, leases: &str) -> f64 {
    let devices_of_it = attached(lan, devices);
    let started = Instant::now();
    let server = AnyDevice::start(leases, devices_of_it);
    let ready = started.elapsed().as_secs_f64() * 1000.0;
    let loops = closed_loop(lan, plan, devices, || server.spent());
    let room = server.room();
    println!("shared  {devices:>7} {ready:>9.1} {0:>8} {room:>10.1} {0:>12} {0:>11} {0:>6} {loops}", "-");
    loops.rate.median
}

/// Every device was attached, and said so.
fn told(server: &Server, devices: usize) {
    let output = server.output();
    let attached = output.lines().filter(|line| line.contains(" attached")).count();
    assert!(attached >= devices, "{attached} of {devices} devices were attached:\n{output}");
}

struct Loops {
    rate: Middle,
    cost: Middle,
    lost: u64,
}

impl std::fmt::Display for Loops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>10.0} {:>14.0} {:>5}", self.rate.median, self.cost.median, self.lost)
    }
}

fn closed_loop(lan: &Lan, plan: &Plan, devices: usize, spent: impl Fn() -> Duration + Sync) -> Loops {
    let turns: Vec<(f64, f64, u64)> = lan.inside(|| {
        let mut mouth = Mouth::new((0..GUESTS).map(|guest| (guest, device_of(guest, devices))));
        let mut ear = Ear::new(0);
        play(&mut mouth, &mut ear, plan.warm);
        let turn = |_| {
            let before = spent();
            let (answered, lost) = play(&mut mouth, &mut ear, plan.turn);
            let cost = (spent() - before).as_nanos() as f64 / answered.max(1) as f64;
            (answered as f64 / plan.turn.as_secs_f64(), cost, lost)
        };
        (0..plan.turns).map(turn).collect()
    });
    Loops {
        rate: Middle::of(turns.iter().map(|turn| turn.0)),
        cost: Middle::of(turns.iter().map(|turn| turn.1)),
        lost: turns.iter().map(|turn| turn.2).sum(),
    }
}

/// Solicits in a closed loop: answers, and solicitations without one.
fn play(mouth: &mut Mouth, ear: &mut Ear, span: Duration) -> (u64, u64) {
    let start = Instant::now();
    let (mut answered, mut lost, mut waiting) = (0, 0, 0_usize);
    let mut last = start;
    while start.elapsed() < span {
        // Half a window at once: whoever sends single frames measures system calls.
        if waiting <= WINDOW / 2 {
            waiting += mouth.send(WINDOW / 2);
        }
        let heard = ear.empty();
        if heard > 0 {
            last = Instant::now();
            answered += heard as u64;
            waiting = waiting.saturating_sub(heard);
        } else if last.elapsed() > LOST {
            lost += waiting as u64;
            waiting = 0;
            last = Instant::now();
        } else {
            thread::yield_now();
        }
    }
    (answered, lost)
}

/// Wake-ups and unsolicited RAs per second while no guest asks.
fn idle(lan: &Lan, span: Duration, pid: u32) -> (f64, f64) {
    lan.inside(|| {
        let mut ear = Ear::new(0);
        let (before, start) = (process::sleeps(pid), Instant::now());
        let mut heard = 0;
        while start.elapsed() < span {
            thread::sleep(span / 20);
            heard += ear.empty();
        }
        let took = start.elapsed().as_secs_f64();
        ((process::sleeps(pid) - before) / took, heard as f64 / took)
    })
}

/// Plugs a device in; the milliseconds until its guest has an RA.
fn plug(lan: &Lan, number: usize) -> f64 {
    let (name, guest) = (late_tap(number), GUESTS + number as u32);
    let port = lan.plug(&name);
    let up = Instant::now();
    let time = lan.inside(|| {
        let (mut mouth, mut ear) = (Mouth::new([(guest, name)].into_iter()), Ear::new(0));
        while up.elapsed() < PATIENCE {
            mouth.send(1);
            let sent = Instant::now();
            while sent.elapsed() < Duration::from_millis(1) {
                if std::iter::from_fn(|| ear.next()).any(|heard| heard == guest) {
                    return up.elapsed();
                }
                thread::yield_now();
            }
        }
        panic!("no RA for {} on a device that came late", mac(guest));
    });
    lan.unplug(port);
    time.as_secs_f64() * 1000.0
}

fn print_flood(design: &str, devices: usize, outcome: &flood::Outcome) {
    let flood::Outcome { flood, asked, lost, time } = outcome;
    let share = 100.0 * *lost as f64 / (*asked).max(1) as f64;
    println!(
        "{design:<7} {devices:>7} {flood:>8.0} {asked:>18} {lost:>5} {share:>7.1} {:>15.2} {:>8.2}",
        time.median, time.most
    );
}
