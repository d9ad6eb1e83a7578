//! From one value of the tree to one typed value, or the reason why not and what to write instead.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use ipnet::Ipv6Net;

use super::fields::Refusal;
use super::model::Mode;
use super::node::{Node, Value};
use crate::lease::derive;
use crate::types::{DomainName, Duid, Lifetime, MacAddr};
use crate::wire::ndp::advertisement::Preference;

pub(super) fn text<'n>(node: &'n Node<'_>) -> Result<&'n str, Refusal> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(Refusal::kind(node, "a string")),
    }
}

/// A string that is kept as it is.
pub(super) fn free_text(node: &Node<'_>) -> Result<String, Refusal> {
    text(node).map(str::to_owned)
}

pub(super) fn boolean(node: &Node<'_>) -> Result<bool, Refusal> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(Refusal::kind(node, "true or false")),
    }
}

/// An integer of a range.
pub(super) fn integer(range: RangeInclusive<u32>) -> impl Fn(&Node<'_>) -> Result<u32, Refusal> {
    move |node| {
        let Value::Integer(value, _) = &node.value else { return Err(Refusal::kind(node, "an integer")) };
        let fits = value.and_then(|v| u32::try_from(v).ok()).filter(|v| range.contains(v));
        let (least, most) = (range.start(), range.end());
        fits.ok_or_else(|| {
            Refusal::new("is out of range", format!("write an integer from {least} to {most}"))
        })
    }
}

/// Seconds, or the string `infinity`.
pub(super) fn lifetime(node: &Node<'_>) -> Result<Lifetime, Refusal> {
    match &node.value {
        Value::Text(text) if text == "infinity" => Ok(Lifetime::INFINITE),
        Value::Integer(Some(seconds), _) if u32::try_from(*seconds).is_ok() => {
            Ok(Lifetime(u32::try_from(*seconds).unwrap_or(u32::MAX)))
        }
        Value::Integer(..) | Value::Text(_) => {
            Err(Refusal::new("is no lifetime", "write seconds from 0 to 4294967295, or \"infinity\""))
        }
        _ => Err(Refusal::kind(node, "a number of seconds")),
    }
}

/// A MAC address that one guest or router can have.
pub(super) fn mac(node: &Node<'_>) -> Result<MacAddr, Refusal> {
    let mac: MacAddr = text(node)?
        .parse()
        .map_err(|_| Refusal::new("is no MAC address", "write six octets as fa:16:3e:00:00:01"))?;
    if mac.is_zero() {
        return Err(Refusal::new("is the zero address", "write the MAC address of the interface"));
    }
    if mac.is_group() {
        return Err(Refusal::new(
            "is a group address",
            "write a unicast MAC address: the lowest bit of its first octet is 0",
        ));
    }
    Ok(mac)
}

pub(super) fn address(node: &Node<'_>) -> Result<Ipv6Addr, Refusal> {
    let text = text(node)?;
    text.parse().map_err(|_| {
        let remedy = if text.contains('/') {
            "write the address without a prefix length"
        } else {
            "write an address as 2001:db8::1"
        };
        Refusal::new("is no IPv6 address", remedy)
    })
}

/// An address of a guest: not unspecified, which stands for "could not be read".
pub(super) fn host_address(node: &Node<'_>) -> Result<Ipv6Addr, Refusal> {
    let address = address(node)?;
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Err(Refusal::new("is no address of a host", "write a unicast address as 2001:db8::1"));
    }
    Ok(address)
}

/// An address that a host on the link can send to as a server: not unspecified, loopback or a group.
pub(super) fn server_address(node: &Node<'_>) -> Result<Ipv6Addr, Refusal> {
    let address = address(node)?;
    if address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Err(Refusal::new("is no address of a server", "write a unicast address as 2001:db8::1"));
    }
    Ok(address)
}

/// An address of fe80::/10.
pub(super) fn link_local(node: &Node<'_>) -> Result<Ipv6Addr, Refusal> {
    let address = address(node)?;
    if !crate::types::ip6::is_link_local(address) {
        return Err(Refusal::new("is not link-local", "write an address of fe80::/10, as fe80::1"));
    }
    Ok(address)
}

