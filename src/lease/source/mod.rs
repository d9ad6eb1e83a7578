//! The text of a lease source → [`Source`]. All that is wrong with the text is found, not only the first.
//!
//! Built for a million ports: the text is cut into its ports, each is parsed alone into a small tree that is dropped
//! at once, several at a time.

mod document;
mod fields;
mod json;
mod model;
mod network;
mod node;
mod port;
mod toml;
mod values;

use std::collections::HashMap;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;

pub(super) use document::Document;
#[cfg(test)]
pub(super) use model::Interval;
pub(super) use model::{Mode, Network, Options, Port, Router, Source, Subnet, UNREAD_ADDRESS};

use super::problem::{Field, Finding, Findings, Problem, Severity};
use fields::Path;
use node::{Entry, Value};
use port::Networks;

/// Ports that are worth a thread of their own: starting one costs as much as reading a few hundred.
const PORTS_PER_THREAD: usize = 2048;

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
        findings.0.push(syntax(Field::top(), document.rest_origin(at), what));
    }
    let mut inline = Vec::new();
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
    source.ports = if ports.is_empty() { inline } else { ports };
    findings.0.extend(more.0);
    Read { source, findings, document }
}

fn names(source: &Source, whole: bool) -> Networks<'_> {
    whole.then(|| {
        (0..).zip(&source.networks).map(|(i, network)| (network.name.as_str(), i)).collect::<HashMap<_, _>>()
    })
}

/// The ports of `ports = [...]` that were not cut out.
fn inline_ports(entry: &Entry<'_>, names: &Networks<'_>, cut: usize, out: &mut Findings) -> Vec<Port> {
    let path = Path::TOP.key("ports");
    let Value::List(list) = &entry.node.value else {
        out.error(
            path.field(),
            format!("is {}, not a list", entry.node.kind()),
            entry.node.shown(),
            "write [[ports]]",
        );
        return Vec::new();
    };
    if cut > 0 && !list.is_empty() {
        out.error(path.field(), "ports are given as a list and as [[ports]]", "", "use one of the two");
    }
    list.iter().enumerate().map(|(i, node)| port::read(node, &path.index(i), names, out)).collect()
}

/// Reads the ports that were cut out, on all processors.
fn ports(document: &Document<'_>, names: &Networks<'_>) -> (Vec<Port>, Findings) {
    let count = document.port_count();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(count / PORTS_PER_THREAD).max(1);
    let share = count.div_ceil(threads);
    let read = |range: Range<usize>| {
        let mut findings = Findings::default();
        let ports: Vec<Port> = range.map(|i| one_port(document, i, names, &mut findings)).collect();
        (ports, findings)
    };
    if threads == 1 {
        return read(0..count);
    }
    let mut all = (Vec::with_capacity(count), Findings::default());
    std::thread::scope(|scope| {
        let read = &read;
        let start = |i: usize| scope.spawn(move || read(i * share..((i + 1) * share).min(count)));
        let running: Vec<_> = (0..threads).map(start).collect();
        for thread in running {
            match thread.join() {
                Ok((ports, findings)) => {
                    all.0.extend(ports);
                    all.1.0.extend(findings.0);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all
}

fn one_port(document: &Document<'_>, index: usize, names: &Networks<'_>, out: &mut Findings) -> Port {
    let (node, broken) = document.port(index);
    let path = Path::TOP.key("ports");
    let path = path.index(index);
    if !broken.is_empty() || node.is_none() {
        for (at, what) in broken {
            out.0.push(syntax(path.field(), document.port_origin(index, at), what));
        }
        return port::unread();
    }
    let before = out.0.len();
    let port = node.map_or_else(port::unread, |node| port::read(&node, &path, names, out));
    for finding in out.0.iter_mut().skip(before) {
        finding.at = finding.at.map(|at| document.port_origin(index, at));
    }
    port
}

fn syntax(field: Field, at: usize, what: String) -> Finding {
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
        let place = |finding: Finding| (finding.at.unwrap_or_else(|| self.locate(&finding.field)), finding);
        let mut placed: Vec<(usize, Finding)> = findings.0.into_iter().map(place).collect();
        placed.sort_by_key(|(at, _)| *at);
        let mut known = (0, 1);
        let mut problems = Vec::with_capacity(placed.len());
        for (at, finding) in placed {
            known = (at, self.line(known, at));
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
}
