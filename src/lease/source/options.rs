//! Reads what a network gives to all of its ports and what a port may have in its place: everything that DHCPv6 options
//! and the options of the RA are made of, so that both say the same.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use super::fields::{Fields, Path, Refusal};
use super::node::{Node, Value};
use super::{boot, values};
use crate::lease::problem::Findings;
use crate::types::DomainName;
use crate::wire::dhcp6::code;

/// One field each, in the place of which a port's own stands; `None` when it is not written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) dns_nameservers: Option<Vec<Ipv6Addr>>,
    pub(crate) dns_domains: Option<Vec<DomainName>>,
    pub(crate) ntp_servers: Option<Vec<Ipv6Addr>>,
    pub(crate) ntp_names: Option<Vec<DomainName>>,
    pub(crate) captive_portal: Option<String>,
    pub(crate) dnr: Option<Vec<Resolver>>,
    pub(crate) boot: boot::Boot,
    pub(crate) vendor_options: Option<Vec<Instance>>,
    /// Options whose value is made of one field alone.
    pub(crate) plain: Vec<Plain>,
    /// Options by number.
    pub(crate) by_number: Option<Vec<Instance>>,
}

/// An option of [`PLAIN`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) code: u16,
    /// One value for each instance of the option; none takes the network's away.
    pub(crate) values: Vec<Vec<u8>>,
}

/// One instance of an option.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) code: u16,
    /// Sent to clients that do not ask for it.
    pub(crate) unasked: bool,
    pub(crate) value: Vec<u8>,
}

/// An encrypted resolver (RFC 9463).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolver {
    pub(crate) priority: u16,
    pub(crate) name: DomainName,
    pub(crate) addresses: Vec<Ipv6Addr>,
    /// Service parameters as they go on the wire (RFC 9460 §2.2).
    pub(crate) params: Vec<u8>,
}

/// How the value of a plain option is written and encoded.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A list of addresses in one option.
    Addresses,
    /// A list of names in one option, uncompressed (RFC 9915 §10).
    Names,
    /// A list of names, one in each option.
    EachName,
    /// One name.
    Name,
    /// A POSIX TZ string.
    PosixTimezone,
    /// Text.
    Text,
    /// A list of URIs, each behind its length of 16 bits.
    Uris,
}

/// Field, code and form.
const PLAIN: [(&str, u16, Form); 19] = [
    ("sip_domains", code::SIP_SERVER_D, Form::Names),
    ("sip_servers", code::SIP_SERVER_A, Form::Addresses),
    ("nis_servers", code::NIS_SERVERS, Form::Addresses),
    ("nisp_servers", code::NISP_SERVERS, Form::Addresses),
    ("nis_domain", code::NIS_DOMAIN_NAME, Form::Name),
    ("nisp_domain", code::NISP_DOMAIN_NAME, Form::Name),
    ("sntp_servers", code::SNTP_SERVERS, Form::Addresses),
    ("posix_timezone", code::NEW_POSIX_TIMEZONE, Form::PosixTimezone),
    ("tzdb_timezone", code::NEW_TZDB_TIMEZONE, Form::Text),
    ("lost_server", code::V6_LOST, Form::Name),
    ("capwap_controllers", code::CAPWAP_AC_V6, Form::Addresses),
    ("access_domain", code::V6_ACCESS_DOMAIN, Form::Name),
    ("sip_configuration_domains", code::SIP_UA_CS_LIST, Form::Names),
    ("aftr_name", code::AFTR_NAME, Form::Name),
    ("pcp_servers", code::V6_PCP_SERVER, Form::Addresses),
    ("dhcp4o6_servers", code::DHCP4_O_DHCP6_SERVER, Form::Addresses),
    ("sztp_redirects", code::V6_SZTP_REDIRECT, Form::Uris),
    ("ipv6_address_andsf", code::IPV6_ADDRESS_ANDSF, Form::Addresses),
    ("registered_domains", code::REGISTERED_DOMAIN, Form::EachName),
];

