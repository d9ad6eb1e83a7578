//! What the metadata service gave, in a form that prints, serialises and compares.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::io::probe::report::maybe_text;
use crate::types::MacAddr;

/// What the metadata service gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// Its address.
    pub address: Ipv6Addr,
    /// Its TCP port.
    pub port: u16,
    /// The link-local address that it was asked from: one that the kernel of this machine does not have, so that the
    /// kernel does not reset the connections.
    pub source: Ipv6Addr,
    /// The MAC that answered for the service, or for the router on the way to it; none when nobody did.
    #[serde(serialize_with = "maybe_text")]
    pub mac: Option<MacAddr>,
    /// What was asked, in order; ends early when no connection could be opened.
    pub documents: Vec<Document>,
}

/// One GET on a connection of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Document {
    /// Path of the request.
    pub path: String,
    /// Microseconds from the SYN to its acknowledgement; none when there was none.
    pub connect_us: Option<u64>,
    /// Status code of the answer.
    pub status: Option<u16>,
    /// Its Content-Type.
    pub content_type: Option<String>,
    /// Microseconds from the request to the head of the answer.
    pub first_byte_us: Option<u64>,
    /// Microseconds from the SYN to the last octet of the answer, or to the end of the wait for it.
    pub took_us: u64,
    /// Octets of the body, as far as it came.
    pub octets: u64,
    /// The body or its first MiB, when that is text (UTF-8).
    pub text: Option<String>,
    /// The body or its first MiB in hexadecimal, when it is no text.
    pub data: Option<String>,
    /// What OpenStack's meta_data.json says of the instance; none for other documents.
    pub instance: Option<Instance>,
    /// Why the document was not got; none when it was, or when it may be absent and is.
    pub failure: Option<String>,
}

/// What meta_data.json of OpenStack says of the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Instance id.
    pub uuid: String,
    /// Host name.
    pub hostname: Option<String>,
    /// SSH keys by their names.
    #[serde(default)]
    pub public_keys: BTreeMap<String, String>,
}
