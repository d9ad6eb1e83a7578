//! Reads one port.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::fields::{Fields, Path, Refusal};
use super::model::{Options, Port, UNREAD_ADDRESS};
use super::network::options;
use super::node::{Node, Value};
use super::values;
use crate::lease::problem::Findings;
use crate::types::limits::{MAX_PORT_ADDRESSES, MAX_PORT_PREFIXES};

const PORT: &[&str] = &[
    "id",
    "name",
    "mac_address",
    "network",
    "device",
    "fixed_ips",
    "delegated_prefixes",
    "hostname",
    "device_id",
    "project_id",
    "metadata",
    "dns_nameservers",
    "dns_domains",
    "ntp_servers",
    "boot_file_url",
    "captive_portal",
];

/// Numbers of the networks by name; `None` when the networks could not be read, so that no name can be checked.
pub(super) type Networks<'a> = Option<HashMap<&'a str, u32>>;

/// A port of which nothing is known: what could not be read still counts.
pub(super) fn unread() -> Port {
    Port {
        mac: None,
        network: None,
        device: None,
        fixed_ips: Box::default(),
        delegated_prefixes: Box::default(),
        hostname: None,
        options: None,
        metadata: Box::default(),
    }
}

/// Reads a port; what is wrong is left out of it and added to the findings.
pub(super) fn read(node: &Node<'_>, path: &Path<'_>, networks: &Networks<'_>, out: &mut Findings) -> Port {
    let Some(fields) = Fields::open(node, node.at, path, PORT, out) else { return unread() };
    for name in ["id", "name"] {
        let _ = fields.take(name, out, |node| values::text(node).map(drop));
    }
    let mac =
        fields.require("mac_address", "write the MAC address of the guest's interface", out, values::mac);
    let network =
        fields.require("network", "write the name of a network", out, |node| network(node, networks));
    let fixed_ips = fields.whole_list("fixed_ips", out, values::host_address).unwrap_or_default();
    let prefixes = fields.whole_list("delegated_prefixes", out, values::delegated_prefix).unwrap_or_default();
    for (name, count, most) in [
        ("fixed_ips", fixed_ips.len(), MAX_PORT_ADDRESSES),
        ("delegated_prefixes", prefixes.len(), MAX_PORT_PREFIXES),
    ] {
        if count > most {
            out.error(path.key(name).field(), "too many entries", count, format!("keep at most {most}"));
        }
    }
    let options = options(&fields, out);
    Port {
        mac,
        network: network.flatten(),
        device: fields.take("device", out, values::device),
        fixed_ips: fixed_ips.into_iter().map(|a| a.unwrap_or(UNREAD_ADDRESS)).collect(),
        delegated_prefixes: prefixes.into_iter().map(Option::unwrap_or_default).collect(),
        hostname: fields.take("hostname", out, values::name),
        options: (options != Options::default()).then(|| Box::new(options)),
        metadata: metadata(&fields, out),
    }
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

/// One JSON object with what is there of `device_id`, `project_id`, `hostname` and `metadata`, in this order.
fn metadata(fields: &Fields<'_, '_, '_>, out: &mut Findings) -> Box<str> {
    let mut json = String::new();
    for name in ["device_id", "project_id"] {
        if let Some(text) = fields.take(name, out, values::free_text) {
            member(&mut json, name);
            quote(&mut json, &text);
        }
    }
    if let Some(Ok(text)) = fields.entry("hostname").map(|entry| values::text(&entry.node)) {
        member(&mut json, "hostname");
        quote(&mut json, text);
    }
    let mut rendered = String::new();
    let given = fields.take("metadata", out, |node| match &node.value {
        Value::Table(_) => render(&mut rendered, node),
        _ => Err(Refusal::kind(node, "a table")),
    });
    if given.is_some() {
        member(&mut json, "metadata");
        json.push_str(&rendered);
    }
    if !json.is_empty() {
        json.push('}');
    }
    json.into_boxed_str()
}

fn member(json: &mut String, name: &str) {
    json.push(if json.is_empty() { '{' } else { ',' });
    quote(json, name);
    json.push(':');
}

/// Appends a value as JSON (RFC 8259).
fn render(json: &mut String, node: &Node<'_>) -> Result<(), Refusal> {
    match &node.value {
        Value::Null => json.push_str("null"),
        Value::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Value::Integer(Some(number), _) => {
            let _ = write!(json, "{number}");
        }
        Value::Integer(None, text) => {
            return Err(Refusal::new(
                format!("holds an integer of more than 64 bits, {text}"),
                "write it as a string",
            ));
        }
        Value::Float(number, text) => {
            let number = serde_json::Number::from_f64(*number).ok_or_else(|| {
                Refusal::new(
                    format!("holds a number that JSON cannot express, {text}"),
                    "write it as a string",
                )
            })?;
            let _ = write!(json, "{number}");
        }
        Value::Text(text) => quote(json, text),
        Value::Date(text) => quote(json, text),
        Value::List(list) => {
            json.push('[');
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    json.push(',');
                }
                render(json, item)?;
            }
            json.push(']');
        }
        Value::Table(entries) => {
            json.push('{');
            for (i, entry) in entries.iter().enumerate() {
                if i > 0 {
                    json.push(',');
                }
                quote(json, &entry.key);
                json.push(':');
                render(json, &entry.node)?;
            }
            json.push('}');
        }
    }
    Ok(())
}

fn quote(json: &mut String, text: &str) {
    // A string always has a JSON form.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}
