//! `frontdesk probe`: Act as a guest on a device and print what it would get.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use super::{Failure, exit, print};
use crate::io::netns::Preference;
use crate::io::probe::report::{
    Association, Exchange, Kind, Lease, RawOption, Report, RouterAdvert, Settings,
};
use crate::io::probe::{self, Options, ProbeError, Wanted};
use crate::types::MacAddr;

const AFTER: &str = "\
Exit codes: 0 everything asked for was got; 1 something was not; 64 usage; 69 no such device, or it is down; 71 the \
operating system refused; 77 not permitted (root or CAP_NET_RAW is missing).

Example:
  frontdesk probe eth0 --what ra,stateful --json";

/// Act as a guest on a device and print what it would get.
///
/// Nothing is configured on this machine. Without --what and --all it does what a guest does: a Router
/// Solicitation, then Solicit and Request for an address and prefixes when the router's M flag is set, or
/// Information-request when only its O flag is. Ends with 0 when everything asked for was got, with 1 otherwise.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// The device to speak on
    device: String,
    /// Ask for these and require all of them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    what: Vec<What>,
    /// Ask for everything and require it
    #[arg(long, conflicts_with = "what")]
    all: bool,
    /// Speak with this MAC instead of the device's own
    #[arg(long)]
    mac: Option<MacAddr>,
    /// Speak with this VLAN id
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    vlan: Option<u16>,
    /// Show this DUID, in hexadecimal with or without colons [default: DUID-LL of the MAC]
    #[arg(long, value_name = "HEX", value_parser = duid)]
    duid: Option<Duid>,
    /// Number of the identity associations [default: last four octets of the MAC]
    #[arg(long)]
    iaid: Option<u32>,
    /// Ask for the two-message exchange
    #[arg(long)]
    rapid_commit: bool,
    /// Release what was leased when done
    #[arg(long)]
    release: bool,
    /// Seconds that each exchange may take
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// A Router Advertisement
    Ra,
    /// Addresses by DHCPv6 (IA_NA)
    Stateful,
    /// Delegated prefixes (IA_PD)
    Pd,
    /// Settings by Information-request
    Stateless,
}

#[derive(Clone)]
struct Duid(Vec<u8>);

fn duid(text: &str) -> Result<Duid, String> {
    let digits = text.replace(':', "");
    let octets: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|two| match two {
            [a, b] => Some(char::from(*a).to_digit(16)? as u8 * 16 + char::from(*b).to_digit(16)? as u8),
            _ => None,
        })
        .collect();
    let range = crate::types::limits::DUID_LENGTH;
    match octets {
        Some(octets) if range.contains(&octets.len()) => Ok(Duid(octets)),
        Some(octets) => {
            Err(format!("a DUID has {} to {} octets, not {}", range.start(), range.end(), octets.len()))
        }
        None => Err("a DUID is written as pairs of hexadecimal digits".into()),
    }
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let report = probe::run(&options(args)).map_err(|error| failure(&error))?;
    if args.json {
        let json = serde_json::to_string_pretty(&report);
        let json =
            json.map_err(|error| Failure::new(exit::OS, format!("cannot print the report: {error}")))?;
        print::text(json + "\n")?;
    } else {
        print::text(Text(&report))?;
    }
    Ok(if report.is_complete() { exit::OK } else { exit::FAILED })
}

fn options(args: &Args) -> Options {
    let has = |what| args.what.contains(&what);
    let wanted = if args.all {
        Some(Wanted::ALL)
    } else if args.what.is_empty() {
        None
    } else {
        Some(Wanted {
            ra: has(What::Ra),
            stateful: has(What::Stateful),
            pd: has(What::Pd),
            stateless: has(What::Stateless),
        })
    };
    Options {
        mac: args.mac,
        vlan: args.vlan.unwrap_or(0),
        duid: args.duid.clone().map(|duid| duid.0),
        iaid: args.iaid,
        rapid_commit: args.rapid_commit,
        release: args.release,
        wanted,
        timeout: Duration::from_secs(args.timeout),
        ..Options::new(&args.device)
    }
}

