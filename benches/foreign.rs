//! What Frontdesk costs those whose frames are not for it: a bridge of two guests that send each other TCP and multicast
//! DNS, with Frontdesk attached to both ports and without.
//!
//! Two figures. At a given rate of foreign frames, in turns with Frontdesk and without: how many arrive, the part of one
//! processor that Frontdesk uses, and whether a guest is answered meanwhile. As fast as they can be sent: frames that arrive per second and the sender's processor time for each,
//! in alternating turns without Frontdesk, with it, without it again (how far two equal turns are apart), and with a socket
//! that takes every frame, as tcpdump does, for scale. Frames are refused by the kernel's filter, in the time of whoever
//! sends them: so it is the sender's time that tells what the filter costs.
//!
//! Runs in namespaces of its own: `cargo bench --bench foreign`; `… -- --only nobody` and `… -- --only Frontdesk` have turns of
//! one kind alone, for a profiler. Without `--bench` one short turn of each.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use frontdesk::io::clock::thread_time;
use frontdesk::io::netns::{Netlink, Netns};
use frontdesk::io::packet::{BATCH, Filter, Port, PortOptions, Socket};
use frontdesk::types::ip6;
use support::{Middle, mac};

/// Foreign frames per second that Frontdesk must bear.
const RATE: u32 = 500_000;

/// Between two solicitations of the guest that is to be answered meanwhile, and how long its answer may take.
const SOLICITS: Duration = Duration::from_millis(10);

/// The guest that foreign frames go to, and those that send them: one alone when it is to be as fast as it can.
const PEER: u32 = 0;
const SENDERS: [u32; 2] = [1, 2];
const GUESTS: usize = 1 + SENDERS.len();

struct Plan {
    /// Turns at the given rate, with Frontdesk and without.
    paced: usize,
    turns: usize,
    turn: Duration,
}

fn main() -> ExitCode {
    if let Err(code) = support::isolate() {
        return code;
    }
    let plan = if support::is_measured() {
        Plan { paced: 5, turns: 9, turn: Duration::from_millis(1000) }
    } else {
        Plan { paced: 1, turns: 1, turn: Duration::from_millis(50) }
    };
    let lan = Lan::new();
    let mut arguments = std::env::args().skip_while(|argument| argument != "--only").skip(1);
    if let Some(only) = arguments.next() {
        let listener = ROUND.into_iter().find(|(name, _)| *name == only).expect("who listens").1;
        let cost = Middle::of((0..plan.turns).map(|_| turn(&lan, listener, plan.turn).cost));
        println!("{only}: {:.0} ns/frame of the sender's", cost.median);
        return ExitCode::SUCCESS;
    }
    let answered = paced(&lan, &plan);
    flat_out(&lan, &plan);
    ExitCode::from(u8::from(!answered))
}

/// A bridge and the guests at its ports, with a namespace for their ends.
struct Lan {
    guests: Netns,
    ports: [u32; GUESTS],
    ends: [u32; GUESTS],
    leases: String,
}

impl Lan {
    fn new() -> Self {
        let (host, guests) = (Netlink::open().expect("netlink"), support::guests());
        let far = guests.netlink().expect("netlink");
        let bridge = host.add_bridge("br0", false).expect("a bridge");
        host.set_up(bridge).expect("up");
        let cables: [(u32, u32); GUESTS] = std::array::from_fn(|guest| {
            let (near, end) = (format!("tap{guest}"), format!("guest{guest}"));
            // Not the guests' MACs: their kernels are to drop at once what arrives.
            let own = frontdesk::types::MacAddr([2, 0, 0, 0, 0, guest as u8]);
            let port = host.add_veth(&near, &end, own, &guests).expect("a cable");
            host.set_bridge(port, bridge).expect("a port");
            host.set_up(port).expect("up");
            let end = far.link(&end).expect("the other end").index;
            far.set_up(end).expect("up");
            (port, end)
        });
        let leases = support::leases((0..GUESTS).map(|guest| Some(format!("tap{guest}"))));
        let lan = Self { guests, ports: cables.map(|ends| ends.0), ends: cables.map(|ends| ends.1), leases };
        // The bridge learns where the peer is.
        let hello = foreign(PEER, SENDERS[0]).swap_remove(0);
        lan.inside(|lan| assert_eq!(lan.open(PEER).send(&[&hello]).sent, 1));
        lan
    }

