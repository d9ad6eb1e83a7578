//! The lock file: which addresses and prefixes came out of pools, and whose they are. Read here, written here.
//!
//! It is TOML with one allocation on each line, so that a change is a line of a diff; more than one on a line, or one on
//! several, is refused.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::fields::{Fields, Path};
use super::node::{Node, Value};
use super::{toml, values};
use crate::lease::problem::{Field, Findings};
use crate::types::MacAddr;

const HEADER: &str = "\
# Addresses and prefixes that `frontdesk compile` took out of the pools of the lease source beside this file.
# Keep it under version control with the source and review its changes: what is listed here is never given to anybody
# else. Lines of ports that are gone stay until `frontdesk compile --prune` takes them out.
version = 1
allocations = [
";
const FOOTER: &str = "]\n";

/// Lines that are parsed at a time: enough to pay for starting the parser, few enough to stay in a processor's cache.
const LINES: usize = 256;

/// What one allocation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Given {
    Address(Ipv6Addr),
    Prefix(Ipv6Net),
}

/// One line. In the order of the file: by network, MAC, addresses before prefixes, value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Allocation {
    pub(crate) network: String,
    pub(crate) mac: MacAddr,
    pub(crate) given: Given,
}

impl std::fmt::Display for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Prefix(prefix) => prefix.fmt(out),
        }
    }
}

/// Reads the text; each allocation with the offset of its line.
pub(crate) fn read(text: &str, out: &mut Findings) -> Vec<(Allocation, usize)> {
    let Some((head, start)) = head(text, out) else { return Vec::new() };
    let known = ["version", "allocations"];
    let (node, broken) = toml::parse(head);
    syntax(broken, 0, out);
    if let Some(fields) = Fields::open(&node, 0, &Path::TOP, &known, out) {
        fields.require("version", "write version = 1", out, |node| match node.value {
            Value::Integer(Some(1), _) => Ok(()),
            _ => Err(super::fields::Refusal::new("is a version that this program does not know", "write 1")),
        });
    }
    let mut all = Vec::new();
    let (mut from, mut at, mut lines) = (start, start, 0);
    for line in text.get(start..).unwrap_or("").split_inclusive('\n') {
        if line.trim() == "]" {
            chunk(text, from..at, &mut all, out);
            let rest = text.get(at + line.len()..).unwrap_or("");
            if let Some(strange) = rest.lines().find(|l| !is_blank(l)) {
                problem(at + line.len(), "something stands behind the list", strange, out);
            }
            return all;
        }
        at += line.len();
        lines += 1;
        if lines % LINES == 0 {
            chunk(text, from..at, &mut all, out);
            from = at;
        }
    }
    problem(text.len(), "the file is cut off: the list has no end", "", out);
    all
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// What stands before the list, and the offset of its first line.
fn head<'t>(text: &'t str, out: &mut Findings) -> Option<(&'t str, usize)> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim() == "allocations = [" {
            return Some((text.get(..at)?, at + line.len()));
        }
        at += line.len();
    }
    problem(0, "there is no line `allocations = [`", "", out);
    None
}

fn problem(at: usize, what: &'static str, value: &str, out: &mut Findings) {
    let remedy = "take the file as it was out of version control, or correct it: one allocation on each line";
    out.error(Field::top(), what, value, remedy);
    if let Some(last) = out.0.last_mut() {
        last.at = Some(at);
    }
}

fn syntax(broken: Vec<toml::Broken>, origin: usize, out: &mut Findings) {
    for (at, what) in broken {
        out.error(Field::top(), format!("the text is broken: {what}"), "", "correct the syntax");
        if let Some(last) = out.0.last_mut() {
            last.at = Some(origin + at);
        }
    }
}

/// Reads whole lines of the list.
fn chunk(text: &str, range: std::ops::Range<usize>, all: &mut Vec<(Allocation, usize)>, out: &mut Findings) {
    const OPEN: &str = "a=[\n";
    let piece = text.get(range.clone()).unwrap_or("");
    let wrapped = format!("{OPEN}{piece}]");
    let (node, broken) = toml::parse(&wrapped);
    let origin = |at: usize| (range.start + at).saturating_sub(OPEN.len());
    if !broken.is_empty() {
        for (at, what) in broken {
            syntax(vec![(0, what)], origin(at), out);
        }
        return;
    }
    let Some(Value::List(list)) = node.entry("a").map(|entry| &entry.node.value) else { return };
    let lines = piece.lines().filter(|line| !is_blank(line)).count();
    if lines != list.len() {
        problem(range.start, "not every line holds one allocation", "", out);
    }
    let path = Path::TOP.key("allocations");
    for node in list {
        let before = out.0.len();
        if let Some(allocation) = allocation(node, &path.index(all.len()), out) {
            all.push((allocation, origin(node.at)));
        }
        for finding in out.0.iter_mut().skip(before) {
            finding.at = Some(origin(finding.at.unwrap_or(node.at)));
        }
    }
}

fn allocation(node: &Node<'_>, path: &Path<'_>, out: &mut Findings) -> Option<Allocation> {
    let fields = Fields::open(node, node.at, path, &["network", "mac_address", "address", "prefix"], out)?;
    let network = fields.require("network", "write the name of the network", out, values::free_text);
    let mac = fields.require("mac_address", "write the MAC address of the port", out, values::mac);
    let address = fields.take("address", out, values::host_address).map(Given::Address);
    let prefix = fields.take("prefix", out, values::delegated_prefix).map(Given::Prefix);
    if fields.entry("address").is_some() == fields.entry("prefix").is_some() {
        out.error(path.field(), "gives not one thing", "", "write either an address or a prefix");
    }
    Some(Allocation { network: network?, mac: mac?, given: address.or(prefix)? })
}

/// The text of a lock file; the allocations are in order.
pub(crate) fn write<'a>(allocations: impl Iterator<Item = &'a Allocation>) -> String {
    let mut out = HEADER.to_owned();
    for Allocation { network, mac, given } in allocations {
        let kind = match given {
            Given::Address(_) => "address",
            Given::Prefix(_) => "prefix",
        };
        let name = ::toml::Value::String(network.clone());
        let _ = writeln!(out, "    {{ network = {name}, mac_address = \"{mac}\", {kind} = \"{given}\" }},");
    }
    out + FOOTER
}