fn failure(error: &ProbeError) -> Failure {
    let code = match error {
        ProbeError::NoDevice(_) | ProbeError::Down(_) => exit::UNAVAILABLE,
        ProbeError::NotPermitted(_) => exit::NO_PERMISSION,
        ProbeError::Os { .. } | ProbeError::Netlink(_) => exit::OS,
    };
    Failure::new(code, error.to_string())
}

/// The report as lines of a name and a value.
struct Text<'a>(&'a Report);

impl Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(out, "{} as {}", report.device, report.mac)?;
        if report.vlan != 0 {
            write!(out, " on VLAN {}", report.vlan)?;
        }
        writeln!(out, ", {}, DUID {}", report.link_local, report.client_duid)?;
        for exchange in &report.exchanges {
            print_exchange(out, exchange)?;
        }
        for router in &report.routers {
            print_router(out, router)?;
        }
        if let Some(lease) = &report.lease {
            print_lease(out, lease)?;
        }
        if let Some(settings) = &report.information {
            writeln!(out, "\nsettings by Information-request")?;
            print_settings(out, settings)?;
        }
        if let Some(status) = &report.released {
            line(out, "released", status)?;
        }
        for fault in &report.faults {
            let times = if fault.times > 1 { format!(", {} times", fault.times) } else { String::new() };
            writeln!(out, "\nfault in {}: {} ({}{times})", fault.message, fault.what, fault.rule)?;
        }
        for missing in &report.missing {
            writeln!(out, "\nnot got: {missing}")?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, name: &str, value: impl Display) -> fmt::Result {
    writeln!(out, "  {name:<14} {value}")
}

fn print_exchange(out: &mut impl Write, exchange: &Exchange) -> fmt::Result {
    let times = match exchange.transmissions {
        1 => String::new(),
        more => format!(" (sent {more} times)"),
    };
    match (exchange.answer, exchange.round_trip_us) {
        (Some(answer), Some(us)) => {
            write!(out, "  {:<20} → {answer}, {}{times}", exchange.sent, milliseconds(us))?;
            // A client waits for other servers unless the first one has preference 255.
            if exchange.took_us > us.saturating_mul(2).saturating_add(1000) {
                write!(out, ", waited {}", milliseconds(exchange.took_us))?;
            }
            writeln!(out)
        }
        _ => writeln!(out, "  {:<20} → no answer{times}", exchange.sent),
    }
}

fn milliseconds(us: u64) -> String {
    format!("{:.2} ms", Duration::from_micros(us).as_secs_f64() * 1e3)
}

fn print_router(out: &mut impl Write, router: &RouterAdvert) -> fmt::Result {
    let to = if router.unicast { "to us" } else { "to all nodes" };
    writeln!(out, "\nrouter {} ({}), {to}", router.router, router.mac)?;
    line(
        out,
        "flags",
        format_args!(
            "M={} O={} preference {}, lifetime {} s, hop limit {}",
            u8::from(router.managed),
            u8::from(router.other),
            preference(router.preference),
            router.lifetime,
            router.hop_limit
        ),
    )?;
    if router.reachable_time != 0 || router.retransmit_timer != 0 {
        let times =
            format!("reachable {} ms, retransmit {} ms", router.reachable_time, router.retransmit_timer);
        line(out, "neighbours", times)?;
    }
    if let Some(mac) = router.link_layer {
        line(out, "link layer", mac)?;
    }
    if let Some(mtu) = router.mtu {
        line(out, "MTU", mtu)?;
    }
    for prefix in &router.prefixes {
        let (on_link, autonomous) = (u8::from(prefix.on_link), u8::from(prefix.autonomous));
        let (valid, preferred) = (prefix.valid, prefix.preferred);
        let shown = format!("{}/{}", prefix.prefix, prefix.length);
        line(
            out,
            "prefix",
            format!("{shown} L={on_link} A={autonomous}, valid {valid}, preferred {preferred}"),
        )?;
    }
    for route in &router.routes {
        let shown = format!("{}/{}", route.prefix, route.length);
        line(
            out,
            "route",
            format!("{shown} preference {}, {}", preference(route.preference), route.lifetime),
        )?;
    }
    for dns in &router.dns {
        line(out, "DNS", format_args!("{}, {}", join(&dns.servers), dns.lifetime))?;
    }
    for search in &router.search {
        line(out, "search", format_args!("{}, {}", search.domains.join(" "), search.lifetime))?;
    }
    for nat64 in &router.nat64 {
        line(out, "NAT64", format_args!("{}/{}, {} s", nat64.prefix, nat64.length, nat64.lifetime))?;
    }
    if let Some(url) = &router.captive_portal {
        line(out, "captive portal", url)?;
    }
    print_unknown(out, &router.unknown)
}

