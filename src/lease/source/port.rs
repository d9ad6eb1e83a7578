//! Reads one port.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use super::fields::{Fields, Path, Refusal};
use super::node::{Node, Value};
use super::options::{self, OPTION_FIELDS, Options};
use super::ports::{Delegate, Delegated, Port, Shard, UNREAD_ADDRESS};
use super::{instance, values};
use crate::lease::problem::Findings;
use crate::types::limits::{MAX_PORT_ADDRESSES, MAX_PORT_PREFIXES};

/// The fields that most ports have come first: they are looked for in this order.
const OWN: [&str; 13] = [
    "mac_address",
    "network",
    "device",
    "fixed_ips",
    "hostname",
    "device_id",
    "project_id",
    "delegated_prefixes",
    "metadata",
    "id",
    "name",
    "delegate",
    "allocate",
];
const PORT: [&str; OWN.len() + OPTION_FIELDS] = options::known(&OWN);

/// Numbers of the networks by name; `None` when the networks could not be read, so that no name can be checked.
pub(super) type Networks<'a> = Option<HashMap<&'a str, u32>>;

/// Reads a port into the shard; what is wrong is left out of it and added to the findings.
pub(super) fn read(
    node: &Node<'_>,
    path: &Path<'_>,
    networks: &Networks<'_>,
    shard: &mut Shard,
    out: &mut Findings,
) {
    let Some(fields) = Fields::open(node, node.at, path, &PORT, out) else {
        shard.push(&Port::default(), None);
        return;
    };
    let _ = fields.take("name", out, |node| values::text(node).map(drop));
    let mac =
        fields.require("mac_address", "write the MAC address of the guest's interface", out, values::mac);
    let network =
        fields.require("network", "write the name of a network", out, |node| network(node, networks));
    let device = fields.take("device", out, |node| values::device(node).map(str::to_owned));
    let fixed_ips = fields.whole_list("fixed_ips", out, values::host_address).unwrap_or_default();
    let prefixes = fields.whole_list("delegated_prefixes", out, delegated).unwrap_or_default();
    let delegate = fields.take("delegate", out, delegate);
    for (name, count, most) in [
        ("fixed_ips", fixed_ips.len(), MAX_PORT_ADDRESSES),
        ("delegated_prefixes", prefixes.len() + delegate.map_or(0, |d| d.count.into()), MAX_PORT_PREFIXES),
    ] {
        if count > most {
            out.error(path.key(name).field(), "too many entries", count, format!("keep at most {most}"));
        }
    }
    let fixed_ips: Vec<Ipv6Addr> = fixed_ips.into_iter().map(|a| a.unwrap_or(UNREAD_ADDRESS)).collect();
    let prefixes: Vec<Delegated> = prefixes.into_iter().map(Option::unwrap_or_default).collect();
    let hostname = fields.take("hostname", out, values::name);
    // Most ports have no options of their own.
    let own = fields.has_behind(OWN.len()).then(|| options::read(&fields, path, out));
    let options = own.filter(|own| *own != Options::default()).map(Box::new);
    instance::read(&fields, path, shard.metadata(), out);
    let port = Port {
        mac,
        network: network.flatten(),
        device: device.as_deref(),
        fixed_ips: &fixed_ips,
        delegated_prefixes: &prefixes,
        delegate,
        allocate: fields.take("allocate", out, values::boolean),
        hostname: hostname.as_ref().map_or(&[], |name| name.as_wire()),
        ..Port::default()
    };
    shard.push(&port, options);
}

/// A prefix, or a table of a prefix and the part of it that is not delegated (RFC 6603).
fn delegated(node: &Node<'_>) -> Result<Delegated, Refusal> {
    let Value::Table(entries) = &node.value else {
        return values::delegated_prefix(node).map(|prefix| Delegated { prefix, exclude: None });
    };
    let remedy = "write a prefix, or { prefix = \"…\", exclude = \"…\" }";
    if let Some(strange) = entries.iter().find(|e| e.key != "prefix" && e.key != "exclude") {
        return Err(Refusal::new(format!("has an unknown field {}", strange.key), remedy));
    }
    let prefix = node.entry("prefix").ok_or_else(|| Refusal::new("has no prefix", remedy))?;
    let exclude = node.entry("exclude").map(|entry| values::prefix(&entry.node)).transpose()?;
    Ok(Delegated { prefix: values::delegated_prefix(&prefix.node)?, exclude })
}

/// A number of prefixes out of the network's pools, or a table of their length and number.
fn delegate(node: &Node<'_>) -> Result<Delegate, Refusal> {
    let most = u32::try_from(MAX_PORT_PREFIXES).unwrap_or(u32::MAX);
    let small = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    let Value::Table(entries) = &node.value else {
        return Ok(Delegate { length: None, count: small(values::integer(0..=most)(node)?) });
    };
    let remedy = "write a number of prefixes, or { length = 60, count = 1 }";
    if let Some(strange) = entries.iter().find(|e| e.key != "length" && e.key != "count") {
        return Err(Refusal::new(format!("has an unknown field {}", strange.key), remedy));
    }
    let length = node.entry("length").map(|e| values::integer(1..=128)(&e.node)).transpose()?;
    let count = node.entry("count").map(|e| values::integer(0..=most)(&e.node)).transpose()?;
    Ok(Delegate { length: length.map(small), count: small(count.unwrap_or(1)) })
}

fn network(node: &Node<'_>, networks: &Networks<'_>) -> Result<Option<u32>, Refusal> {
    let name = values::text(node)?;
    let Some(networks) = networks else { return Ok(None) };
    networks.get(name).copied().map(Some).ok_or_else(|| {
        Refusal::new(
            "no such network",
            format!("define [networks.{name}] or write the name of one that exists"),
        )
    })
}