/// Fields that are made of more than one field or that make more than one option.
const OTHERS: [&str; 11] = [
    "dns_nameservers",
    "dns_domains",
    "ntp_servers",
    "ntp_names",
    "captive_portal",
    "dnr",
    "boot_file_url",
    "boot_file_params",
    "boot_files",
    "vendor_options",
    "options",
];

/// The names of `own` and behind them those of all options; `N` is the number of both together.
pub(super) const fn known<const N: usize>(own: &[&'static str]) -> [&'static str; N] {
    assert!(own.len() + OPTION_FIELDS == N, "every name has its place");
    let mut all = [""; N];
    let mut at = 0;
    while at < N {
        let option = at.saturating_sub(own.len());
        all[at] = if at < own.len() {
            own[at]
        } else if option < OTHERS.len() {
            OTHERS[option]
        } else {
            PLAIN[option - OTHERS.len()].0
        };
        at += 1;
    }
    all
}

/// Number of fields that both networks and ports may have.
pub(super) const OPTION_FIELDS: usize = OTHERS.len() + PLAIN.len();

/// Codes that stand for a field of their own, which is to be used.
const NAMED: [(u16, &str); 12] = [
    (code::VENDOR_OPTS, "vendor_options"),
    (code::DNS_SERVERS, "dns_nameservers"),
    (code::DOMAIN_LIST, "dns_domains"),
    (code::INFORMATION_REFRESH_TIME, "information_refresh_time"),
    (code::CLIENT_FQDN, "hostname"),
    (code::NTP_SERVER, "ntp_servers"),
    (code::BOOTFILE_URL, "boot_file_url"),
    (code::BOOTFILE_PARAM, "boot_file_params"),
    (code::SOL_MAX_RT, "sol_max_rt"),
    (code::INF_MAX_RT, "inf_max_rt"),
    (code::CAPTIVE_PORTAL, "captive_portal"),
    (code::V6_DNR, "dnr"),
];

/// The field of the lease source that an option comes from.
pub(in crate::lease) fn field_of(code: u16) -> Option<&'static str> {
    let named = NAMED.iter().find(|(c, _)| *c == code).map(|(_, name)| *name);
    named.or_else(|| PLAIN.iter().find(|(_, c, _)| *c == code).map(|(name, ..)| *name))
}

/// Reads them.
pub(super) fn read(fields: &Fields<'_, '_, '_>, path: &Path<'_>, out: &mut Findings) -> Options {
    Options {
        dns_nameservers: fields.list("dns_nameservers", out, values::server_address),
        dns_domains: fields.list("dns_domains", out, values::name),
        ntp_servers: fields.list("ntp_servers", out, values::server_address),
        ntp_names: fields.list("ntp_names", out, values::name),
        captive_portal: fields.take("captive_portal", out, values::uri),
        dnr: fields.tables("dnr", out, resolver),
        boot: boot::read(fields, out),
        vendor_options: vendor_options(fields, path, out),
        plain: PLAIN.iter().filter_map(|(name, code, form)| plain(fields, name, *code, *form, out)).collect(),
        by_number: fields.tables("options", out, by_number),
    }
}

fn plain(
    fields: &Fields<'_, '_, '_>,
    name: &'static str,
    code: u16,
    form: Form,
    out: &mut Findings,
) -> Option<Plain> {
    let one = |value: Vec<u8>| if value.is_empty() { Vec::new() } else { vec![value] };
    let values = match form {
        Form::Addresses => one(octets(&fields.list(name, out, values::server_address)?)),
        Form::Names => one(names(&fields.list(name, out, values::name)?)),
        Form::EachName => {
            fields.list(name, out, values::name)?.iter().map(|n| n.as_wire().to_vec()).collect()
        }
        Form::Name => vec![fields.take(name, out, values::name)?.as_wire().to_vec()],
        Form::PosixTimezone => vec![fields.take(name, out, posix_timezone)?.into_bytes()],
        Form::Text => vec![fields.take(name, out, printable)?.into_bytes()],
        Form::Uris => one(strings(&fields.list(name, out, values::uri)?)),
    };
    Some(Plain { code, values })
}

