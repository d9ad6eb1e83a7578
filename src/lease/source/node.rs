//! The common tree of TOML and JSON: every value with the offset at which it stands.
//!
//! A tree is made for a piece of the file, read, and dropped at once; it refuses to live longer.

use std::borrow::Cow;

/// One value.
#[derive(Debug)]
pub(super) struct Node<'s> {
    /// Offset of its first octet in the piece that was parsed.
    pub(super) at: usize,
    pub(super) value: Value<'s>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Value<'s> {
    /// JSON only.
    Null,
    Bool(bool),
    /// A whole number; `None` when it does not fit 64 bits.
    Integer(Option<i64>, Cow<'s, str>),
    Float(f64, Cow<'s, str>),
    Text(Cow<'s, str>),
    /// TOML only.
    Date(String),
    List(Vec<Node<'s>>),
    Table(Vec<Entry<'s>>),
}

/// One key of a table and its value.
#[derive(Debug)]
pub(super) struct Entry<'s> {
    pub(super) key: Cow<'s, str>,
    /// Offset of the key.
    pub(super) at: usize,
    pub(super) node: Node<'s>,
}

/// Longest value that a problem shows, in characters: it must fit one line of a terminal.
const SHOWN: usize = 80;

impl Node<'_> {
    /// What it is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Integer(..) => "an integer",
            Value::Float(..) => "a floating-point number",
            Value::Text(_) => "a string",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The value as a problem shows it: one line, not too long.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(_, text) | Value::Float(_, text) => shorten(text),
            Value::Text(text) => shorten(&format!("{text:?}")),
            Value::Date(text) => text.clone(),
            Value::List(list) => format!("a list of {}", list.len()),
            Value::Table(table) => format!("a table of {}", table.len()),
        }
    }

    /// The value of a key, if it is a table that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry<'_>> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key)
    }

    /// An entry of a list.
    pub(super) fn item(&self, index: usize) -> Option<&Node<'_>> {
        let Value::List(list) = &self.value else { return None };
        list.get(index)
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}
