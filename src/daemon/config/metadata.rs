//! The `[metadata]` part of the configuration file: bounds of the service, and upstreams by name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use http::HeaderName;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Reader;
use crate::io::upstream::tls;
use crate::metadata::Config;
use crate::metadata::upstream::HEDGE;
use crate::metadata::{
    DOCUMENTS, Endpoint, Limits, Secret, Template, TlsConfig, UpstreamConfig, UpstreamKind, fields,
};
use crate::types::limits::MAX_UPSTREAM_NAME;

type Value<'v> = Spanned<DeValue<'v>>;

/// Octets of the longest secret, key or certificate file.
const MAX_FILE: u64 = 1 << 20;

const FIELDS: &str = "upstream, upstreams, connections_per_guest, connections, requests_per_second, request_burst, \
                      head_octets, head_fields, body_octets, head_timeout, stall_timeout, upstream_timeout, \
                      connect_timeout and upstream_requests";

const UPSTREAM_FIELDS: &str = "kind, endpoints, shared_secret_file, headers, path_prefix, ca_file, \
                               client_certificate_file, client_key_file, server_name, insecure, timeout, \
                               connect_timeout and hedge";

/// Reads the part; what is wrong is told to `reader`, and has its default.
pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Config {
    let mut config = Config::default();
    let Some(table) = reader.table("metadata", value) else { return config };
    let mut chosen = None;
    for (key, value) in table {
        let name = format!("metadata.{}", key.get_ref());
        match key.get_ref().as_ref() {
            "upstream" => {
                chosen = reader.string(&name, value).map(|text| (value.span().start, text.to_owned()));
            }
            "upstreams" => config.upstreams = upstreams(reader, value),
            field => limit(reader, &mut config.limits, field, &name, key, value),
        }
    }
    let given: Vec<String> = config.upstreams.keys().cloned().collect();
    match chosen {
        Some((at, name)) if name != DOCUMENTS && !config.upstreams.contains_key(&name) => {
            let known = [&[DOCUMENTS.to_owned()], given.as_slice()].concat().join(", ");
            reader.problem(
                at,
                "metadata.upstream",
                &format!("no upstream is called {name:?}; there are: {known}"),
            );
        }
        Some((_, name)) => config.default = name,
        None => {}
    }
    config
}

/// Reads one of the bounds.
fn limit(
    reader: &mut Reader<'_>,
    limits: &mut Limits,
    field: &str,
    name: &str,
    key: &Spanned<DeString<'_>>,
    value: &Value<'_>,
) {
    /// Octets of a request line that has to be read (RFC 9112 §3), and of the largest head that makes sense.
    const HEAD: RangeInclusive<u64> = 8192..=1 << 20;
    /// Connections and requests of one hypervisor.
    const MANY: RangeInclusive<u64> = 1..=1_000_000;
    match field {
        "connections_per_guest" => reader.number(&mut limits.connections_per_guest, name, value, 1..=1024),
        "connections" => reader.number(&mut limits.connections, name, value, MANY),
        "requests_per_second" => reader.number(&mut limits.requests_per_second, name, value, 0..=1_000_000),
        "request_burst" => reader.number(&mut limits.request_burst, name, value, MANY),
        "head_octets" => reader.number(&mut limits.head_octets, name, value, HEAD),
        "head_fields" => reader.number(&mut limits.head_fields, name, value, 16..=1024),
        "body_octets" => reader.number(&mut limits.body_octets, name, value, 0..=1 << 30),
        "upstream_requests" => reader.number(&mut limits.upstream_requests, name, value, MANY),
        "head_timeout" => reader.span(&mut limits.head_timeout, name, value),
        "stall_timeout" => reader.span(&mut limits.stall_timeout, name, value),
        "upstream_timeout" => reader.span(&mut limits.upstream_timeout, name, value),
        "connect_timeout" => reader.span(&mut limits.connect_timeout, name, value),
        _ => reader.problem(key.span().start, name, &format!("there is no such field; there are {FIELDS}")),
    }
}