    /// Runs on a thread of its own among the guests.
    fn inside<T: Send>(&self, job: impl FnOnce(&Self) -> T + Send) -> T {
        self.guests.run(|| job(self)).expect("a thread among the guests")
    }

    /// A guest's own socket, on a thread among the guests; it takes what an answer may be.
    fn open(&self, guest: u32) -> Socket {
        let socket = Socket::new().expect("a socket");
        socket.set_filter(&Filter::for_addresses([])).expect("a filter");
        socket.bind(self.ends[guest as usize]).expect("its device");
        socket
    }

    /// Frames that arrived at the peer so far.
    fn delivered(&self) -> u64 {
        let text = self.inside(|_| fs::read_to_string("/proc/thread-self/net/dev")).expect("counters");
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("guest{PEER}:")));
        // Octets, then packets received.
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).expect("a counter")
    }
}

/// What one guest of a bridge sends to another: acknowledgements and data of TCP over IPv4 and IPv6, multicast DNS. Half of
/// the frames are short, as they are wherever data goes one way and acknowledgements the other.
fn foreign(from: u32, to: u32) -> Vec<Vec<u8>> {
    let (source, target) = (mac(from), mac(to));
    let own = ip6::link_local(source).octets();
    let elsewhere = [0x20, 1, 0xd, 0xb8, 0, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, to as u8];
    let unicast = || PacketBuilder::ethernet2(source.0, target.0);
    let tcp4 = |octets: usize| {
        let mut frame = Vec::new();
        let step = unicast().ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).tcp(40_000, 443, 1, 4096);
        step.write(&mut frame, &vec![0; octets]).expect("room");
        frame
    };
    let tcp6 = |octets: usize| {
        let mut frame = Vec::new();
        let step = unicast().ipv6(own, elsewhere, 64).tcp(40_000, 443, 1, 4096);
        step.write(&mut frame, &vec![0; octets]).expect("room");
        frame
    };
    let mut mdns = Vec::new();
    let group = std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    PacketBuilder::ethernet2(source.0, ip6::group_mac(group).0)
        .ipv6(own, group.octets(), 255)
        .udp(5353, 5353)
        .write(&mut mdns, &[0; 40])
        .expect("room");
    vec![tcp4(0), tcp6(0), tcp4(512), tcp6(512), tcp4(0), tcp6(0), tcp4(1400), tcp6(1380), mdns]
}

