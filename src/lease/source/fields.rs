//! Takes fields out of a table of the tree; what is wrong, missing or unknown goes to the findings, all of it.

use std::borrow::Cow;

use ipnet::Ipv6Net;

use super::node::{Entry, Node, Value};
use super::values;
use crate::lease::problem::{Field, Findings, Step};

/// The way from the top of the file to a node, kept on the stack: it costs nothing until there is a problem.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    above: Option<&'p Self>,
    step: Option<PathStep<'p>>,
}

#[derive(Clone, Copy, Debug)]
enum PathStep<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The top of the file.
    pub(super) const TOP: Self = Self { above: None, step: None };

    pub(super) fn key(&'p self, key: &'p str) -> Self {
        Self { above: Some(self), step: Some(PathStep::Key(key)) }
    }

    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Some(PathStep::Index(index)) }
    }

    pub(super) fn field(&self) -> Field {
        let mut field = self.above.map_or_else(Field::top, Self::field);
        match self.step {
            Some(PathStep::Key(key)) => field.0.push(Step::Key(Cow::Owned(key.to_owned()))),
            Some(PathStep::Index(index)) => field.0.push(Step::Index(index)),
            None => {}
        }
        field
    }
}

/// Why a value is refused, and what to write instead.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) what: Cow<'static, str>,
    pub(super) remedy: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(what: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// The value has another type than the field.
    pub(super) fn kind(node: &Node<'_>, wanted: &'static str) -> Self {
        Self::new(format!("is {}, not {wanted}", node.kind()), format!("write {wanted}"))
    }

    pub(super) fn report(self, node: &Node<'_>, at: usize, path: &Path<'_>, out: &mut Findings) {
        out.error(path.field(), self.what, node.shown(), self.remedy);
        if let Some(last) = out.0.last_mut() {
            last.at = Some(at);
        }
    }
}

/// A table whose fields are taken one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'n, 's, 'p> {
    at: usize,
    entries: &'n [Entry<'s>],
    path: &'p Path<'p>,
    /// Place among the known fields of the last one that is there.
    last: Option<usize>,
}

