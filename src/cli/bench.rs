//! `frontdesk bench`: Play many guests and say how fast the server answers them.

mod progress;
mod text;

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use self::progress::Bar;
use super::{Failure, exit, leases, print};
use crate::daemon::pair::{self, Pair, PairError};
use crate::io::bench::{
    self, BenchError, Crowd, Duids, LinkLocals, MAX_GUESTS, Options, Pace, Report, Workload,
};
use crate::io::netns::NetnsError;
use crate::lease;
use crate::types::MacAddr;

const AFTER: &str = "\
What is printed: complete exchanges per second (an exchange is all messages of the workload, each answered rightly), \
exchanges that were lost (no answer within --timeout), refused (the server said no) and wrong (see below), and the \
times from the begin of an exchange to its last answer. In a closed loop those times are the window divided by the \
rate; for the time of a server that is not saturated, take --rate or --window 1.

What is checked: checksum and hop limit, the destination, transaction id, message type, Client and Server Identifier, \
IAID, and with --leases (or --pair) that address, prefix and router are the guest's own. Answers that come twice or \
late are counted apart.

Exit codes: 0 all answers were right and at most --max-loss per cent were lost; 1 they were not, or some guest of a \
storm got nothing; 64 usage; 65 bad data in the leases, or a guest has none; 66 no such file; 69 no such device, or it \
is down, no router or process, or namespaces are forbidden here; 71 the operating system refused; 77 not permitted (root or CAP_NET_RAW is \
missing).

Examples:
  frontdesk bench --pair
  frontdesk bench tap0 --workload exchange,rs --leases leases.toml --base fa:16:3e:00:00:00
  frontdesk bench tap0 --workload boot --storm 5 --guests 4000 --json";