fn upstreams(reader: &mut Reader<'_>, value: &Value<'_>) -> BTreeMap<String, UpstreamConfig> {
    let mut all = BTreeMap::new();
    let Some(table) = reader.table("metadata.upstreams", value) else { return all };
    for (key, value) in table {
        let name: &str = key.get_ref();
        let field = format!("metadata.upstreams.{name}");
        if name == DOCUMENTS || name.is_empty() || name.len() > MAX_UPSTREAM_NAME {
            let wrong = format!(
                "is no name of an upstream: write 1 to {MAX_UPSTREAM_NAME} octets, and not {DOCUMENTS:?}"
            );
            reader.problem(key.span().start, &field, &wrong);
        }
        if let Some(upstream) = upstream(reader, &field, value) {
            all.insert(name.to_owned(), upstream);
        }
    }
    all
}

/// What is read of one upstream before it is known what it has to be.
#[derive(Default)]
struct Draft<'v> {
    /// Names of all fields, with or without a fault: what is there is not missing.
    given: Vec<&'v str>,
    kind: Option<(usize, &'v str)>,
    endpoints: Vec<Endpoint>,
    secret: Option<Secret>,
    headers: Vec<(HeaderName, Template)>,
    path_prefix: Option<String>,
    ca: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Secret>,
    server_name: Option<String>,
    insecure: bool,
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    hedge: Option<Duration>,
}

fn upstream(reader: &mut Reader<'_>, path: &str, value: &Value<'_>) -> Option<UpstreamConfig> {
    let table = reader.table(path, value)?;
    let before = reader.problems.len();
    let mut draft = Draft::default();
    for (key, value) in table {
        draft.field(reader, path, key, value);
    }
    let whole = draft.finish(reader, path, value.span().start);
    whole.filter(|_| reader.problems.len() == before)
}

