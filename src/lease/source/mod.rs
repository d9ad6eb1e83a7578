//! The text of a lease source → [`Source`]. All that is wrong with the text is found, not only the first.
//!
//! Built for a million ports: the text is cut into its ports, each is parsed alone into a small tree that is dropped
//! at once, several at a time.

mod boot;
mod document;
mod fields;
mod instance;
mod json;
mod lock;
mod model;
mod network;
mod node;
mod options;
mod plain;
mod port;
mod ports;
mod relay;
mod service;
mod toml;
mod values;

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

pub(super) use boot::{Boot, BootFile};
pub(super) use document::Document;
pub(super) use lock::{Allocation, Given, read as read_lock, write as write_lock};
#[cfg(test)]
pub(super) use model::Interval;
pub(super) use model::{AddressPool, Mode, Network, Relay, Router, Source, Subnet};
pub(super) use options::{Options, field_of, strings};
pub(super) use ports::{Delegated, Port, Ports, UNREAD_ADDRESS};
pub(super) use relay::WAYS;
pub(super) use service::Service;

use super::problem::{Field, Finding, Findings, Problem, Severity};
use fields::Path;
use node::{Entry, Value};
use port::Networks;
use ports::Shard;

/// Ports that are worth a thread of their own: starting one costs as much as reading a few hundred.
const PORTS_PER_THREAD: usize = 2048;

/// Ports that tell how large the others are.
const TELLING_PORTS: usize = 1024;

/// A source, what was found wrong so far, and the text to tell lines by.
#[derive(Debug)]
pub(super) struct Read<'s> {
    pub(super) source: Source,
    pub(super) findings: Findings,
    pub(super) document: Document<'s>,
}

/// Reads a text.
pub(super) fn read<'s>(name: &str, text: &'s str) -> Read<'s> {
    let document = Document::new(name, text);
    let mut source = Source::default();
    let mut findings = Findings::default();
    let (rest, broken) = document.rest();
    let whole = broken.is_empty();
    for (at, what) in broken {
        findings.0.push(syntax(Field::top(), document.rest_origin(at), &what));
    }
    let mut inline = Shard::default();
    if let Some(rest) = rest.filter(|_| whole) {
        let list = network::read(&rest, &mut source, &mut findings);
        let names = names(&source, true);
        if let Some(entry) = list {
            inline = inline_ports(entry, &names, document.port_count(), &mut findings);
        }
        for finding in &mut findings.0 {
            finding.at = finding.at.map(|at| document.rest_origin(at));
        }
    }
    let (ports, more) = ports(&document, &names(&source, whole));
    source.ports = Ports::of(if document.port_count() == 0 { vec![inline] } else { ports });
    findings.0.extend(more.0);
    Read { source, findings, document }
}

fn names(source: &Source, whole: bool) -> Networks<'_> {
    whole.then(|| {
        (0..).zip(&source.networks).map(|(i, network)| (network.name.as_str(), i)).collect::<HashMap<_, _>>()
    })
}

/// The ports of `ports = [...]` that were not cut out.
fn inline_ports(entry: &Entry<'_>, names: &Networks<'_>, cut: usize, out: &mut Findings) -> Shard {
    let path = Path::TOP.key("ports");
    let mut shard = Shard::default();
    let Value::List(list) = &entry.node.value else {
        let what = format!("is {}, not a list", entry.node.kind());
        out.error(path.field(), what, entry.node.shown(), "write [[ports]]");
        return shard;
    };
    if cut > 0 && !list.is_empty() {
        out.error(path.field(), "ports are given as a list and as [[ports]]", "", "use one of the two");
    }
    for (i, node) in list.iter().enumerate() {
        port::read(node, &path.index(i), names, &mut shard, out);
    }
    shard
}

/// Reads the ports that were cut out, on all processors.
fn ports(document: &Document<'_>, names: &Networks<'_>) -> (Vec<Shard>, Findings) {
    let count = document.port_count();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(count / PORTS_PER_THREAD).max(1);
    let share = count.div_ceil(threads);
    let read = |range: Range<usize>| {
        let (mut shard, mut findings) = (Shard::with_capacity(range.len()), Findings::default());
        for index in range.clone() {
            if index - range.start == TELLING_PORTS {
                shard.reserve(range.end - index);
            }
            one_port(document, index, names, &mut shard, &mut findings);
        }
        (shard, findings)
    };
    let (mut shards, mut findings) = (Vec::with_capacity(threads), Findings::default());
    std::thread::scope(|scope| {
        let read = &read;
        let start = |i: usize| scope.spawn(move || read(i * share..((i + 1) * share).min(count)));
        let running: Vec<_> = (0..threads).map(start).collect();
        for thread in running {
            let (shard, found) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            shards.push(shard);
            findings.0.extend(found.0);
        }
    });
    (shards, findings)
}

fn one_port(
    document: &Document<'_>,
    index: usize,
    names: &Networks<'_>,
    shard: &mut Shard,
    out: &mut Findings,
) {
    let (node, broken) = document.port(index);
    let path = Path::TOP.key("ports");
    let path = path.index(index);
    let before = out.0.len();
    match node.filter(|_| broken.is_empty()) {
        Some(node) => port::read(&node, &path, names, shard, out),
        None => shard.push(&Port::default(), None),
    }
    for finding in out.0.iter_mut().skip(before) {
        finding.at = finding.at.map(|at| document.port_origin(index, at));
    }
    for (at, what) in broken {
        out.0.push(syntax(path.field(), document.port_origin(index, at), &what));
    }
}

fn syntax(field: Field, at: usize, what: &str) -> Finding {
    Finding {
        severity: Severity::Error,
        field,
        at: Some(at),
        what: format!("the text is broken: {what}").into(),
        value: String::new(),
        remedy: "correct the syntax".into(),
    }
}

impl Document<'_> {
    /// Findings with their lines, in the order of the file.
    pub(super) fn problems(&self, file: &Arc<str>, findings: Findings) -> Vec<Problem> {
        placed(file, findings, |field| self.locate(field), |from, at| self.line(from, at))
    }
}

/// Findings of a lock file with their lines, in the order of the file.
pub(super) fn lock_problems(text: &str, file: &Arc<str>, findings: Findings) -> Vec<Problem> {
    let line = |from: (usize, usize), at: usize| {
        let between = text.as_bytes().get(from.0..at.min(text.len())).unwrap_or(&[]);
        from.1 + between.iter().filter(|b| **b == b'\n').count()
    };
    placed(file, findings, |_| 0, line)
}

fn placed(
    file: &Arc<str>,
    findings: Findings,
    locate: impl Fn(&Field) -> usize,
    line: impl Fn((usize, usize), usize) -> usize,
) -> Vec<Problem> {
    let place = |finding: Finding| (finding.at.unwrap_or_else(|| locate(&finding.field)), finding);
    let mut placed: Vec<(usize, Finding)> = findings.0.into_iter().map(place).collect();
    placed.sort_by_key(|(at, _)| *at);
    let mut known = (0, 1);
    let mut problems = Vec::with_capacity(placed.len());
    for (at, finding) in placed {
        known = (at, line(known, at));
        problems.push(Problem {
            severity: finding.severity,
            file: Arc::clone(file),
            line: known.1,
            field: finding.field.to_string(),
            what: finding.what.into_owned(),
            value: finding.value,
            remedy: finding.remedy.into_owned(),
        });
    }
    problems
}