/// A prefix whose host bits are zero.
pub(super) fn prefix(node: &Node<'_>) -> Result<Ipv6Net, Refusal> {
    let net = with_host_bits(node)?;
    if net.addr() != net.network() {
        return Err(Refusal::new("has host bits set", format!("write {}", net.trunc())));
    }
    Ok(net)
}

fn with_host_bits(node: &Node<'_>) -> Result<Ipv6Net, Refusal> {
    text(node)?
        .parse()
        .map_err(|_| Refusal::new("is no IPv6 prefix", "write address/length, as 2001:db8:1::/64"))
}

/// The prefix that is meant by one that was refused for its host bits, so that what else is wrong with it is found at
/// once.
pub(super) fn meant_prefix(node: &Node<'_>) -> Option<Ipv6Net> {
    with_host_bits(node).ok().filter(|net| net.addr() != net.network()).map(|net| net.trunc())
}

/// A prefix that can be given to a guest: not everything, and unicast.
pub(super) fn delegated_prefix(node: &Node<'_>) -> Result<Ipv6Net, Refusal> {
    let net = prefix(node)?;
    match derive::special_range(net) {
        None => Ok(net),
        Some(range) => Err(Refusal::new(
            format!("overlaps the {range}"),
            "write a prefix of global or unique local unicast addresses",
        )),
    }
}

pub(super) fn name(node: &Node<'_>) -> Result<DomainName, Refusal> {
    let parsed: Result<DomainName, _> = text(node)?.parse();
    parsed.map_err(|why| Refusal::new(format!("is no DNS name: {why}"), "write a name as host.example.com"))
}

/// Octets as hexadecimal digits; colons, hyphens and spaces between them are ignored.
pub(super) fn hex(node: &Node<'_>) -> Result<Vec<u8>, Refusal> {
    let remedy = "write an even number of hexadecimal digits, as \"c0ffee\"";
    hex_digits(text(node)?).ok_or_else(|| Refusal::new("is no hexadecimal text", remedy))
}

/// Octets of hexadecimal digits, if the text is that.
pub(super) fn hex_digits(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b" :-".contains(b)).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

pub(super) fn duid(node: &Node<'_>) -> Result<Duid, Refusal> {
    let parsed: Result<Duid, _> = text(node)?.parse();
    parsed.map_err(|why| Refusal::new("is no DUID", why.to_string()))
}

/// A URI (RFC 3986 §3): a scheme, a colon and printable ASCII.
pub(super) fn uri(node: &Node<'_>) -> Result<String, Refusal> {
    let text = text(node)?;
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let mut letters = scheme.bytes();
    let starts = letters.next().is_some_and(|b| b.is_ascii_alphabetic());
    let scheme = starts && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if scheme && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b)) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new("is no URI", "write a URI as https://host.example.com/path, other characters as %XX"))
}

pub(super) fn preference(node: &Node<'_>) -> Result<Preference, Refusal> {
    match text(node)? {
        "low" => Ok(Preference::Low),
        "medium" => Ok(Preference::Medium),
        "high" => Ok(Preference::High),
        _ => Err(Refusal::new("is no preference", "write low, medium or high")),
    }
}

pub(super) fn mode(node: &Node<'_>) -> Result<Mode, Refusal> {
    match text(node)? {
        "slaac" => Ok(Mode::Slaac),
        "dhcpv6-stateless" => Ok(Mode::Stateless),
        "dhcpv6-stateful" => Ok(Mode::Stateful),
        _ => Err(Refusal::new(
            "is no mode",
            "write slaac, dhcpv6-stateless or dhcpv6-stateful, or leave it out",
        )),
    }
}

/// The name of a network device (Linux: 1 to 15 octets, no slash, no white space, not `.` or `..`).
pub(super) fn device<'n>(node: &'n Node<'_>) -> Result<&'n str, Refusal> {
    /// IFNAMSIZ of Linux less its zero octet.
    const LONGEST: usize = 15;
    let text = text(node)?;
    let remedy = "write the name of a network device: 1 to 15 octets without slash, colon or white space";
    if text.is_empty() || text == "." || text == ".." {
        return Err(Refusal::new("is no device name", remedy));
    }
    if text.len() > LONGEST {
        return Err(Refusal::new("is longer than 15 octets", remedy));
    }
    if text.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
        return Err(Refusal::new("has a character that no device name has", remedy));
    }
    Ok(text)
}
