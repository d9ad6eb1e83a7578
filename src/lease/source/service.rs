//! Reads what a network says of its metadata service: where it listens, who answers, which sessions it wants.

use std::net::{Ipv6Addr, SocketAddrV6};

use super::fields::{Fields, Path, Refusal};
use super::network::limit;
use super::node::Node;
use super::values;
use crate::lease::problem::Findings;
use crate::types::ip6;
use crate::types::limits::{MAX_SERVICE_ADDRESSES, MAX_UPSTREAM_NAME};

/// Port of a service address that is written without one.
const HTTP: u16 = 80;

/// What a network says of its metadata service.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) services: Vec<Service>,
    /// Name of an upstream of the hypervisor's configuration; `None` for that file's default.
    pub(crate) upstream: Option<String>,
    /// Documents need a session token; `None` where nothing is written.
    pub(crate) token_required: Option<bool>,
}

/// Where the service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Where it stands in the list of the source, for problems.
    pub(crate) index: usize,
    pub(crate) address: Ipv6Addr,
    pub(crate) port: u16,
}

pub(super) fn read(fields: &Fields<'_, '_, '_>, path: &Path<'_>, out: &mut Findings) -> Metadata {
    let metadata = fields.take("metadata", out, values::boolean).unwrap_or(false);
    let services = match fields.whole_list("service_addresses", out, service) {
        Some(given) => {
            limit(given.len(), MAX_SERVICE_ADDRESSES, "service_addresses", path, out);
            let read = given.into_iter().enumerate();
            read.filter_map(|(index, given)| Some(Service { index, ..given? })).collect()
        }
        None if metadata => vec![Service { index: 0, address: ip6::METADATA, port: HTTP }],
        None => Vec::new(),
    };
    Metadata {
        services,
        upstream: fields.take("metadata_upstream", out, upstream),
        token_required: fields.take("metadata_token", out, token),
    }
}

/// An address, or an address in brackets with a port (RFC 3986 §3.2.2).
fn service(node: &Node<'_>) -> Result<Service, Refusal> {
    let text = values::text(node)?;
    let remedy = "write an address as fd00:ec2::254, or with a port as [fd00:ec2::254]:8080";
    let read = match text.parse::<Ipv6Addr>() {
        Ok(address) => Some((address, HTTP)),
        Err(_) => with_port(text),
    };
    let (address, port) = read.ok_or_else(|| Refusal::new("is no service address", remedy))?;
    if address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.to_ipv4_mapped().is_some()
    {
        return Err(Refusal::new("is no address of a service", remedy));
    }
    if port == 0 {
        return Err(Refusal::new("has port 0", "write a port from 1 to 65535"));
    }
    Ok(Service { index: 0, address, port })
}

fn with_port(text: &str) -> Option<(Ipv6Addr, u16)> {
    // The standard library also reads a zone, which means nothing to others, and ports with leading zeros.
    let (address, port) = text.rsplit_once("]:")?;
    let plain = !address.contains('%') && (port == "0" || !port.starts_with('0'));
    let socket: SocketAddrV6 = text.parse().ok().filter(|_| plain)?;
    Some((*socket.ip(), socket.port()))
}

/// A name that can be a bare key of the configuration file.
fn upstream(node: &Node<'_>) -> Result<String, Refusal> {
    let text = values::text(node)?;
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=MAX_UPSTREAM_NAME).contains(&text.len()) && text.bytes().all(named) {
        return Ok(text.to_owned());
    }
    let remedy = format!("write 1 to {MAX_UPSTREAM_NAME} letters, digits, hyphens and underscores");
    Err(Refusal::new("is no name of an upstream", remedy))
}

fn token(node: &Node<'_>) -> Result<bool, Refusal> {
    match values::text(node)? {
        "optional" => Ok(false),
        "required" => Ok(true),
        _ => Err(Refusal::new("is no rule for tokens", "write optional or required")),
    }
}
