//! `frontdesk run`: Answer guests on the devices of this machine.

use std::path::{Path, PathBuf};

use tracing_subscriber::filter::LevelFilter;

use super::{Failure, exit};
use crate::daemon::{self, Config, LogFormat, RunError};

const AFTER: &str = "\
Exit codes: 0 stopped by a signal; 64 usage; 65 the leases have errors; 66 the leases cannot be read; 71 the operating \
system refused; 77 not permitted (root or CAP_NET_RAW is missing); 78 bad configuration file.

Metadata, in the --config file:
  [metadata]                        bounds of the service, and who answers where a network of the leases does not say:
    upstream = \"NAME\"               one of those below; default \"documents\", the port's own lease
  [metadata.upstreams.NAME]         somebody else who answers:
    kind = \"nova\" | \"http\"
    endpoints = [\"http://HOST:PORT\", \"https://HOST:PORT\", \"unix:/PATH\"]
    shared_secret_file = \"FILE\"     nova: its metadata_proxy_shared_secret, mode 0600
    headers = { NAME = \"VALUE\" }    http: {device_id} {project_id} {hostname} {mac} {vlan} {network} {source} in a VALUE
    path_prefix = \"/PATH\"           http: in front of every path
    ca_file, client_certificate_file, client_key_file, server_name, insecure: for https
    timeout, connect_timeout, hedge: seconds
  Every field with its default and its bounds is in fixtures/run.full.toml.

Example:
  frontdesk run --leases leases.table --attach 'tap*'";

/// Answer guests on the devices of this machine.
///
/// SIGHUP reloads the leases (a bad file keeps the good table), SIGUSR1 prints the counters, SIGTERM and SIGINT stop.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// TOML file with `leases`, `attach`, `log_format`, `log_level`, `ring_frames`, `workers`, `share`, `busy_poll`, `[metadata]`; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lease source (TOML or JSON) or compiled table
    #[arg(long, value_name = "LEASES|TABLE")]
    leases: Option<PathBuf>,
    /// Devices to answer on, by name or pattern, now and whenever they appear (may be repeated)
    #[arg(long, value_name = "GLOB[,GLOB…]", value_parser = daemon::attach_patterns)]
    attach: Vec<Vec<String>>,
    /// Frames that each device's receive ring holds: a power of two, 32 to 4096 [default: 16 MiB shared by all]
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, daemon::ring_frames))]
    ring_frames: Option<u32>,
    /// Packet threads, 1 to 64: taps are shared out among them, a bridge or NIC is served by all [default: 1]
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, daemon::workers))]
    workers: Option<u32>,
    /// Devices whose guests are shared out among all packet threads, beside bridges and NICs: veths and taps that lead to
    /// many guests, by name or pattern (may be repeated)
    #[arg(long, value_name = "GLOB[,GLOB…]", value_parser = daemon::attach_patterns)]
    share: Vec<Vec<String>>,
    /// Look at a device without sleeping for so long after its last frame: 10 µs for an answer instead of 50, at the
    /// price of a processor's time [default: 0, sleep when there is nothing to do]
    #[arg(long, value_name = "MICROSECONDS", value_parser = |text: &str| number(text, daemon::busy_poll))]
    busy_poll: Option<u32>,
    /// How log lines and counters are written
    #[arg(long, value_name = "text|json")]
    log_format: Option<LogFormat>,
    /// Least severe log lines that are written [default: info]
    #[arg(long, value_name = "off|error|warn|info|debug|trace")]
    log_level: Option<LevelFilter>,
}

fn number(text: &str, check: fn(i64) -> Result<u32, String>) -> Result<u32, String> {
    text.parse().map_err(|_| "not a whole number".to_owned()).and_then(check)
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
    let flags = Config {
        leases: args.leases.clone(),
        attach: args.attach.concat(),
        log_format: args.log_format,
        log_level: args.log_level,
        ring_frames: args.ring_frames,
        workers: args.workers,
        share: args.share.concat(),
        busy_poll: args.busy_poll,
        metadata: None,
    };
    let incomplete = if args.config.is_some() { exit::CONFIG } else { exit::USAGE };
    let settings = flags.over(file).settle().map_err(|problem| Failure::new(incomplete, problem))?;
    daemon::run(&settings).map_err(|error| Failure::new(code(&error), error.to_string()))?;
    Ok(exit::OK)
}

fn read(path: &Path) -> Result<Config, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(exit::CONFIG, format!("{name}: cannot be read: {error}")))?;
    Config::parse(path, &text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::new(exit::CONFIG, format!("bad configuration\n{}", lines.join("\n")))
    })
}

fn code(error: &RunError) -> u8 {
    match error {
        RunError::NoLeases(_) => exit::NO_INPUT,
        RunError::BadLeases(_) => exit::DATA,
        RunError::UnknownUpstreams(_) => exit::CONFIG,
        RunError::NotPermitted => exit::NO_PERMISSION,
        RunError::System { .. } => exit::OS,
    }
}
