//! Reads what a port says of its instance, and writes it as the JSON that documents are made of.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fields::{Fields, Path, Refusal};
use super::node::{Entry, Node, Value};
use super::values;
use crate::lease::problem::Findings;

/// What a member of `metadata` must be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Base64,
    Integer,
    Integers,
    List,
    Table,
    /// Of names without line feeds, and texts.
    Keys,
    /// Of tables with a path and a content.
    Files,
    /// Not here: it is this field of the port.
    FieldOfPort(&'static str),
}

/// Members with a meaning of their own; any other one goes into meta_data.json as it stands.
const MEMBERS: [(&str, Kind); 18] = [
    ("availability_zone", Kind::Text),
    ("dedicated_cpus", Kind::Integers),
    ("devices", Kind::List),
    ("ec2", Kind::Table),
    ("files", Kind::Files),
    ("hostname", Kind::FieldOfPort("hostname")),
    ("keys", Kind::List),
    ("launch_index", Kind::Integer),
    ("meta", Kind::Table),
    ("name", Kind::Text),
    ("project_id", Kind::FieldOfPort("project_id")),
    ("public_keys", Kind::Keys),
    ("random_seed", Kind::Base64),
    ("user_data", Kind::Text),
    ("user_data_base64", Kind::Base64),
    ("uuid", Kind::FieldOfPort("device_id")),
    ("vendor_data", Kind::Table),
    ("vendor_data2", Kind::Table),
];

/// Appends one JSON object with what is there of `id`, `device_id`, `project_id`, `hostname` and `metadata`, in this
/// order.
pub(super) fn read(fields: &Fields<'_, '_, '_>, path: &Path<'_>, json: &mut String, out: &mut Findings) {
    let start = json.len();
    for name in ["id", "device_id", "project_id", "hostname"] {
        // A host name that is none has been found out already.
        let mut quiet = Findings::default();
        let out = if name == "hostname" { &mut quiet } else { &mut *out };
        fields.take(name, out, |node| {
            let text = values::text(node)?;
            member(json, start, name);
            quote(json, text);
            Ok(())
        });
    }
    if let Some(Value::Table(members)) = fields.entry("metadata").map(|entry| &entry.node.value) {
        check(members, &path.key("metadata"), out);
    }
    fields.take("metadata", out, |node| match &node.value {
        Value::Table(_) => {
            member(json, start, "metadata");
            render(json, node)
        }
        _ => Err(Refusal::kind(node, "a table")),
    });
    if json.len() > start {
        json.push('}');
    }
}

fn check(members: &[Entry<'_>], path: &Path<'_>, out: &mut Findings) {
    for entry in members {
        let Some((name, kind)) = MEMBERS.iter().find(|(name, _)| entry.key == *name) else { continue };
        let path = path.key(name);
        match kind {
            Kind::Keys => keys(entry, &path, out),
            Kind::Files => files(entry, &path, out),
            kind => {
                if let Err(refusal) = value(&entry.node, *kind) {
                    refusal.report(&entry.node, entry.at, &path, out);
                }
            }
        }
    }
    let has = |name: &str| members.iter().find(|entry| entry.key == name);
    if let (Some(_), Some(second)) = (has("user_data"), has("user_data_base64")) {
        let refusal = Refusal::new("is given beside user_data", "keep one of the two");
        refusal.report(&second.node, second.at, &path.key("user_data_base64"), out);
    }
}

fn value(node: &Node<'_>, kind: Kind) -> Result<(), Refusal> {
    match kind {
        Kind::Text => values::text(node).map(drop),
        Kind::Base64 => base64(node),
        Kind::Integer => values::integer(0..=u32::MAX)(node).map(drop),
        Kind::Integers => match &node.value {
            Value::List(list) => list.iter().try_for_each(|item| value(item, Kind::Integer)),
            _ => Err(Refusal::kind(node, "a list of integers")),
        },
        Kind::List if !matches!(node.value, Value::List(_)) => Err(Refusal::kind(node, "a list")),
        Kind::Table | Kind::Keys if !matches!(node.value, Value::Table(_)) => {
            Err(Refusal::kind(node, "a table"))
        }
        Kind::FieldOfPort(field) => {
            let remedy = format!("write {field} in the port itself, and take it out here");
            Err(Refusal::new("is a field of the port", remedy))
        }
        Kind::List | Kind::Table | Kind::Keys | Kind::Files => Ok(()),
    }
}

fn base64(node: &Node<'_>) -> Result<(), Refusal> {
    let remedy = "write it with the alphabet of RFC 4648 §4 and its padding, without line feeds";
    STANDARD.decode(values::text(node)?).map(drop).map_err(|_| Refusal::new("is no base64", remedy))
}

/// Names of keys stand in lists of lines.
fn keys(entry: &Entry<'_>, path: &Path<'_>, out: &mut Findings) {
    let Value::Table(keys) = &entry.node.value else {
        Refusal::kind(&entry.node, "a table").report(&entry.node, entry.at, path, out);
        return;
    };
    for key in keys {
        let text = values::text(&key.node).map(drop);
        let named = if key.key.chars().any(char::is_control) {
            Err(Refusal::new("has a control character in its name", "name the key in one line"))
        } else {
            text
        };
        if let Err(refusal) = named {
            refusal.report(&key.node, key.at, &path.key(&key.key), out);
        }
    }
}

fn files(entry: &Entry<'_>, path: &Path<'_>, out: &mut Findings) {
    let Value::List(files) = &entry.node.value else {
        Refusal::kind(&entry.node, "a list of tables").report(&entry.node, entry.at, path, out);
        return;
    };
    for (i, node) in files.iter().enumerate() {
        let path = path.index(i);
        let known = ["path", "content", "content_base64"];
        let Some(file) = Fields::open(node, node.at, &path, &known, out) else { continue };
        file.require("path", "write where the guest puts the file, as /etc/motd", out, values::free_text);
        file.take("content", out, values::free_text);
        file.take("content_base64", out, base64);
        if file.entry("content").is_some() == file.entry("content_base64").is_some() {
            let remedy = "write content or content_base64, one of the two";
            let what = "has not one content";
            Refusal::new(what, remedy).report(node, node.at, &path, out);
        }
    }
}

fn member(json: &mut String, start: usize, name: &str) {
    json.push(if json.len() == start { '{' } else { ',' });
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

/// Appends a string in quotes (RFC 8259 §7).
fn quote(json: &mut String, text: &str) {
    json.push('"');
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        json.push_str(text);
    } else {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        json.push_str(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or(""));
    }
    json.push('"');
}
