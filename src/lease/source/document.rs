//! A lease source as text: which form it has, how it is cut, and at which line a field stands.
//!
//! Lines are counted only for problems; a source without problems is never looked through for them.

use std::ops::Range;

use super::node::Node;
use super::toml::Broken;
use super::{json, plain, toml};
use crate::lease::problem::{Field, Step};

/// The two forms of a lease source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Toml,
    Json,
}

/// A piece of the text: one port, or something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) port: bool,
}

/// A text cut into its ports and the rest.
#[derive(Debug)]
pub(in crate::lease) struct Document<'s> {
    text: &'s str,
    format: Format,
    rest: String,
    /// Where each piece of the rest starts: offset in the rest, offset in the text.
    seams: Vec<(usize, usize)>,
    /// Where each port of its own piece stands.
    ports: Vec<Range<usize>>,
}

impl<'s> Document<'s> {
    /// Cuts a text. The name tells the form by its ending `.json` or `.toml`; otherwise a brace in front means JSON.
    pub(super) fn new(name: &str, text: &'s str) -> Self {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let format = match extension {
            "json" => Format::Json,
            "toml" => Format::Toml,
            _ if text.trim_start().starts_with('{') => Format::Json,
            _ => Format::Toml,
        };
        let pieces = match format {
            Format::Toml => toml::split(text),
            Format::Json => {
                json::split(text).unwrap_or_else(|| vec![Piece { range: 0..text.len(), port: false }])
            }
        };
        let (mut rest, mut seams, mut ports) = (String::new(), Vec::new(), Vec::with_capacity(pieces.len()));
        for piece in pieces {
            if piece.port {
                ports.push(piece.range);
            } else {
                seams.push((rest.len(), piece.range.start));
                rest.push_str(text.get(piece.range).unwrap_or(""));
            }
        }
        Self { text, format, rest, seams, ports }
    }

    /// Number of ports that have a piece of their own.
    pub(super) fn port_count(&self) -> usize {
        self.ports.len()
    }

    /// Everything but the ports.
    pub(super) fn rest(&self) -> (Option<Node<'_>>, Vec<Broken>) {
        match self.format {
            Format::Toml => {
                let (node, broken) = toml::parse(&self.rest);
                (Some(node), broken)
            }
            Format::Json => json::parse(&self.rest),
        }
    }

    /// The port of a piece.
    pub(super) fn port(&self, index: usize) -> (Option<Node<'s>>, Vec<Broken>) {
        let piece = self.ports.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or("");
        match self.format {
            Format::Json => match plain::json(piece) {
                Some(node) => (Some(node), Vec::new()),
                None => json::parse(piece),
            },
            Format::Toml => match plain::toml(piece) {
                Some(node) => (Some(node), Vec::new()),
                None => {
                    let (node, broken) = toml::parse(piece);
                    (the_port(node), broken)
                }
            },
        }
    }

    /// The offset in the text of an offset in the rest.
    pub(super) fn rest_origin(&self, at: usize) -> usize {
        let seam = self.seams.partition_point(|(rest, _)| *rest <= at).checked_sub(1);
        seam.and_then(|i| self.seams.get(i)).map_or(at, |(rest, text)| text + (at - rest))
    }

    /// The offset in the text of an offset in the piece of a port.
    pub(super) fn port_origin(&self, index: usize, at: usize) -> usize {
        self.ports.get(index).map_or(0, |range| range.start) + at
    }

    /// The offset of a field, or of the nearest thing above it that is there.
    pub(super) fn locate(&self, field: &Field) -> usize {
        let steps = field.0.as_slice();
        if let [Step::Key(key), Step::Index(index), below @ ..] = steps
            && key == "ports"
            && *index < self.ports.len()
        {
            let (node, _) = self.port(*index);
            return self.port_origin(*index, node.map_or(0, |node| walk(&node, below)));
        }
        let (node, _) = self.rest();
        self.rest_origin(node.map_or(0, |node| walk(&node, steps)))
    }

    /// The text's line of an offset, counted from 1; `from` is an earlier offset whose line is known.
    pub(super) fn line(&self, from: (usize, usize), at: usize) -> usize {
        let end = at.min(self.text.len());
        let between = self.text.as_bytes().get(from.0..end).unwrap_or(&[]);
        from.1 + between.iter().filter(|b| **b == b'\n').count()
    }
}

/// The only port in a piece of TOML.
fn the_port(piece: Node<'_>) -> Option<Node<'_>> {
    let super::node::Value::Table(entries) = piece.value else { return None };
    let ports = entries.into_iter().find(|entry| entry.key == "ports")?;
    let super::node::Value::List(list) = ports.node.value else { return None };
    list.into_iter().next()
}

fn walk(node: &Node<'_>, steps: &[Step]) -> usize {
    let (mut node, mut at) = (node, node.at);
    for step in steps {
        match step {
            Step::Key(key) => {
                let Some(entry) = node.entry(key) else { break };
                (node, at) = (&entry.node, entry.at);
            }
            Step::Index(index) => {
                let Some(item) = node.item(*index) else { break };
                (node, at) = (item, item.at);
            }
        }
    }
    at
}
