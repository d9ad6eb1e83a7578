//! Which ports belong to one instance: an index over the instance ids that ports name, made when it is first asked for.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::table::{LeaseTable, Port, PortId};

/// Ports with an instance id, sorted by the id's hash and then as in the source.
#[derive(Debug)]
pub(super) struct Instances {
    by_hash: Vec<(u64, PortId)>,
}

impl Instances {
    pub(super) fn of(table: &LeaseTable) -> Self {
        let named = |port: Port<'_>| Some((hash(device_id(port.metadata())?), port.id()));
        let mut by_hash: Vec<_> = table.ports().filter_map(named).collect();
        by_hash.sort_unstable();
        Self { by_hash }
    }

    /// Every port of the instance that this port names, in the order of the source; itself alone when it names none.
    pub(super) fn ports<'t>(&self, table: &'t LeaseTable, of: Port<'t>) -> Vec<Port<'t>> {
        let Some(id) = device_id(of.metadata()) else { return vec![of] };
        let wanted = hash(id);
        let first = self.by_hash.partition_point(|(hash, _)| *hash < wanted);
        let same_hash = self.by_hash.iter().skip(first).take_while(|(hash, _)| *hash == wanted);
        let ports = same_hash.filter_map(|(_, port)| table.port(*port));
        ports.filter(|port| device_id(port.metadata()) == Some(id)).collect()
    }
}

/// The keys are the operator's, so no secret is needed.
fn hash(id: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// The instance id in a port's JSON, quoted as it is there. `source` writes it first, or second behind the port's id, so
/// nothing else of the JSON has to be read.
fn device_id(json: &[u8]) -> Option<&[u8]> {
    let members = json.strip_prefix(b"{")?;
    let members = match members.strip_prefix(b"\"id\":") {
        Some(value) => value.get(quoted(value)?.len()..)?.strip_prefix(b",")?,
        None => members,
    };
    quoted(members.strip_prefix(b"\"device_id\":")?).filter(|id| *id != b"\"\"")
}

/// The JSON string that stands at the beginning, with its quotes (RFC 8259 §7).
fn quoted(json: &[u8]) -> Option<&[u8]> {
    let inside = json.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = inside.iter().position(|octet| {
        let ends = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        ends
    })?;
    json.get(..end + 2)
}

#[cfg(test)]
mod tests {
    use super::device_id;

    #[test]
    fn the_instance_id_is_found_where_the_source_writes_it() {
        for (json, id) in [
            (r#"{"device_id":"a"}"#, Some(r#""a""#)),
            (r#"{"id":"p","device_id":"a","project_id":"x"}"#, Some(r#""a""#)),
            (r#"{"id":"\"device_id\":\"b\",\\","device_id":"a\"\\"}"#, Some(r#""a\"\\""#)),
            (r#"{"id":"p"}"#, None),
            (r#"{"device_id":""}"#, None),
            (r#"{"project_id":"x","metadata":{"device_id":"b"}}"#, None),
            (r#"{"metadata":{"device_id":"b"}}"#, None),
            ("", None),
            (r#"{"device_id":"a"#, None),
            (r#"{"id":"a\"#, None),
        ] {
            assert_eq!(device_id(json.as_bytes()), id.map(str::as_bytes), "{json}");
        }
    }
}
