//! The tree of EC2, as Nova serves it (nova/api/metadata/base.py), with the later versions that crawlers look for first.

use std::net::Ipv6Addr;

use serde_json::{Map, Value, json};

use super::instance::{Instance, Nic};
use super::reply::Document;
use crate::lease::Port;

/// Every version, the newest last: Nova's, and those that cloud-init asks for before them; `latest` is the newest.
const VERSIONS: [&str; 12] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2016-09-02",
    "2018-09-24",
    "2021-03-23",
];

/// Entries of `meta-data` that the first version did not have, with their first version.
const SINCE: [(&str, &str); 12] = [
    ("local-hostname", "2007-01-19"),
    ("public-hostname", "2007-01-19"),
    ("public-ipv4", "2007-01-19"),
    ("instance-type", "2007-08-29"),
    ("block-device-mapping", "2007-12-15"),
    ("kernel-id", "2007-12-15"),
    ("ramdisk-id", "2007-12-15"),
    ("placement", "2008-02-01"),
    ("instance-action", "2008-09-01"),
    ("mac", "2016-09-02"),
    ("network", "2016-09-02"),
    ("ipv6", "2021-03-23"),
];

/// First with the identity document.
const IDENTITY: &str = "2016-09-02";

/// The document at a path of EC2, without the leading `ec2` that it may have.
pub(super) fn document(instance: &Instance<'_>, path: &[&str]) -> Option<Document> {
    let Some((version, path)) = path.split_first() else {
        return Some(Document::lines(VERSIONS.into_iter().chain(["latest"])));
    };
    let known = |known: &&str| *known == *version || *version == "latest";
    let version = VERSIONS.into_iter().rfind(known)?;
    match path {
        [] => {
            let user_data = instance.user_data().map(|_| "user-data");
            let dynamic = (version >= IDENTITY).then_some("dynamic/");
            Some(Document::lines(["meta-data/"].into_iter().chain(user_data).chain(dynamic)))
        }
        ["user-data"] => instance.user_data().map(Document::octets),
        ["meta-data", path @ ..] => meta_data(instance, version, path),
        ["dynamic", path @ ..] if version >= IDENTITY => identity(instance, path),
        _ => None,
    }
}

fn meta_data(instance: &Instance<'_>, version: &str, path: &[&str]) -> Option<Document> {
    let keys = instance.public_keys();
    if let (["public-keys"], false) = (path, keys.is_empty()) {
        let line = |(i, (name, _)): (usize, &(String, String))| format!("{i}={name}");
        let lines: Vec<String> = keys.iter().enumerate().map(line).collect();
        return Some(Document::lines(lines.iter().map(String::as_str)));
    }
    let tree = Value::Object(tree(instance, version, &keys));
    let found = path.iter().try_fold(&tree, |folder, name| folder.as_object()?.get(*name))?;
    Some(print(found))
}

/// The instance identity document, as far as its members are known; there is no signature of it.
fn identity(instance: &Instance<'_>, path: &[&str]) -> Option<Document> {
    let ["instance-identity", "document"] = path else {
        let folder = match path {
            [] => "instance-identity/",
            ["instance-identity"] => "document",
            _ => return None,
        };
        return Some(Document::lines([folder]));
    };
    let mut document = Map::new();
    let ec2 = instance.table("ec2");
    for (member, value) in [
        ("accountId", instance.project_id().map(Value::from)),
        ("availabilityZone", instance.text("availability_zone").map(Value::from)),
        ("imageId", ec2.get("ami-id").cloned()),
        ("instanceId", Some(ec2.get("instance-id").cloned().unwrap_or_else(|| instance.id().into()))),
        ("instanceType", ec2.get("instance-type").cloned()),
        ("version", Some("2017-09-30".into())),
    ] {
        document.extend(value.map(|value| (member.to_owned(), value)));
    }
    Some(Document::json(&Value::Object(document)))
}

/// A folder is the list of its names, those of folders with a slash; a list is its lines.
fn print(value: &Value) -> Document {
    match value {
        Value::Object(folder) => {
            let name = |(name, value): (&String, &Value)| {
                if value.is_object() { format!("{name}/") } else { name.clone() }
            };
            let names: Vec<String> = folder.iter().map(name).collect();
            Document::lines(names.iter().map(String::as_str))
        }
        Value::Array(list) => {
            let lines: Vec<String> = list.iter().map(line).collect();
            Document::lines(lines.iter().map(String::as_str))
        }
        value => Document::lines([line(value).as_str()]),
    }
}

fn line(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the lease says, overlaid by the operator's own entries.
fn tree(instance: &Instance<'_>, version: &str, keys: &[(String, String)]) -> Map<String, Value> {
    let mut tree = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            tree.insert(name.to_owned(), value);
        }
    };
    put("ami-launch-index", Some(instance.launch_index().into()));
    put("instance-id", Some(instance.id().into()));
    put("instance-action", Some("none".into()));
    put("hostname", instance.hostname().map(Value::from));
    put("local-hostname", instance.hostname().map(Value::from));
    put("placement", instance.text("availability_zone").map(|zone| json!({ "availability-zone": zone })));
    put("mac", Some(instance.port().mac().to_string().into()));
    put("ipv6", addresses(&instance.port()).next().map(|address| address.to_string().into()));
    let nics: Vec<Nic<'_>> = instance.nics();
    let macs: Map<String, Value> =
        nics.iter().enumerate().map(|(i, nic)| (nic.port.mac().to_string(), interface(nic, i))).collect();
    put("network", Some(json!({ "interfaces": { "macs": macs } })));
    tree.extend(instance.table("ec2").into_iter().filter(|(_, value)| !value.is_null()));
    if !keys.is_empty() {
        let key = |(i, (_, key)): (usize, &(String, String))| (i.to_string(), json!({ "openssh-key": key }));
        tree.insert("public-keys".to_owned(), keys.iter().enumerate().map(key).collect());
    }
    tree.retain(|name, _| SINCE.iter().all(|(known, since)| known != name || version >= *since));
    tree
}

/// The entries of one network interface below its MAC.
fn interface(nic: &Nic<'_>, number: usize) -> Value {
    let texts = |texts: &mut dyn Iterator<Item = String>| {
        let texts: Vec<Value> = texts.map(Value::from).collect();
        (!texts.is_empty()).then_some(Value::Array(texts))
    };
    let prefix = |address, length: u8| format!("{}/{length}", Ipv6Addr::from_octets(address));
    let network = nic.port.network();
    let mut delegated = nic.port.prefixes().iter().map(|record| prefix(record.prefix, record.length));
    let mut subnets = network.subnets().iter().map(|record| prefix(record.prefix, record.length));
    let mut entries = Map::new();
    for (name, value) in [
        ("device-number", Some(number.into())),
        ("interface-id", nic.id().map(Value::from)),
        ("ipv6-prefix", texts(&mut delegated)),
        ("ipv6s", texts(&mut addresses(&nic.port).map(|address| address.to_string()))),
        ("local-hostname", nic.hostname().map(Value::from)),
        ("mac", Some(nic.port.mac().to_string().into())),
        ("subnet-ipv6-cidr-blocks", texts(&mut subnets)),
    ] {
        entries.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(entries)
}

/// The addresses that a port has: by DHCPv6 first, then by SLAAC.
fn addresses(port: &Port<'_>) -> impl Iterator<Item = Ipv6Addr> {
    port.addresses().iter().map(|address| Ipv6Addr::from_octets(*address)).chain(port.slaac_addresses())
}