/// Play many guests and say how fast the server answers them.
///
/// Works against any server: sends Router Solicitations, Neighbor Solicitations and DHCPv6 of many guests on one device,
/// checks every answer, and prints rates, losses and times. With --pair it starts `frontdesk run` as the server, both
/// in namespaces of their own: no root is needed, and no interface of this machine is touched.
///
/// On a DEVICE it needs CAP_NET_RAW and sends as fast as answers come. A device that is neither a veth nor a tap may lead
/// to a real network, so --yes-this-device is asked for.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// The device to speak on
    #[arg(required_unless_present = "pair", conflicts_with = "pair")]
    device: Option<String>,
    /// Start a server too, with generated leases, in namespaces of its own
    #[arg(long, conflicts_with_all = ["leases", "vlan", "link_address", "router", "server_pid", "yes_this_device"])]
    pair: bool,
    /// What each guest does; several in turn [default: exchange; with --pair all]
    #[arg(long, short, value_enum, value_delimiter = ',', value_name = "WORKLOAD")]
    workload: Vec<Workload>,
    /// How many guests take turns
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_GUESTS)))]
    guests: u32,
    /// MAC of the first guest; the others follow it
    #[arg(long, default_value = "02:fd:00:00:00:00", value_name = "MAC")]
    base: MacAddr,
    /// How guests make their link-local addresses
    #[arg(long, value_enum, default_value_t = Iid::Eui64, value_name = "HOW")]
    link_local: Iid,
    /// Which DUIDs guests show
    #[arg(long, value_enum, default_value_t = DuidType::Ll, value_name = "TYPE")]
    duid: DuidType,
    /// Speak with this VLAN id
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    vlan: Option<u16>,
    /// Closed loop with so many exchanges under way [default: 64]
    #[arg(long, value_name = "N", group = "pace", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_WINDOW)))]
    window: Option<u32>,
    /// Open loop: begin so many exchanges a second, whatever the server does
    #[arg(long, value_name = "PER_SECOND", group = "pace", value_parser = number::<1, 10_000_000>)]
    rate: Option<f64>,
    /// Boot storm: all guests begin within so many seconds, and repeat themselves by the timers of RFC 9915 §15
    #[arg(long, value_name = "SECONDS", group = "pace", value_parser = number::<0, 3600>)]
    storm: Option<f64>,
    /// Seconds that each workload is measured [default: 10; 3 each for several; in a storm at most 60]
    #[arg(long, value_name = "SECONDS", value_parser = number::<0, 3600>)]
    time: Option<f64>,
    /// Seconds that each workload is played before it is measured
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS", value_parser = number::<0, 3600>)]
    warm_up: f64,
    /// Milliseconds that an answer is waited for
    #[arg(long, default_value_t = 1000, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    timeout: u32,
    /// Lease source or table that says what each guest must get
    #[arg(long, value_name = "LEASES|TABLE")]
    leases: Option<PathBuf>,
    /// Link-address that the relay writes (workload relay)
    #[arg(long, value_name = "ADDRESS")]
    link_address: Option<Ipv6Addr>,
    /// Address to solicit (workload ns) [default: the source of a Router Advertisement]
    #[arg(long, value_name = "ADDRESS")]
    router: Option<Ipv6Addr>,
    /// Measure the processor time of this process, too
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Ports in the table of the server that --pair starts [default: as many as guests]
    #[arg(long, value_name = "N", conflicts_with = "device", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_GUESTS)))]
    server_ports: Option<u32>,
    /// Packet threads of the server that --pair starts
    #[arg(long, default_value_t = 1, value_name = "N", conflicts_with = "device", value_parser = clap::value_parser!(u32).range(1..=64))]
    server_workers: u32,
    /// Microseconds that the server that --pair starts looks at its device without sleeping
    #[arg(long, default_value_t = 0, value_name = "MICROSECONDS", conflicts_with = "device", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    server_busy_poll: u32,
    /// Per cent of exchanges that may be lost before the exit code is 1
    #[arg(long, default_value_t = 1.0, value_name = "PERCENT", value_parser = number::<0, 100>)]
    max_loss: f64,
    /// Print one JSON array instead of text
    #[arg(long)]
    json: bool,
    /// Send on this device although it is neither a veth nor a tap
    #[arg(long)]
    yes_this_device: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Iid {
    /// Of the MAC (RFC 4291 appendix A)
    Eui64,
    /// Without a trace of the MAC
    Opaque,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum DuidType {
    /// DUID-LL of the MAC
    Ll,
    /// DUID-UUID
    Uuid,
}

/// Exchanges under way at once in a closed loop: what the receive ring holds, or answers would be lost here.
const MAX_WINDOW: u32 = crate::io::packet::MAX_SLOTS;

/// Enough to keep a batch on the way in each direction, and few enough for the socket buffers of usual servers.
const WINDOW: u32 = 64;

fn number<const LEAST: u32, const MOST: u32>(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let range = f64::from(LEAST)..=f64::from(MOST);
    if range.contains(&number) { Ok(number) } else { Err(format!("write a number from {LEAST} to {MOST}")) }
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let crowd = crowd(args, args.guests)?;
    let workloads = workloads(args);
    if !args.pair && args.link_address.is_none() && workloads.contains(&Workload::Relay) {
        let message = "the workload relay needs --link-address: an address of the guests' link";
        return Err(Failure::new(exit::USAGE, message));
    }
    let (reports, failure) = match &args.device {
        Some(device) => on_device(args, device, crowd, &workloads)?,
        None => as_pair(args, crowd, &workloads)?,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&reports);
        let json =
            json.map_err(|error| Failure::new(exit::OS, format!("cannot print the reports: {error}")))?;
        print::text(json + "\n")?;
    } else {
        print::text(text::Table(&reports))?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    let good = reports.iter().all(|report| report.is_good(args.max_loss));
    Ok(if good { exit::OK } else { exit::FAILED })
}

fn crowd(args: &Args, count: u32) -> Result<Crowd, Failure> {
    let link_locals = match args.link_local {
        Iid::Eui64 => LinkLocals::Eui64,
        Iid::Opaque => LinkLocals::Opaque,
    };
    let duids = match args.duid {
        DuidType::Ll => Duids::LinkLayer,
        DuidType::Uuid => Duids::Uuid,
    };
    Crowd::new(args.base, count, link_locals, duids).ok_or_else(|| {
        let message =
            format!("{count} guests from {} on are not all hosts: choose another --base", args.base);
        Failure::new(exit::USAGE, message)
    })
}

fn workloads(args: &Args) -> Vec<Workload> {
    match (args.workload.is_empty(), args.pair) {
        (false, _) => args.workload.clone(),
        (true, true) => Workload::ALL.to_vec(),
        (true, false) => vec![Workload::Exchange],
    }
}

fn options(args: &Args, crowd: Crowd, workloads: &[Workload]) -> Options {
    let pace = match (args.rate, args.storm) {
        (Some(rate), _) => Pace::Rate(rate),
        (None, Some(within)) => Pace::Storm(within),
        (None, None) => Pace::Window(args.window.unwrap_or(WINDOW)),
    };
    let time = match (args.time, pace) {
        (Some(time), _) => time,
        (None, Pace::Storm(_)) => 60.0,
        (None, _) if workloads.len() > 1 => 3.0,
        (None, _) => 10.0,
    };
    Options {
        workload: Workload::Exchange,
        crowd,
        pace,
        vlan: args.vlan.unwrap_or(0),
        time: Duration::from_secs_f64(time),
        warm_up: Duration::from_secs_f64(args.warm_up),
        timeout: Duration::from_millis(args.timeout.into()),
        leases: None,
        link_address: args.link_address.unwrap_or(Ipv6Addr::UNSPECIFIED),
        router: args.router,
        server_pid: args.server_pid,
    }
}

/// Against the server that is there.
fn on_device(args: &Args, device: &str, crowd: Crowd, workloads: &[Workload]) -> Result<Played, Failure> {
    let link = bench::device(device).map_err(|error| failure(&error))?;
    if !link.cable && !args.yes_this_device {
        let message = format!(
            "{device} is neither a veth nor a tap, so this could flood a real network: say --yes-this-device if it is \
             meant to"
        );
        return Err(Failure::new(exit::USAGE, message));
    }
    let table = args.leases.as_deref().map(leases::load).transpose()?;
    let options = Options { leases: table, ..options(args, crowd, workloads) };
    print::note(text::Notice { options: &options, workloads, device });
    let play = |options: &Options, bar: &mut Bar| {
        bench::run(&link, options, &mut |progress| bar.show(progress)).map_err(|error| failure(&error))
    };
    Ok(play_all(&options, workloads, play))
}

/// Against a server of our own.
fn as_pair(args: &Args, crowd: Crowd, workloads: &[Workload]) -> Result<Played, Failure> {
    let ports = args.server_ports.unwrap_or(args.guests);
    if ports < args.guests {
        let message = format!("--server-ports {ports} leaves some of the {} guests without one", args.guests);
        return Err(Failure::new(exit::USAGE, message));
    }
    let all = self::crowd(args, ports)?;
    let source = pair::leases((0..ports).map(|port| all.mac(port)));
    let pair = Pair::open(&source, dataplane(args)).map_err(|error| pair_failure(&error))?;
    let loaded = lease::load("the generated leases", source.into_bytes());
    let loaded = loaded.map_err(|error| Failure::new(exit::DATA, error.to_string()))?;
    let options = Options {
        leases: Some(Arc::new(loaded.table)),
        link_address: pair::LINK,
        server_pid: Some(pair.server_pid()),
        ..options(args, crowd, workloads)
    };
    let device = format!("a cable to frontdesk run with {ports} ports");
    print::note(text::Notice { options: &options, workloads, device: &device });
    let play = |options: &Options, bar: &mut Bar| {
        pair.play(options, &mut |progress| bar.show(progress)).map_err(|error| pair_failure(&error))
    };
    Ok(play_all(&options, workloads, play))
}

/// What was measured, and why the rest was not.
type Played = (Vec<Report>, Option<Failure>);

fn play_all(
    options: &Options,
    workloads: &[Workload],
    mut play: impl FnMut(&Options, &mut Bar) -> Result<Report, Failure>,
) -> Played {
    let mut bar = Bar::new(workloads.len());
    let mut reports = Vec::with_capacity(workloads.len());
    for workload in workloads {
        match play(&Options { workload: *workload, ..options.clone() }, &mut bar) {
            Ok(report) => reports.push(report),
            Err(failure) => return (reports, Some(failure)),
        }
        bar.next();
    }
    (reports, None)
}

/// This program as an operator would start it on a hypervisor.
fn dataplane(args: &Args) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["run", "--attach", pair::DEVICE, "--attach", pair::RELAYS]);
    command.args(["--ring-frames", "4096", "--leases", "/dev/stdin"]);
    command.args(["--share", pair::DEVICE, "--share", pair::RELAYS]);
    command.arg(format!("--workers={}", args.server_workers));
    command.arg(format!("--busy-poll={}", args.server_busy_poll));
    command
}

fn failure(error: &BenchError) -> Failure {
    let code = match error {
        BenchError::NoDevice(_) | BenchError::Down(_) => exit::UNAVAILABLE,
        BenchError::NoRouter | BenchError::NoProcess(_) => exit::UNAVAILABLE,
        BenchError::NotPermitted(_) => exit::NO_PERMISSION,
        BenchError::NotLeased(_) => exit::DATA,
        BenchError::Os { .. } | BenchError::Netlink(_) => exit::OS,
    };
    Failure::new(code, error.to_string())
}

fn pair_failure(error: &PairError) -> Failure {
    match error {
        PairError::Bench(error) => failure(error),
        PairError::Netns(NetnsError::Forbidden { .. }) => Failure::new(exit::UNAVAILABLE, error.to_string()),
        PairError::Netns(_) | PairError::Dataplane(_) | PairError::File(_) => {
            Failure::new(exit::OS, error.to_string())
        }
    }
}