impl<'v> Draft<'v> {
    fn field(
        &mut self,
        reader: &mut Reader<'_>,
        path: &str,
        key: &'v Spanned<DeString<'_>>,
        value: &'v Value<'_>,
    ) {
        self.given.push(key.get_ref());
        let name = format!("{path}.{}", key.get_ref());
        let span = |reader: &mut Reader<'_>| {
            let mut span = Duration::ZERO;
            reader.span(&mut span, &name, value);
            Some(span)
        };
        match key.get_ref().as_ref() {
            "kind" => self.kind = reader.string(&name, value).map(|kind| (value.span().start, kind)),
            "endpoints" => self.endpoints = endpoints(reader, &name, value),
            "shared_secret_file" => self.secret = reader.secret(&name, value),
            "headers" => self.headers = headers(reader, &name, value),
            "path_prefix" => self.path_prefix = reader.parsed(&name, value, path_prefix),
            "ca_file" => self.ca = reader.content(&name, value),
            "client_certificate_file" => self.certificate = reader.content(&name, value),
            "client_key_file" => self.key = reader.secret(&name, value),
            "server_name" => self.server_name = reader.string(&name, value).map(str::to_owned),
            "insecure" => match value.get_ref().as_bool() {
                Some(insecure) => self.insecure = insecure,
                None => reader.problem(value.span().start, &name, "must be true or false"),
            },
            "timeout" => self.timeout = span(reader),
            "connect_timeout" => self.connect_timeout = span(reader),
            "hedge" => self.hedge = span(reader),
            _ => {
                let text = format!("there is no such field; there are {UPSTREAM_FIELDS}");
                reader.problem(key.span().start, &name, &text);
            }
        }
    }

    fn finish(self, reader: &mut Reader<'_>, path: &str, at: usize) -> Option<UpstreamConfig> {
        if self.endpoints.is_empty() && !self.has("endpoints") {
            let text = "is missing; write a list like [\"http://[2001:db8::1]:8775\"]";
            reader.problem(at, &format!("{path}.endpoints"), text);
        }
        if self.has("client_certificate_file") != self.has("client_key_file") {
            let text = "client_certificate_file and client_key_file go together; write both, or neither";
            reader.problem(at, path, text);
        }
        let kind = self.kind(reader, path, at);
        let files = [
            ("ca_file", self.ca.is_some()),
            ("client_certificate_file", self.certificate.is_some()),
            ("client_key_file", self.key.is_some()),
        ];
        let are_read = files.iter().all(|(field, is_read)| self.has(field) == *is_read);
        let tls = TlsConfig {
            ca: self.ca,
            client: self.certificate.zip(self.key),
            server_name: self.server_name,
            insecure: self.insecure,
        };
        let hosts = self.endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Tcp { tls: true, host, .. } if are_read => Some(host),
            _ => None,
        });
        let checked = |host: &String| tls::name(host, &tls).and_then(|_| tls::connector(&tls));
        if let Some(why) = hosts.map(checked).find_map(Result::err) {
            reader.problem(at, path, &why);
        }
        Some(UpstreamConfig {
            kind: kind?,
            endpoints: self.endpoints,
            tls,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            hedge: self.hedge.unwrap_or(HEDGE),
        })
    }

    fn has(&self, field: &str) -> bool {
        self.given.contains(&field)
    }

    fn kind(&self, reader: &mut Reader<'_>, path: &str, at: usize) -> Option<UpstreamKind> {
        let mut problem = |at: usize, field: &str, text: &str| {
            reader.problem(at, &format!("{path}{field}"), text);
        };
        match self.kind {
            Some((_, "nova")) => {
                if self.has("headers") || self.has("path_prefix") {
                    let text = "kind = \"nova\" has its own headers and no path_prefix; take them out, or write \
                                kind = \"http\"";
                    problem(at, "", text);
                }
                if !self.has("shared_secret_file") {
                    let text = "is missing: a file with Nova's metadata_proxy_shared_secret";
                    problem(at, ".shared_secret_file", text);
                }
                self.secret.clone().map(|shared_secret| UpstreamKind::Nova { shared_secret })
            }
            Some((_, "http")) => {
                if self.has("shared_secret_file") {
                    problem(at, ".shared_secret_file", "is for kind = \"nova\" only; take it out");
                }
                let path_prefix = self.path_prefix.clone().unwrap_or_default();
                Some(UpstreamKind::Http { headers: self.headers.clone(), path_prefix })
            }
            Some((at, kind)) => {
                problem(at, ".kind", &format!("{kind:?} is no kind of upstream: write \"nova\" or \"http\""));
                None
            }
            None => {
                if !self.has("kind") {
                    problem(at, ".kind", "is missing; write \"nova\" or \"http\"");
                }
                None
            }
        }
    }
}