fn octets(addresses: &[Ipv6Addr]) -> Vec<u8> {
    addresses.iter().flat_map(Ipv6Addr::octets).collect()
}

fn names(names: &[DomainName]) -> Vec<u8> {
    names.iter().flat_map(|name| name.as_wire().iter().copied()).collect()
}

/// Strings, each behind its length of 16 bits. What is longer was refused before.
pub(in crate::lease) fn strings(strings: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in strings {
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

/// Text without control characters, and not nothing.
fn printable(node: &Node<'_>) -> Result<String, Refusal> {
    let text = values::text(node)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(Refusal::new("is empty or has a control character", "write plain text"));
    }
    Ok(text.to_owned())
}

/// RFC 4833 §3: without the implementation-defined form, which starts with a colon.
fn posix_timezone(node: &Node<'_>) -> Result<String, Refusal> {
    let text = printable(node)?;
    let remedy = "write a POSIX TZ string as CET-1CEST,M3.5.0,M10.5.0/3";
    if text.starts_with(':') || !text.is_ascii() {
        return Err(Refusal::new("is no POSIX time zone", remedy));
    }
    Ok(text)
}

fn resolver(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Resolver> {
    let fields = Fields::open(node, node.at, path, &["priority", "name", "addresses", "params"], out)?;
    // 0 is the alias mode of service bindings, which has no place here (RFC 9463 §3.1.3).
    let priority = fields.take("priority", out, values::integer(1..=65535));
    let name = fields.require("name", "write the name in the resolver's certificate", out, values::name);
    let addresses = fields.list("addresses", out, values::server_address).unwrap_or_default();
    let params = fields.take("params", out, values::hex).unwrap_or_default();
    if addresses.is_empty() && !params.is_empty() {
        // RFC 9463 §3.1.6: with the name alone there are neither addresses nor parameters.
        out.error(
            path.key("params").field(),
            "are given without addresses",
            "",
            "write addresses, or take them out",
        );
    }
    let priority = priority.and_then(|p| u16::try_from(p).ok()).unwrap_or(1);
    Some(Resolver { priority, name: name?, addresses, params })
}

/// One instance of option 17 for each enterprise (RFC 9915 §21.17).
fn vendor_options(fields: &Fields<'_, '_, '_>, path: &Path<'_>, out: &mut Findings) -> Option<Vec<Instance>> {
    let mut seen = Vec::new();
    fields
        .tables("vendor_options", out, |node, at, out| {
            let fields = Fields::open(node, node.at, at, &["enterprise", "options"], out)?;
            let remedy = "write the vendor's IANA enterprise number";
            let enterprise = fields.require("enterprise", remedy, out, values::integer(0..=u32::MAX))?;
            if seen.contains(&enterprise) {
                let remedy = "write all options of a vendor in one entry (RFC 9915 §21.17)";
                out.error(at.key("enterprise").field(), "is given twice", enterprise, remedy);
            }
            seen.push(enterprise);
            let mut value = enterprise.to_be_bytes().to_vec();
            if fields.entry("options").is_none() {
                fields.missing("options", "write options = [{ code = 1, text = \"…\" }]", out);
            }
            for (code, data) in fields.tables("options", out, |node, path, out| {
                let fields =
                    Fields::open(node, node.at, path, &["code", "hex", "text", "addresses", "names"], out)?;
                let remedy = "write the number of the vendor's option";
                let code = fields.require("code", remedy, out, values::integer(0..=65535));
                let data = data(&fields, path, out)?;
                Some((u16::try_from(code?).ok()?, data))
            })? {
                value.extend_from_slice(&code.to_be_bytes());
                value.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
                value.extend_from_slice(&data);
            }
            Some(Instance { code: code::VENDOR_OPTS, unasked: false, value })
        })
        .inspect(|all| super::network::limit(all.len(), MAX_VENDORS, "vendor_options", path, out))
}

/// Vendors of one network or port: each costs an option of an answer, and nobody's guests are of more vendors.
const MAX_VENDORS: usize = 16;

fn by_number(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Instance> {
    let known = ["code", "hex", "text", "addresses", "names", "unasked"];
    let fields = Fields::open(node, node.at, path, &known, out)?;
    let code = fields.require("code", "write the number of the option", out, number);
    let unasked = fields.take("unasked", out, values::boolean).unwrap_or(false);
    let value = data(&fields, path, out)?;
    Some(Instance { code: code?, unasked, value })
}

/// Codes that no client asks a server for: those of the exchange itself, and those of clients and of relays.
const NOT_ASKED_OF_SERVERS: [RangeInclusive<u16>; 17] = [
    code::CLIENT_ID..=code::RELAY_MSG,
    code::AUTH..=code::VENDOR_CLASS,
    code::INTERFACE_ID..=code::RECONF_ACCEPT,
    code::IA_PD..=code::IAPREFIX,
    code::REMOTE_ID..=code::SUBSCRIBER_ID,
    code::ERO..=code::LQ_CLIENT_LINK,
    code::RELAY_ID..=code::RELAY_ID,
    code::CLIENT_ARCH_TYPE..=code::CLIENT_ARCH_TYPE,
    code::RSOO..=code::PD_EXCLUDE,
    code::CLIENT_LINKLAYER_ADDR..=code::RADIUS,
    code::DHCPV4_MSG..=code::DHCPV4_MSG,
    code::S46_RULE..=code::S46_RULE,
    code::S46_DMR..=code::S46_PORTPARAMS,
    code::MUD_URL_V6..=code::MUD_URL_V6,
    code::F_BINDING_STATUS..=code::RELAY_PORT,
    code::IA_LL..=code::SLAP_QUAD,
    code::IA_SRV6_LOCATOR..=code::IALOCATOR,
];

/// The number of an option that no other field and no other message has.
fn number(node: &Node<'_>) -> Result<u16, Refusal> {
    let code = values::integer(1..=65535)(node)?;
    let code = u16::try_from(code).unwrap_or(u16::MAX);
    if let Some(field) = field_of(code) {
        return Err(Refusal::new("has a field of its own", format!("write it as {field}")));
    }
    let remedy = "take it out; write an option that clients ask servers for";
    if code == code::ADDR_REG_ENABLE {
        return Err(Refusal::new(
            "has a field of its own",
            "write address_registration = true on the network",
        ));
    }
    if NOT_ASKED_OF_SERVERS.iter().any(|range| range.contains(&code)) {
        return Err(Refusal::new("is written by the server itself, by clients or by relays only", remedy));
    }
    Ok(code)
}

/// The value of an option: exactly one of four fields.
fn data(fields: &Fields<'_, '_, '_>, path: &Path<'_>, out: &mut Findings) -> Option<Vec<u8>> {
    let forms = ["hex", "text", "addresses", "names"];
    let given: Vec<&str> = forms.into_iter().filter(|name| fields.entry(name).is_some()).collect();
    let [form] = given.as_slice() else {
        let what = if given.is_empty() { "has no value" } else { "has more than one value" };
        out.error(path.field(), what, given.join(", "), "write one of hex, text, addresses and names");
        return None;
    };
    let value = match *form {
        "hex" => fields.take("hex", out, values::hex)?,
        "text" => fields.take("text", out, |node| values::text(node).map(|t| t.as_bytes().to_vec()))?,
        "addresses" => octets(&fields.list("addresses", out, values::address)?),
        _ => names(&fields.list("names", out, values::name)?),
    };
    if value.len() > usize::from(u16::MAX) {
        out.error(path.field(), "is longer than an option can be", value.len(), "write at most 65535 octets");
        return None;
    }
    Some(value)
}

/// A list written as strings, each short enough for its length of 16 bits.
pub(super) fn short_text(node: &Node<'_>) -> Result<String, Refusal> {
    match &node.value {
        Value::Text(text) if text.len() > usize::from(u16::MAX) => {
            Err(Refusal::new("is longer than 65535 octets", "shorten it"))
        }
        _ => values::free_text(node),
    }
}
