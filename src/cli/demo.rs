//! `frontdesk demo`: Boot three guests in a namespace of their own and show what each ended with.

use std::fmt::{self, Display};
use std::process::Command;
use std::sync::Arc;

use super::{Failure, exit, print};
use crate::daemon::demo::{self, DemoError, Guest};
use crate::io::capture::Capture;
use crate::io::netns::{NetnsError, Preference};
use crate::io::replay;
use crate::lease;
use crate::types::Lifetime;

const AFTER: &str = "\
Exit codes: 0 every guest has what its lease says; 1 one has not; 69 namespaces are forbidden here; 71 the operating \
system refused.

Example:
  frontdesk demo --show-leases > leases.toml && frontdesk demo";

/// Boot three guests in a namespace of their own and show what each ended with.
///
/// Makes a bridge with a SLAAC, a stateless and a stateful guest, serves them by `frontdesk run`, and prints what
/// their kernels, their DHCPv6 client and their metadata say: SSH keys and the first line of user data included. Needs no root, touches no interface of this machine and leaves
/// nothing behind. Ends with 0 when every guest has exactly what its lease says, with 1 otherwise. Where namespaces are
/// forbidden it says which setting forbids them, replays recorded frames of such guests and ends with 69.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// Print one JSON array instead of text
    #[arg(long)]
    json: bool,
    /// Print the lease source of the demo and do nothing else
    #[arg(long)]
    show_leases: bool,
}

/// Frames of the demo's guests: Linux 6.18 kernels and `frontdesk probe`, recorded on the bridge's ports.
const CAPTURE: &[u8] = include_bytes!("../../fixtures/demo.pcapng");

/// The lease source of the demo.
const LEASES: &str = include_str!("../../fixtures/demo.toml");

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    if args.show_leases {
        print::text(LEASES)?;
        return Ok(exit::OK);
    }
    let guests = match demo::run(LEASES, dataplane()) {
        Ok(guests) => guests,
        Err(error @ DemoError::Netns(NetnsError::Forbidden { .. })) => return without_namespaces(&error),
        Err(error) => return Err(failure(&error)),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&guests);
        let json =
            json.map_err(|error| Failure::new(exit::OS, format!("cannot print the guests: {error}")))?;
        print::text(json + "\n")?;
    } else {
        print::text(Text(&guests))?;
    }
    let all_up = guests.iter().all(|guest| guest.problems.is_empty());
    Ok(if all_up { exit::OK } else { exit::FAILED })
}

/// This program as an operator would start it on a hypervisor.
fn dataplane() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["run", "--attach", "tap-*", "--leases", "/dev/stdin"]);
    command
}

/// Where namespaces are forbidden no guest can be booted; frames of guests recorded elsewhere are answered instead.
fn without_namespaces(error: &DemoError) -> Result<u8, Failure> {
    print::note(format_args!("frontdesk: {error}"));
    print::note(
        "No guest can be booted here. These are frames of such guests, recorded, and how they are answered:",
    );
    let loaded = lease::load("the demo's leases", LEASES.as_bytes().to_vec());
    let loaded = loaded.map_err(|error| Failure::new(exit::DATA, error.to_string()))?;
    let capture =
        Capture::read("the demo's capture", CAPTURE).map_err(|error| super::replay::unreadable(&error))?;
    let replay = replay::replay(capture, Arc::new(loaded.table), replay::Settings::default());
    super::replay::print_all(replay)?;
    Ok(exit::UNAVAILABLE)
}

fn failure(error: &DemoError) -> Failure {
    let code = match error {
        DemoError::Leases(_) => exit::DATA,
        _ => exit::OS,
    };
    Failure::new(code, error.to_string())
}

/// The guests as paragraphs of names and values.
struct Text<'a>(&'a [Guest]);

