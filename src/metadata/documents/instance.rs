//! What the lease source says of an instance, read once for a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::lease::{LeaseTable, Port};
use crate::metadata::Guest;

/// The instance behind a port.
#[derive(Debug)]
pub(super) struct Instance<'g> {
    table: &'g LeaseTable,
    port: Port<'g>,
    lease: Lease,
}

/// One of an instance's network interfaces.
#[derive(Debug)]
pub(super) struct Nic<'g> {
    /// The port behind it.
    pub(super) port: Port<'g>,
    /// The device that the port is pinned to.
    pub(super) device: Option<&'g str>,
    names: Names,
}

/// The port's own JSON, as `lease` wrote it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lease {
    #[serde(flatten)]
    names: Names,
    metadata: Map<String, Value>,
}

/// What a port says of itself and its instance.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    id: Option<String>,
    device_id: String,
    project_id: Option<String>,
    hostname: Option<String>,
}

impl Names {
    fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref().map(|name| name.strip_suffix('.').unwrap_or(name))
    }
}

impl Nic<'_> {
    /// The id of its port.
    pub(super) fn id(&self) -> Option<&str> {
        self.names.id.as_deref().filter(|id| !id.is_empty())
    }

    /// Fully qualified, without the dot of the root.
    pub(super) fn hostname(&self) -> Option<&str> {
        self.names.hostname()
    }
}

/// Members of the source's `metadata` that become something; every other one is a member of meta_data.json as it stands.
const KNOWN: [&str; 15] = [
    "availability_zone",
    "dedicated_cpus",
    "devices",
    "ec2",
    "files",
    "keys",
    "launch_index",
    "meta",
    "name",
    "public_keys",
    "random_seed",
    "user_data",
    "user_data_base64",
    "vendor_data",
    "vendor_data2",
];

impl<'g> Instance<'g> {
    /// The instance of a guest; `None` when its port has none.
    pub(super) fn of(guest: &'g Guest) -> Option<Self> {
        let port = guest.port()?;
        let lease: Lease = serde_json::from_slice(port.metadata()).ok()?;
        (!lease.names.device_id.is_empty()).then_some(Self { table: guest.table(), port, lease })
    }

    /// The port that asks.
    pub(super) fn port(&self) -> Port<'g> {
        self.port
    }

    pub(super) fn id(&self) -> &str {
        &self.lease.names.device_id
    }

    pub(super) fn project_id(&self) -> Option<&str> {
        self.lease.names.project_id.as_deref()
    }

    /// All its network interfaces, in the order of the lease source: those of its id and project.
    pub(super) fn nics(&self) -> Vec<Nic<'g>> {
        let nic = |port: Port<'g>| {
            let names: Names = serde_json::from_slice(port.metadata()).ok()?;
            let device = port.device().map(|device| self.table.device_name(device));
            (names.project_id == self.lease.names.project_id).then_some(Nic { port, device, names })
        };
        self.table.ports_of_instance(self.port.id()).into_iter().filter_map(nic).collect()
    }

    /// Fully qualified, without the dot of the root.
    pub(super) fn hostname(&self) -> Option<&str> {
        self.lease.names.hostname()
    }

    /// The name for people: the given one, or the first label of the host name.
    pub(super) fn name(&self) -> Option<&str> {
        self.text("name").or_else(|| self.hostname()?.split('.').next())
    }

    /// A member of the source's `metadata`.
    pub(super) fn given(&self, name: &str) -> Option<&Value> {
        self.lease.metadata.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.given(name)?.as_str()
    }

    /// A member that is a table; an empty one when it is not there.
    pub(super) fn table(&self, name: &str) -> Map<String, Value> {
        self.given(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Members that are none of those with a meaning of their own.
    pub(super) fn others(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.lease.metadata.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()))
    }

    pub(super) fn launch_index(&self) -> u64 {
        self.given("launch_index").and_then(Value::as_u64).unwrap_or(0)
    }

    /// Names and texts of the public keys for ssh, in the order of their names; where there are none, those of `keys`.
    pub(super) fn public_keys(&self) -> Vec<(String, String)> {
        let named = |(name, key): (&String, &Value)| Some((name.clone(), key.as_str()?.to_owned()));
        if let Some(Value::Object(keys)) = self.given("public_keys") {
            return keys.iter().filter_map(named).collect();
        }
        let keys = self.given("keys").and_then(Value::as_array);
        let of_list = |key: &Value| {
            let text = |member| key.get(member).and_then(Value::as_str);
            let ssh = text("type").is_none_or(|kind| kind == "ssh");
            Some((text("name")?.to_owned(), text("data").filter(|_| ssh)?.to_owned()))
        };
        keys.into_iter().flatten().filter_map(of_list).collect()
    }

    /// The user data, octet for octet.
    pub(super) fn user_data(&self) -> Option<Bytes> {
        content(self.given("user_data"), self.given("user_data_base64"))
    }

    /// Paths and contents of the files that are to be put into the guest.
    pub(super) fn files(&self) -> Vec<(&str, Bytes)> {
        let files = self.given("files").and_then(Value::as_array);
        let file =
            |file: &'_ Value| -> Option<Bytes> { content(file.get("content"), file.get("content_base64")) };
        let files = files.into_iter().flatten();
        files.filter_map(|entry| Some((entry.get("path")?.as_str()?, file(entry)?))).collect()
    }
}

fn content(text: Option<&Value>, base64: Option<&Value>) -> Option<Bytes> {
    if let Some(text) = text.and_then(Value::as_str) {
        return Some(Bytes::copy_from_slice(text.as_bytes()));
    }
    STANDARD.decode(base64?.as_str()?).ok().map(Bytes::from)
}