impl<'n, 's, 'p> Fields<'n, 's, 'p> {
    /// Opens a node that must be a table with no other fields than `known`. `at` is where it is named.
    pub(super) fn open(
        node: &'n Node<'s>,
        at: usize,
        path: &'p Path<'p>,
        known: &[&'static str],
        out: &mut Findings,
    ) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            Refusal::kind(node, "a table").report(node, at, path, out);
            return None;
        };
        let mut last = None;
        for entry in entries {
            let place = known.iter().position(|name| entry.key == *name);
            last = last.max(place);
            if place.is_none() {
                let refusal = Refusal::new("unknown field", unknown_remedy(&entry.key, known));
                refusal.report(&entry.node, entry.at, &path.key(&entry.key), out);
            }
        }
        Some(Self { at, entries, path, last })
    }

    /// The entry of a field, if it is there.
    pub(super) fn entry(&self, name: &str) -> Option<&'n Entry<'s>> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// True when a field is there that stands behind the first `count` of the known ones.
    pub(super) fn has_behind(&self, count: usize) -> bool {
        self.last.is_some_and(|last| last >= count)
    }

    /// Takes a field.
    pub(super) fn take<T>(
        &self,
        name: &'static str,
        out: &mut Findings,
        read: impl FnOnce(&Node<'s>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let entry = self.entry(name)?;
        match read(&entry.node) {
            Ok(value) => Some(value),
            Err(refusal) => {
                refusal.report(&entry.node, entry.at, &self.path.key(name), out);
                None
            }
        }
    }

    /// Takes a prefix that must be there; one with host bits is reported, and goes on without them.
    pub(super) fn require_prefix(
        &self,
        name: &'static str,
        remedy: &'static str,
        out: &mut Findings,
        read: impl FnOnce(&Node<'s>) -> Result<Ipv6Net, Refusal>,
    ) -> Option<Ipv6Net> {
        let taken = self.require(name, remedy, out, read);
        taken.or_else(|| values::meant_prefix(&self.entry(name)?.node))
    }

    /// Takes a field that must be there.
    pub(super) fn require<T>(
        &self,
        name: &'static str,
        remedy: &'static str,
        out: &mut Findings,
        read: impl FnOnce(&Node<'s>) -> Result<T, Refusal>,
    ) -> Option<T> {
        if self.entry(name).is_none() {
            self.missing(name, remedy, out);
        }
        self.take(name, out, read)
    }

    /// Says that a field is missing.
    pub(super) fn missing(&self, name: &'static str, remedy: &'static str, out: &mut Findings) {
        out.error(self.path.key(name).field(), "is missing", "", remedy);
        if let Some(last) = out.0.last_mut() {
            last.at = Some(self.at);
        }
    }

    /// Takes a list; entries that are refused are left out, each with its own problem.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        out: &mut Findings,
        read: impl FnMut(&Node<'s>) -> Result<T, Refusal>,
    ) -> Option<Vec<T>> {
        Some(self.whole_list(name, out, read)?.into_iter().flatten().collect())
    }

    /// Takes a list; entries that are refused are `None`, so that the others keep their numbers.
    pub(super) fn whole_list<T>(
        &self,
        name: &'static str,
        out: &mut Findings,
        mut read: impl FnMut(&Node<'s>) -> Result<T, Refusal>,
    ) -> Option<Vec<Option<T>>> {
        let entry = self.entry(name)?;
        let path = self.path.key(name);
        let Value::List(list) = &entry.node.value else {
            Refusal::kind(&entry.node, "a list").report(&entry.node, entry.at, &path, out);
            return None;
        };
        let mut values = Vec::with_capacity(list.len());
        for (i, item) in list.iter().enumerate() {
            match read(item) {
                Ok(value) => values.push(Some(value)),
                Err(refusal) => {
                    refusal.report(item, item.at, &path.index(i), out);
                    values.push(None);
                }
            }
        }
        Some(values)
    }

    /// Takes a list of tables, each read by `read` with its own path.
    pub(super) fn tables<T>(
        &self,
        name: &'static str,
        out: &mut Findings,
        mut read: impl FnMut(&Node<'s>, &Path<'_>, &mut Findings) -> Option<T>,
    ) -> Option<Vec<T>> {
        let entry = self.entry(name)?;
        let path = self.path.key(name);
        let Value::List(list) = &entry.node.value else {
            Refusal::kind(&entry.node, "a list of tables").report(&entry.node, entry.at, &path, out);
            return None;
        };
        Some(list.iter().enumerate().filter_map(|(i, item)| read(item, &path.index(i), out)).collect())
    }
}

fn unknown_remedy(name: &str, known: &[&'static str]) -> String {
    let close = known.iter().map(|k| (distance(name, k), k)).filter(|(d, k)| *d <= 1 + k.len() / 4).min();
    match close {
        Some((_, known)) => format!("did you mean {known}?"),
        None => format!("take it out, or use one of {}", known.join(", ")),
    }
}

/// Edit distance of two names (Levenshtein), capped by the shortness of field names.
fn distance(a: &str, b: &str) -> usize {
    /// No field name is longer; what is longer is no misspelling of one.
    const LONGEST: usize = 64;
    if a.len() > LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let change = corner + usize::from(!x.eq_ignore_ascii_case(&y));
            let best = change.min(above + 1).min(left + 1);
            corner = above;
            if let Some(slot) = row.get_mut(j) {
                *slot = left;
            }
            left = best;
        }
        if let Some(slot) = row.last_mut() {
            *slot = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        for (a, b, edits) in [
            ("", "abc", 3),
            ("mtu", "mtu", 0),
            ("MTU", "mtu", 0),
            ("kitten", "sitting", 3),
            ("fixed_ip", "fixed_ips", 1),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelt_field_is_recognised_and_a_strange_one_gets_the_list() {
        assert_eq!(
            unknown_remedy("dns_nameserver", &["mtu", "dns_nameservers"]),
            "did you mean dns_nameservers?"
        );
        assert_eq!(unknown_remedy("colour", &["mtu", "vlan"]), "take it out, or use one of mtu, vlan");
    }
}