/// One batch after the other, round and round.
struct Batches {
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Batches {
    fn of(sender: u32) -> Self {
        Self { frames: foreign(sender, PEER), next: 0 }
    }

    fn send(&mut self, socket: &Socket) -> u64 {
        let (frames, next) = (&self.frames, self.next);
        let batch: [&[u8]; BATCH] = std::array::from_fn(|n| frames[(next + n) % frames.len()].as_slice());
        self.next = (next + BATCH) % frames.len();
        socket.send(&batch).sent
    }
}

/// A turn at a given rate.
#[derive(Clone, Copy)]
struct Paced {
    /// Frames per second that were sent, and that arrived.
    sent: f64,
    delivered: f64,
    /// Frontdesk's part of one processor.
    used: f64,
    asked: u32,
    answered: u32,
}

/// Foreign frames at [`RATE`] and a guest that asks meanwhile, alternately without Frontdesk and with it; false when the
/// guest is not answered.
fn paced(lan: &Lan, plan: &Plan) -> bool {
    let mut turns: [Vec<Paced>; 2] = Default::default();
    for round in 0..plan.paced {
        for place in 0..turns.len() {
            let at = (place + round) % turns.len();
            turns[at].push(turn_paced(lan, at == 1, plan.turn));
        }
    }
    let [nobody, frontdesk] = &turns;
    let middle = |turns: &[Paced], of: fn(&Paced) -> f64| Middle::of(turns.iter().map(of)).median;
    let total = |of: fn(&Paced) -> u32| -> u32 { frontdesk.iter().map(of).sum() };
    let ratio =
        Middle::of(nobody.iter().zip(frontdesk).map(|(nobody, turn)| turn.delivered / nobody.delivered));
    println!("{RATE} foreign frames a second, {} turns each", plan.paced);
    println!("  who listens   frames/s sent    delivered   rate to nobody's (min, max)");
    for (name, turns) in [("nobody", nobody), ("Frontdesk", frontdesk)] {
        let (sent, delivered) = (middle(turns, |turn| turn.sent), middle(turns, |turn| turn.delivered));
        print!("  {name:<12} {sent:>14.0} {delivered:>12.0}");
        match name {
            "nobody" => println!(),
            _ => println!(" {:>10.4} ({:.4}, {:.4})", ratio.median, ratio.least, ratio.most),
        }
    }
    let (asked, answered) = (total(|turn| turn.asked), total(|turn| turn.answered));
    println!("  Frontdesk uses {:.3} % of one processor", 100.0 * middle(frontdesk, |turn| turn.used));
    println!("  a guest that asks meanwhile: {answered} of {asked} solicitations answered");
    answered > 0
}

fn turn_paced(lan: &Lan, with: bool, span: Duration) -> Paced {
    let server = with.then(|| support::dataplane(&lan.leases, "tap*"));
    let spent = || server.as_ref().map_or(Duration::ZERO, |server| support::spent(server.id()));
    let (before, delivered, started) = (spent(), lan.delivered(), Instant::now());
    let done = AtomicBool::new(false);
    let (rate, sent, (asked, answered)) = thread::scope(|scope| {
        let guest = scope.spawn(|| lan.inside(|lan| ask(&lan.open(PEER), &done)));
        let senders =
            SENDERS.map(|sender| scope.spawn(move || lan.inside(|lan| send_paced(lan, sender, span))));
        let sent = senders.map(|sender| sender.join().expect("a sender"));
        done.store(true, Ordering::Relaxed);
        let rate: f64 = sent.iter().map(|(sent, took)| *sent as f64 / took.as_secs_f64()).sum();
        (rate, sent.iter().map(|(sent, _)| sent).sum::<u64>(), guest.join().expect("the guest that asks"))
    });
    // A thread that made its rings and has ended since takes its time with it.
    let used = spent().saturating_sub(before).as_secs_f64() / started.elapsed().as_secs_f64();
    // Of the guest's own frames a few arrive there too: one part in ten thousand.
    let arrived = (lan.delivered() - delivered) as f64 / sent.max(1) as f64;
    Paced { sent: rate, delivered: rate * arrived, used, asked, answered }
}

/// One sender's share of the rate: frames and the time that they took.
fn send_paced(lan: &Lan, sender: u32, span: Duration) -> (u64, Duration) {
    let (socket, mut batches) = (lan.open(sender), Batches::of(sender));
    let rate = f64::from(RATE) / SENDERS.len() as f64;
    let (start, mut sent, mut offered) = (Instant::now(), 0, 0.0);
    while start.elapsed() < span {
        // Behind by more than a twentieth of a second, it is late for good: no burst makes up for it.
        let due = start.elapsed().as_secs_f64() * rate;
        offered = f64::max(offered, due - rate / 20.0);
        if offered > due {
            thread::sleep(Duration::from_micros(20));
            continue;
        }
        sent += batches.send(&socket);
        offered += BATCH as f64;
    }
    (sent, start.elapsed())
}

/// Solicits and counts until it is told to stop: solicitations and answers.
fn ask(socket: &Socket, done: &AtomicBool) -> (u32, u32) {
    let own = ip6::link_local(mac(PEER));
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(mac(PEER).0, ip6::group_mac(ip6::ALL_ROUTERS).0)
        .ipv6(own.octets(), ip6::ALL_ROUTERS.octets(), 255)
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut frame, &[&[1, 1][..], &mac(PEER).0].concat())
        .expect("room");
    let mut buffer = [0; 2048];
    let (mut asked, mut answered) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        while let Ok(Some(_)) = socket.receive(&mut buffer) {}
        socket.send(&[&frame]);
        asked += 1;
        thread::sleep(SOLICITS);
        // Its own solicitation is heard too, as it leaves.
        let mut is_answered = false;
        while let Ok(Some(length)) = socket.receive(&mut buffer) {
            is_answered |= buffer[..length].get(54) == Some(&134);
        }
        answered += u32::from(is_answered);
    }
    (asked, answered)
}

