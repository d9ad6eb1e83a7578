//! `frontdesk probe`: Act as a guest on a device and print what it would get.

use std::fmt::{self, Display, Write};
use std::net::SocketAddrV6;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::{Failure, exit, print};
use crate::io::netns::Preference;
use crate::io::probe::report::{
    Association, Document, Exchange, Kind, Lease, Metadata, RawOption, Report, RouterAdvert, Settings,
};
use crate::io::probe::{self, HTTP, Options, ProbeError, Service, Wanted};
use crate::types::MacAddr;

const AFTER: &str = "\
Exit codes: 0 everything asked for was got; 1 something was not; 64 usage; 69 no such device, or it is down; 71 the \
operating system refused; 77 not permitted (root or CAP_NET_RAW is missing).

Examples:
  frontdesk probe eth0 --what ra,stateful --json
  frontdesk probe tap22386b --mac fa:16:3e:22:38:6b --what metadata
  frontdesk probe eth0 --metadata-path /latest/meta-data/public-keys/0/openssh-key";

/// Act as a guest on a device and print what it would get.
///
/// Nothing is configured on this machine. Without --what and --all it does what a guest does: a Router
/// Solicitation, then Solicit and Request for an address and prefixes when the router's M flag is set, or
/// Information-request when only its O flag is. Ends with 0 when everything asked for was got, with 1 otherwise.
///
/// Metadata are asked for when --what or --all says so, or any --metadata option is given: who answers for the
/// service's address is found by Neighbor Solicitation, then each document is fetched on a connection of its own.
/// Without --metadata-path these are OpenStack's meta_data.json, which is required, and user_data, which not every
/// instance has. TCP is the probe's own, from a link-local address that it makes up, so --mac and --vlan hold for it
/// too; a service that is not on the link is reached through the router, if that forwards from such an address.
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
    /// Where the metadata service is, as fe80::a9fe:a9fe or [fd00:ec2::254]:8080 [default: fe80::a9fe:a9fe, port 80]
    #[arg(long, value_name = "ADDRESS", value_parser = service)]
    metadata_address: Option<SocketAddrV6>,
    /// Fetch this path, as /latest/meta-data/, and require it; may be given several times
    #[arg(long, value_name = "PATH", value_parser = path)]
    metadata_path: Vec<String>,
    /// Seconds that each exchange may take: each message with its answer, opening a connection, a document
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
    /// Documents of the metadata service
    Metadata,
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

fn service(text: &str) -> Result<SocketAddrV6, String> {
    let address = text.parse().map(|address| SocketAddrV6::new(address, HTTP, 0, 0));
    let address = address.or_else(|_| text.parse::<SocketAddrV6>());
    let address = address.map_err(|_| "write an IPv6 address, or [ADDRESS]:PORT")?;
    if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
        return Err("nobody can be connected to there".into());
    }
    Ok(address)
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with /".into());
    }
    text.parse::<PathAndQuery>().map(|_| text.to_owned()).map_err(|error| error.to_string())
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
        metadata: metadata(args),
        timeout: Duration::from_secs(args.timeout),
        ..Options::new(&args.device)
    }
}

/// The service to ask, if any is to be asked.
fn metadata(args: &Args) -> Option<Service> {
    let has_options = args.metadata_address.is_some() || !args.metadata_path.is_empty();
    let asked = args.all || args.what.contains(&What::Metadata) || has_options;
    let default = Service::default();
    let (address, port) =
        args.metadata_address.map_or((default.address, default.port), |at| (*at.ip(), at.port()));
    asked.then(|| Service { address, port, paths: args.metadata_path.clone() })
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
        if let Some(metadata) = &report.metadata {
            print_metadata(out, metadata)?;
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
            write!(out, "  {:<21} → {answer}, {}{times}", exchange.sent, milliseconds(us))?;
            // A client waits for other servers unless the first one has preference 255.
            if exchange.took_us > us.saturating_mul(2).saturating_add(1000) {
                write!(out, ", waited {}", milliseconds(exchange.took_us))?;
            }
            writeln!(out)
        }
        _ => writeln!(out, "  {:<21} → no answer{times}", exchange.sent),
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

fn print_metadata(out: &mut impl Write, metadata: &Metadata) -> fmt::Result {
    let Some(mac) = metadata.mac else { return Ok(()) };
    writeln!(
        out,
        "\nmetadata at [{}]:{} ({mac}), from {}",
        metadata.address, metadata.port, metadata.source
    )?;
    metadata.documents.iter().try_for_each(|document| print_document(out, document))
}

fn print_document(out: &mut impl Write, document: &Document) -> fmt::Result {
    writeln!(out, "  {}", document.path)?;
    if let Some(status) = document.status {
        let kind = document.content_type.as_deref().map_or_else(|| "no type".into(), printable);
        line(out, "  answer", format_args!("{status}, {kind}, {} octets", document.octets))?;
    }
    let mut times = Vec::new();
    for (what, us) in [("connected in", document.connect_us), ("answer began after", document.first_byte_us)]
    {
        times.extend(us.map(|us| format!("{what} {}", milliseconds(us))));
    }
    times.push(format!("{} in all", milliseconds(document.took_us)));
    line(out, "  times", times.join(", "))?;
    if let Some(instance) = &document.instance {
        let hostname = instance.hostname.as_deref().map_or_else(|| "none".into(), printable);
        let keys = instance.public_keys.len();
        line(out, "  instance", format_args!("{}, hostname {hostname}", printable(&instance.uuid)))?;
        line(out, "  public keys", keys)?;
        for (name, key) in &instance.public_keys {
            line(out, "    key", format_args!("{}: {}", printable(name), printable(key)))?;
        }
    } else if let Some(first) = document.text.as_deref().and_then(|text| text.lines().next()) {
        line(out, "  first line", printable(first))?;
    }
    Ok(())
}

/// A text of somebody else's, fit for a terminal: without control characters, and no longer than can be read.
fn printable(text: &str) -> String {
    const MAX: usize = 800;
    text.trim_end()
        .chars()
        .take(MAX)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_paths_are_written_as_the_help_says() {
        let at = |text| service(text).map(|at| (at.ip().to_string(), at.port()));
        assert_eq!(at("fe80::a9fe:a9fe"), Ok(("fe80::a9fe:a9fe".into(), 80)));
        assert_eq!(at("[fd00:ec2::254]:8080"), Ok(("fd00:ec2::254".into(), 8080)));
        for wrong in ["::", "[fe80::1]:0", "ff02::1", "169.254.169.254", "[fe80::1]", "metadata"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        assert_eq!(path("/latest/meta-data/?x=1"), Ok("/latest/meta-data/?x=1".into()));
        assert!(path("latest").is_err() && path("/a b").is_err());
    }

    #[test]
    fn texts_of_others_do_nothing_to_a_terminal() {
        assert_eq!(printable("ssh-rsa A\x1b[2J\u{7}\n"), "ssh-rsa A\u{fffd}[2J\u{fffd}");
        assert_eq!(printable(&"x".repeat(5000)).len(), 800);
    }
}
