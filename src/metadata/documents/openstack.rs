//! The tree below `/openstack`, as Nova serves it (nova/api/metadata/base.py).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::instance::Instance;
use super::reply::Document;
use super::{Moment, network};

/// Every version, the newest last; `latest` is the newest.
const VERSIONS: [&str; 10] = [
    "2012-08-10",
    GRIZZLY,
    HAVANA,
    LIBERTY,
    NEWTON_ONE,
    NEWTON_TWO,
    "2017-02-22",
    "2018-08-27",
    VICTORIA,
    "2025-04-04",
];
/// First with a random seed.
const GRIZZLY: &str = "2013-04-04";
/// First with vendor_data.json.
const HAVANA: &str = "2013-10-17";
/// First with network_data.json and the project.
const LIBERTY: &str = "2015-10-15";
/// First with devices.
const NEWTON_ONE: &str = "2016-06-30";
/// First with vendor_data2.json.
const NEWTON_TWO: &str = "2016-10-06";
/// First with dedicated processors.
const VICTORIA: &str = "2020-10-14";

/// The document at a path below `/openstack`.
pub(super) fn document(instance: &Instance<'_>, path: &[&str], moment: &Moment<'_>) -> Option<Document> {
    match path {
        [] => Some(Document::lines(VERSIONS.into_iter().chain(["latest"]))),
        ["content", number] => content(instance, number),
        [version] => Some(listing(instance, known(version)?)),
        [version, file] => self::file(instance, known(version)?, file, moment),
        _ => None,
    }
}

fn known(version: &str) -> Option<&'static str> {
    if version == "latest" {
        return VERSIONS.last().copied();
    }
    VERSIONS.into_iter().find(|known| *known == version)
}

/// The files of a version in the order of Nova's list. There is no `password`: nothing that a guest says is kept.
fn listing(instance: &Instance<'_>, version: &str) -> Document {
    let files = [
        ("meta_data.json", true),
        ("user_data", instance.user_data().is_some()),
        ("vendor_data.json", version >= HAVANA),
        ("network_data.json", version >= LIBERTY),
        ("vendor_data2.json", version >= NEWTON_TWO),
    ];
    Document::lines(files.into_iter().filter(|(_, there)| *there).map(|(name, _)| name))
}

fn file(instance: &Instance<'_>, version: &str, name: &str, moment: &Moment<'_>) -> Option<Document> {
    match name {
        "meta_data.json" => Some(Document::json(&meta_data(instance, version, moment))),
        "user_data" => instance.user_data().map(Document::octets),
        "vendor_data.json" if version >= HAVANA => {
            Some(Document::json(instance.given("vendor_data").unwrap_or(&json!({}))))
        }
        "network_data.json" if version >= LIBERTY => Some(Document::json(&network::data(instance))),
        "vendor_data2.json" if version >= NEWTON_TWO => Some(Document::json(&vendor_data2(instance))),
        _ => None,
    }
}

/// The operator's data below `static`, beside what dynamic providers would have said.
fn vendor_data2(instance: &Instance<'_>) -> Value {
    let mut data = instance.table("vendor_data2");
    data.insert("static".to_owned(), instance.given("vendor_data").cloned().unwrap_or_else(|| json!({})));
    Value::Object(data)
}

fn content(instance: &Instance<'_>, number: &str) -> Option<Document> {
    let files = instance.files().into_iter().enumerate();
    let mut found = files.filter(|(i, _)| number_of(*i) == number);
    found.next().map(|(_, (_, octets))| Document::octets(octets))
}

fn number_of(file: usize) -> String {
    format!("{file:04}")
}

fn meta_data(instance: &Instance<'_>, version: &str, moment: &Moment<'_>) -> Value {
    let mut data: Map<String, Value> = Map::new();
    data.extend(instance.others().map(|(name, value)| (name.clone(), value.clone())));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            data.insert(name.to_owned(), value);
        }
    };
    put("uuid", Some(instance.id().into()));
    put("meta", instance.given("meta").cloned());
    put("hostname", instance.hostname().map(Value::from));
    put("name", instance.name().map(Value::from));
    put("launch_index", Some(instance.launch_index().into()));
    put("availability_zone", Some(instance.given("availability_zone").cloned().unwrap_or(Value::Null)));
    let files = instance.files().into_iter().enumerate();
    let files: Vec<Value> = files
        .map(|(i, (path, _))| json!({ "path": path, "content_path": format!("/content/{}", number_of(i)) }))
        .collect();
    put("files", (!files.is_empty()).then_some(files.into()));
    let keys = instance.public_keys();
    if !keys.is_empty() {
        let listed = keys.iter().map(|(name, data)| json!({ "name": name, "type": "ssh", "data": data }));
        put("keys", Some(instance.given("keys").cloned().unwrap_or_else(|| listed.collect())));
        put("public_keys", Some(keys.into_iter().map(|(name, key)| (name, Value::from(key))).collect()));
    }
    if version >= GRIZZLY {
        let seed = || Value::from(STANDARD.encode(moment.tokens.seed(instance, moment.now)));
        put("random_seed", Some(instance.given("random_seed").cloned().unwrap_or_else(seed)));
    }
    if version >= LIBERTY {
        put("project_id", instance.project_id().map(Value::from));
    }
    if version >= NEWTON_ONE {
        put("devices", Some(instance.given("devices").cloned().unwrap_or_else(|| json!([]))));
    }
    if version >= VICTORIA {
        put("dedicated_cpus", Some(instance.given("dedicated_cpus").cloned().unwrap_or_else(|| json!([]))));
    }
    Value::Object(data)
}