/// Who listens on the bridge's ports.
#[derive(Clone, Copy, PartialEq)]
enum Listener {
    Nobody,
    Frontdesk,
    Everything,
}

/// A turn's place among the others of a round.
const ROUND: [(&str, Listener); 4] = [
    ("nobody", Listener::Nobody),
    ("Frontdesk", Listener::Frontdesk),
    ("nobody again", Listener::Nobody),
    ("all frames", Listener::Everything),
];

struct Turn {
    /// Frames that arrived per second.
    rate: f64,
    /// The sender's processor time for each frame, in nanoseconds.
    cost: f64,
}

fn flat_out(lan: &Lan, plan: &Plan) {
    let mut rounds: [Vec<Turn>; ROUND.len()] = Default::default();
    for round in 0..plan.turns {
        // Each begins a round as often as any other.
        for place in 0..ROUND.len() {
            let at = (place + round) % ROUND.len();
            rounds[at].push(turn(lan, ROUND[at].1, plan.turn));
        }
    }
    let called = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
    let firewall = if called.is_ok_and(|value| value.trim() != "0") { "calls" } else { "does not call" };
    println!(
        "foreign frames as fast as they go, {} turns each; the bridge {firewall} the host's firewall",
        plan.turns
    );
    println!(
        "  who listens   frames/s (median, min, max)        sender ns/frame   rate to nobody's (min, max)"
    );
    for ((name, _), turns) in ROUND.iter().zip(&rounds) {
        let rate = Middle::of(turns.iter().map(|turn| turn.rate));
        let cost = Middle::of(turns.iter().map(|turn| turn.cost));
        let ratio = Middle::of(turns.iter().zip(&rounds[0]).map(|(turn, nobody)| turn.rate / nobody.rate));
        println!(
            "  {name:<12} {:>10.0} {:>10.0} {:>10.0} {:>17.0} {:>15.3} ({:.3}, {:.3})",
            rate.median, rate.least, rate.most, cost.median, ratio.median, ratio.least, ratio.most
        );
    }
    let cost = |at: usize| Middle::of(rounds[at].iter().map(|turn| turn.cost)).median;
    let nobody = f64::midpoint(cost(0), cost(2));
    println!(
        "  the filter    {:.0} ns/frame of the sender's {nobody:.0}; two turns with nobody differ by {:.0} ns",
        cost(1) - nobody,
        (cost(2) - cost(0)).abs()
    );
}

fn turn(lan: &Lan, listener: Listener, span: Duration) -> Turn {
    let _server = (listener == Listener::Frontdesk).then(|| support::dataplane(&lan.leases, "tap*"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        if listener == Listener::Everything {
            for device in lan.ports {
                let options = PortOptions { slots: 4096, promiscuous: false };
                let port = Port::open(device, options, &Filter::everything()).expect("a port");
                let done = &done;
                scope.spawn(move || drain(port, done));
            }
        }
        let before = lan.delivered();
        let (sent, took, spent) = lan.inside(|lan| {
            let (socket, mut batches) = (lan.open(SENDERS[0]), Batches::of(SENDERS[0]));
            let (start, spent, mut sent) = (Instant::now(), thread_time(), 0);
            while start.elapsed() < span {
                sent += batches.send(&socket);
            }
            (sent, start.elapsed(), thread_time() - spent)
        });
        let delivered = lan.delivered() - before;
        done.store(true, Ordering::Relaxed);
        Turn {
            rate: delivered as f64 / took.as_secs_f64(),
            cost: spent.as_nanos() as f64 / sent.max(1) as f64,
        }
    })
}

/// Takes frames and does nothing with them, as a capture that is written nowhere.
fn drain(mut port: Port, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        while port.front().is_some() {
            port.release();
        }
        thread::sleep(Duration::from_millis(1));
    }
}