fn endpoints(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> Vec<Endpoint> {
    let Some(items) = value.get_ref().as_array() else {
        reader.problem(
            value.span().start,
            name,
            "must be an array of strings, like [\"http://[2001:db8::1]:8775\"]",
        );
        return Vec::new();
    };
    if items.is_empty() {
        reader.problem(value.span().start, name, "must name at least one");
    }
    let items = items.iter().enumerate();
    items.filter_map(|(at, item)| reader.parsed(&format!("{name}[{at}]"), item, Endpoint::parse)).collect()
}

fn headers(reader: &mut Reader<'_>, name: &str, value: &Value<'_>) -> Vec<(HeaderName, Template)> {
    let Some(table) = reader.table(name, value) else { return Vec::new() };
    let mut all: Vec<(HeaderName, Template)> = Vec::new();
    for (key, value) in table {
        let field = format!("{name}.{}", key.get_ref());
        let header = HeaderName::from_bytes(key.get_ref().as_bytes()).ok();
        match header.filter(|header| !fields::is_made_by_us(header)) {
            Some(header) if all.iter().any(|(known, _)| *known == header) => {
                reader.problem(key.span().start, &field, "is there twice: case makes no difference");
            }
            Some(header) => {
                all.extend(reader.parsed(&field, value, Template::parse).map(|value| (header, value)));
            }
            None => reader.problem(key.span().start, &field, "is no header field that can be set here"),
        }
    }
    all
}

fn path_prefix(text: &str) -> Result<String, String> {
    let prefix = text.strip_suffix('/').unwrap_or(text);
    if prefix.is_empty() || crate::metadata::is_plain_path(prefix) {
        return Ok(prefix.to_owned());
    }
    Err(format!(
        "{text:?} is no path: write one like \"/v1/guests\", without dot segments and needless percent signs"
    ))
}

/// Editors end a file by a line feed, which is no part of a secret.
fn without_line_end(mut octets: &[u8]) -> &[u8] {
    while let Some(rest) = octets.strip_suffix(b"\n").or_else(|| octets.strip_suffix(b"\r")) {
        octets = rest;
    }
    octets
}

impl Reader<'_> {
    fn table<'v>(&mut self, name: &str, value: &'v Value<'_>) -> Option<&'v DeTable<'v>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.problem(value.span().start, name, "must be a table");
        }
        table
    }

    fn number<T: TryFrom<u64>>(
        &mut self,
        number: &mut T,
        name: &str,
        value: &Value<'_>,
        range: RangeInclusive<u64>,
    ) {
        let given = match value.get_ref() {
            DeValue::Integer(given) => u64::from_str_radix(given.as_str(), given.radix()).ok(),
            _ => None,
        };
        match given.filter(|given| range.contains(given)).and_then(|given| T::try_from(given).ok()) {
            Some(given) => *number = given,
            None => {
                let wrong = format!("must be a whole number from {} to {}", range.start(), range.end());
                self.problem(value.span().start, name, &wrong);
            }
        }
    }

    /// Seconds, also parts of one: a millisecond to an hour.
    fn span(&mut self, span: &mut Duration, name: &str, value: &Value<'_>) {
        let seconds = match value.get_ref() {
            DeValue::Integer(given) => given.as_str().parse::<f64>().ok(),
            DeValue::Float(given) => given.as_str().parse::<f64>().ok(),
            _ => None,
        };
        match seconds.filter(|seconds| (0.001..=3600.0).contains(seconds)) {
            Some(seconds) => *span = Duration::from_secs_f64(seconds),
            None => self.problem(value.span().start, name, "must be a number of seconds from 0.001 to 3600"),
        }
    }

    /// What a file holds.
    fn content(&mut self, name: &str, value: &Value<'_>) -> Option<Vec<u8>> {
        self.octets(name, value, |_, _| Ok(()))
    }

    /// What a file holds that nobody but its owner may read or write, without the end of its last line.
    fn secret(&mut self, name: &str, value: &Value<'_>) -> Option<Secret> {
        let private = |file: &fs::Metadata, path: &str| {
            let mode = file.mode() & 0o7777;
            if mode & 0o077 == 0 {
                return Ok(());
            }
            Err(format!(
                "others may read or change it (mode {mode:04o}); keep it to its owner: chmod 600 {path}"
            ))
        };
        let octets = self.octets(name, value, private)?;
        let octets = without_line_end(&octets);
        if octets.is_empty() {
            self.problem(value.span().start, name, "the file is empty");
            return None;
        }
        Some(Secret::new(octets.to_vec()))
    }

    /// Reads a file that passes `check`, which is told its path as well.
    fn octets(
        &mut self,
        name: &str,
        value: &Value<'_>,
        check: impl Fn(&fs::Metadata, &str) -> Result<(), String>,
    ) -> Option<Vec<u8>> {
        let path = self.file(name, value)?;
        let shown = path.display().to_string();
        let read = || {
            let text = |error: io::Error| error.to_string();
            let file = File::open(&path).map_err(text)?;
            let about = file.metadata().map_err(text)?;
            check(&about, &shown)?;
            let mut octets = Vec::new();
            file.take(MAX_FILE + 1).read_to_end(&mut octets).map_err(text)?;
            let fits = u64::try_from(octets.len()).is_ok_and(|size| size <= MAX_FILE);
            if fits { Ok(octets) } else { Err(format!("has more than {MAX_FILE} octets")) }
        };
        read().map_err(|why| self.problem(value.span().start, name, &format!("{shown}: {why}"))).ok()
    }
}
