//! The tree of EC2, as Nova serves it (nova/api/metadata/base.py), with the later versions that crawlers look for first.

use serde_json::{Map, Value, json};

use super::instance::Instance;
use super::reply::Document;

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
const SINCE: [(&str, &str); 11] = [
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
    ("ipv6", "2021-03-23"),
];

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
            Some(Document::lines(["meta-data/"].into_iter().chain(user_data)))
        }
        ["user-data"] => instance.user_data().map(Document::octets),
        ["meta-data", path @ ..] => meta_data(instance, version, path),
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
    let port = instance.port();
    let assigned = port.addresses().first().map(|address| std::net::Ipv6Addr::from_octets(*address));
    put("ami-launch-index", Some(instance.launch_index().into()));
    put("instance-id", Some(instance.id().into()));
    put("instance-action", Some("none".into()));
    put("hostname", instance.hostname().map(Value::from));
    put("local-hostname", instance.hostname().map(Value::from));
    put("placement", instance.text("availability_zone").map(|zone| json!({ "availability-zone": zone })));
    put("mac", Some(port.mac().to_string().into()));
    put("ipv6", assigned.or_else(|| port.slaac_addresses().next()).map(|a| a.to_string().into()));
    tree.extend(instance.table("ec2").into_iter().filter(|(_, value)| !value.is_null()));
    if !keys.is_empty() {
        let key = |(i, (_, key)): (usize, &(String, String))| (i.to_string(), json!({ "openssh-key": key }));
        tree.insert("public-keys".to_owned(), keys.iter().enumerate().map(key).collect());
    }
    tree.retain(|name, _| SINCE.iter().all(|(known, since)| known != name || version >= *since));
    tree
}