fn print_lease(out: &mut impl Write, lease: &Lease) -> fmt::Result {
    let how = if lease.rapid_commit { ", rapid commit" } else { "" };
    let preference = lease.preference.map_or_else(String::new, |value| format!(", preference {value}"));
    writeln!(out, "\nlease from {} (DUID {}){preference}{how}", lease.server, lease.server_duid)?;
    for ia in &lease.associations {
        print_association(out, ia)?;
    }
    print_settings(out, &lease.settings)
}

fn print_association(out: &mut impl Write, ia: &Association) -> fmt::Result {
    let name = match ia.kind {
        Kind::Address => "IA_NA",
        Kind::Prefix => "IA_PD",
    };
    line(out, name, format_args!("{} T1 {}, T2 {}", ia.iaid, ia.t1, ia.t2))?;
    for lease in &ia.leases {
        let what = if ia.kind == Kind::Address { "  address" } else { "  prefix" };
        let length = if ia.kind == Kind::Address { String::new() } else { format!("/{}", lease.length) };
        let (valid, preferred) = (lease.valid, lease.preferred);
        line(out, what, format_args!("{}{length}, valid {valid}, preferred {preferred}", lease.address))?;
    }
    match &ia.status {
        Some(status) => line(out, "  status", status),
        None => Ok(()),
    }
}

fn print_settings(out: &mut impl Write, settings: &Settings) -> fmt::Result {
    if !settings.dns.is_empty() {
        line(out, "DNS", join(&settings.dns))?;
    }
    for (name, values) in [
        ("search", &settings.domains),
        ("NTP", &settings.ntp),
        ("boot parameters", &settings.boot_file_parameters),
    ] {
        if !values.is_empty() {
            line(out, name, values.join(" "))?;
        }
    }
    for (name, value) in
        [("boot file", &settings.boot_file_url), ("captive portal", &settings.captive_portal)]
    {
        if let Some(value) = value {
            line(out, name, value)?;
        }
    }
    for (name, value) in [
        ("refresh after", settings.information_refresh_time),
        ("SOL_MAX_RT", settings.solicit_max_rt),
        ("INF_MAX_RT", settings.information_max_rt),
    ] {
        if let Some(value) = value {
            line(out, name, format_args!("{value} s"))?;
        }
    }
    if let Some(status) = &settings.status {
        line(out, "status", status)?;
    }
    print_unknown(out, &settings.unknown)
}

fn print_unknown(out: &mut impl Write, options: &[RawOption]) -> fmt::Result {
    options.iter().try_for_each(|option| line(out, &format!("option {}", option.code), &option.data))
}

fn join(values: &[impl Display]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn preference(value: Preference) -> &'static str {
    match value {
        Preference::Low => "low",
        Preference::Medium => "medium",
        Preference::High => "high",
    }
}