impl Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} guests on one bridge, in a namespace of their own.", self.0.len())?;
        writeln!(out, "Addresses, routes and MTU are what the guests' kernels report.")?;
        for guest in self.0 {
            print_guest(out, guest)?;
        }
        let failed = self.0.iter().filter(|guest| !guest.problems.is_empty()).count();
        match failed {
            0 => writeln!(out, "\nAll {} guests have exactly what their leases say.", self.0.len()),
            _ => writeln!(out, "\n{failed} of {} guests did not come up as their leases say.", self.0.len()),
        }
    }
}

fn print_guest(out: &mut fmt::Formatter<'_>, guest: &Guest) -> fmt::Result {
    let how = match guest.mode.as_str() {
        "slaac" => "SLAAC",
        "dhcpv6-stateless" => "SLAAC, the rest by DHCPv6 Information-request",
        _ => "address and prefixes by DHCPv6",
    };
    writeln!(out, "\n{} on {}: {how}", guest.mac, guest.device)?;
    for address in &guest.addresses {
        let shown = format!("{}/{}", address.address, address.length);
        let (valid, preferred) = (Lifetime(address.valid), Lifetime(address.preferred));
        line(
            out,
            "address",
            format_args!("{shown} by {}, valid {valid}, preferred {preferred}", address.by),
        )?;
    }
    for delegated in &guest.delegated {
        let (valid, preferred) = (Lifetime(delegated.valid), Lifetime(delegated.preferred));
        line(out, "delegated", format_args!("{}, valid {valid}, preferred {preferred}", delegated.prefix))?;
    }
    for route in &guest.routes {
        if let Some(via) = route.via {
            let preference = route.preference.map_or("no", name);
            let expires = Lifetime(route.expires.unwrap_or(u32::MAX));
            line(out, "route", format_args!("{} via {via}, {preference} preference, {expires}", route.to))?;
        }
    }
    line(out, "MTU", guest.mtu)?;
    let dns: Vec<String> = guest.dns.iter().map(ToString::to_string).collect();
    for (name, values) in [("DNS", &dns), ("search", &guest.domains), ("NTP", &guest.ntp)] {
        if !values.is_empty() {
            line(out, name, values.join(" "))?;
        }
    }
    if let Some(url) = &guest.boot_file_url {
        line(out, "boot file", url)?;
    }
    for exchange in &guest.probe.exchanges {
        if let (Some(answer), Some(us)) = (exchange.answer, exchange.round_trip_us) {
            line(out, "asked", format_args!("{} → {answer} in {us} µs", exchange.sent))?;
        }
    }
    print_metadata(out, guest)?;
    match (guest.routed_after_ms, guest.configured_after_ms) {
        (Some(routed), Some(configured)) => {
            line(out, "up after", format_args!("{configured} ms (default route after {routed} ms)"))?;
        }
        _ => line(out, "up after", "never")?,
    }
    guest.problems.iter().try_for_each(|problem| line(out, "PROBLEM", problem))
}

/// How long the documents took, and what they say, as it arrived.
fn print_metadata(out: &mut fmt::Formatter<'_>, guest: &Guest) -> fmt::Result {
    for document in guest.probe.metadata.iter().flat_map(|metadata| &metadata.documents) {
        if let (Some(status), Some(first)) = (document.status, document.first_byte_us) {
            let after = document.connect_us.unwrap_or(0).saturating_add(first);
            line(out, "asked", format_args!("GET {} → {status} in {after} µs", document.path))?;
        }
    }
    if let Some(instance) = &guest.instance {
        for (name, key) in &instance.public_keys {
            line(out, "SSH key", format_args!("{name}: {key}"))?;
        }
    }
    match guest.user_data.as_deref().and_then(|text| text.lines().next()) {
        Some(first) => line(out, "user data", first),
        None => Ok(()),
    }
}

fn line(out: &mut fmt::Formatter<'_>, name: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "  {name:<10} {value}")
}

fn name(preference: Preference) -> &'static str {
    match preference {
        Preference::Low => "low",
        Preference::Medium => "medium",
        Preference::High => "high",
    }
}
