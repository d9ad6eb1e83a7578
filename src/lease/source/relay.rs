//! Reads `[relay]`: which relays are trusted, and how they tell who the client is.

use super::fields::{Fields, Path, Refusal};
use super::model::{Relay, RemoteId};
use super::network::limit;
use super::node::{Entry, Node, Value};
use super::values;
use crate::lease::problem::Findings;
use crate::lease::record::{
    IDENTIFY_CLIENT_LINK_LAYER, IDENTIFY_DUID_LL, IDENTIFY_INTERFACE_ID, IDENTIFY_PEER_ADDRESS,
    IDENTIFY_REMOTE_ID,
};

const RELAY: &[&str] =
    &["devices", "addresses", "server_addresses", "server_mac", "identify", "remote_id", "interface_ids"];

/// The words of `identify`.
pub(in crate::lease) const WAYS: [(&str, u8); 5] = [
    ("client-link-layer", IDENTIFY_CLIENT_LINK_LAYER),
    ("remote-id", IDENTIFY_REMOTE_ID),
    ("interface-id", IDENTIFY_INTERFACE_ID),
    ("peer-address", IDENTIFY_PEER_ADDRESS),
    ("duid-ll", IDENTIFY_DUID_LL),
];

/// Devices that relays are trusted on: those of the uplinks, not of guests.
const MAX_DEVICES: usize = 64;

/// Sources that are believed, looked up by bisection.
const MAX_ADDRESSES: usize = 4096;

/// Our own addresses, looked through for every Neighbor Solicitation on a relays' device.
const MAX_SERVER_ADDRESSES: usize = 16;

/// Octets of a Remote-ID before the MAC: more than any format in use has.
const MAX_OFFSET: u32 = 255;

pub(super) fn read(entry: &Entry<'_>, out: &mut Findings) -> Option<Relay> {
    let path = Path::TOP.key("relay");
    let fields = Fields::open(&entry.node, entry.at, &path, RELAY, out)?;
    let remedy = "write the devices that relayed messages come in on, as devices = [\"uplink0\"]";
    let device = |node: &Node<'_>| values::device(node).map(str::to_owned);
    let devices = fields.list("devices", out, device);
    if devices.is_none() && fields.entry("devices").is_none() {
        fields.missing("devices", remedy, out);
    }
    let relay = Relay {
        devices: devices.unwrap_or_default(),
        addresses: fields.list("addresses", out, values::host_address).unwrap_or_default(),
        server_addresses: fields.list("server_addresses", out, values::host_address).unwrap_or_default(),
        server_mac: fields.take("server_mac", out, values::mac),
        identify: fields.list("identify", out, way).unwrap_or_default(),
        remote_id: fields.entry("remote_id").and_then(|entry| remote_id(entry, &path, out)),
        interface_ids: fields.entry("interface_ids").map(|e| interfaces(e, &path, out)).unwrap_or_default(),
    };
    for (name, count, most) in [
        ("devices", relay.devices.len(), MAX_DEVICES),
        ("addresses", relay.addresses.len(), MAX_ADDRESSES),
        ("server_addresses", relay.server_addresses.len(), MAX_SERVER_ADDRESSES),
    ] {
        limit(count, most, name, &path, out);
    }
    if relay.devices.is_empty() && fields.entry("devices").is_some() && !out.has_errors() {
        out.error(path.key("devices").field(), "is empty", "", remedy);
    }
    Some(relay)
}

fn way(node: &Node<'_>) -> Result<u8, Refusal> {
    let text = values::text(node)?;
    let known = WAYS.iter().find(|(name, _)| *name == text);
    known.map(|(_, code)| *code).ok_or_else(|| {
        let names: Vec<&str> = WAYS.iter().map(|(name, _)| *name).collect();
        Refusal::new("is no way to identify a client", format!("write one of {}", names.join(", ")))
    })
}

fn remote_id(entry: &Entry<'_>, path: &Path<'_>, out: &mut Findings) -> Option<RemoteId> {
    let path = path.key("remote_id");
    let fields = Fields::open(&entry.node, entry.at, &path, &["enterprise", "offset", "format"], out)?;
    let remedy = "write the enterprise number that the relay puts in front (RFC 4649 §3)";
    let enterprise = fields.require("enterprise", remedy, out, values::integer(0..=u32::MAX))?;
    let offset = fields.take("offset", out, values::integer(0..=MAX_OFFSET)).unwrap_or(0);
    let text = fields.take("format", out, |node| match values::text(node)? {
        "binary" => Ok(false),
        "text" => Ok(true),
        _ => Err(Refusal::new("is no format of a MAC address", "write binary or text")),
    });
    Some(RemoteId {
        enterprise,
        offset: u16::try_from(offset).unwrap_or(u16::MAX),
        text: text.unwrap_or(false),
    })
}

/// Interface-Ids as the keys of a table: text, or `hex:` and digits.
fn interfaces(
    entry: &Entry<'_>,
    path: &Path<'_>,
    out: &mut Findings,
) -> Vec<(Vec<u8>, crate::types::MacAddr)> {
    let path = path.key("interface_ids");
    let Value::Table(entries) = &entry.node.value else {
        let _ = Fields::open(&entry.node, entry.at, &path, &[], out);
        return Vec::new();
    };
    let mut all: Vec<(Vec<u8>, crate::types::MacAddr)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let at = path.key(&entry.key);
        let id = match entry.key.strip_prefix("hex:") {
            Some(digits) => values::hex_digits(digits),
            None => Some(entry.key.as_bytes().to_vec()),
        };
        let Some(id) = id else {
            let remedy = "write an even number of hexadecimal digits behind hex:";
            out.error(at.field(), "is no hexadecimal text", &entry.key, remedy);
            continue;
        };
        match values::mac(&entry.node) {
            Ok(mac) => all.push((id, mac)),
            Err(refusal) => out.error(at.field(), refusal.what, entry.node.shown(), refusal.remedy),
        }
    }
    all.sort();
    for pair in all.windows(2) {
        if let [(id, _), (same, _)] = pair
            && id == same
        {
            let shown = String::from_utf8_lossy(id);
            out.error(path.field(), "holds one id twice, as text and as hex", shown, "take one of them out");
        }
    }
    all
}
