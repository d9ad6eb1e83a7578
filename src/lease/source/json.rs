//! JSON into the common tree, strictly (RFC 8259): no comments, no trailing commas, no key twice in one object.

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::document::Piece;
use super::node::{Entry, Node, Value};
use super::toml::Broken;

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
};

/// Parses a text; there is no value when it is broken.
pub(super) fn parse(text: &str) -> (Option<Node<'_>>, Vec<Broken>) {
    let broken: Vec<Broken> = strange_space(text).into_iter().collect();
    match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(result) => match result.value {
            Some(value) => {
                let mut tree = Tree { text, broken };
                (Some(tree.node(value)), tree.broken)
            }
            None => (None, vec![(0, "there is no value".to_owned())]),
        },
        Err(error) => {
            let mut what = error.kind().to_string();
            if let Some(first) = what.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            (None, vec![(error.range().start, what)])
        }
    }
}

/// Only space, tab, line feed and carriage return stand between values (RFC 8259 §2); the parser takes more.
fn strange_space(text: &str) -> Option<Broken> {
    let bytes = text.as_bytes();
    let strange = |byte: &u8| *byte >= 0x80 || *byte == 0x0b || *byte == 0x0c;
    if !bytes.iter().any(strange) {
        return None;
    }
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            byte if strange(byte) => {
                return Some((at, "this character can only stand in a string".to_owned()));
            }
            _ => at += 1,
        }
    }
    None
}

/// Turns the parser's tree into the common one and refuses what the parser lets pass.
struct Tree<'s> {
    text: &'s str,
    broken: Vec<Broken>,
}

impl<'s> Tree<'s> {
    fn node(&mut self, value: ast::Value<'s>) -> Node<'s> {
        let range = value.range();
        let at = range.start;
        let value = match value {
            ast::Value::StringLit(text) => {
                self.no_control_character(range);
                Value::Text(text.value)
            }
            ast::Value::NumberLit(number) => self.number(at, number.value),
            ast::Value::BooleanLit(boolean) => Value::Bool(boolean.value),
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::Array(list) => Value::List(list.elements.into_iter().map(|v| self.node(v)).collect()),
            ast::Value::Object(object) => Value::Table(self.entries(object)),
        };
        Node { at, value }
    }

    fn entries(&mut self, object: ast::Object<'s>) -> Vec<Entry<'s>> {
        let mut entries: Vec<Entry<'s>> = Vec::with_capacity(object.properties.len());
        for property in object.properties {
            let at = property.range.start;
            let key = match property.name {
                ast::ObjectPropName::String(name) => {
                    self.no_control_character(name.range);
                    name.value
                }
                ast::ObjectPropName::Word(word) => word.value.into(),
            };
            entries.push(Entry { key, at, node: self.node(property.value) });
        }
        // Sorted as the TOML parser sorts them, so that both forms give the same table.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        for pair in entries.windows(2) {
            if let [first, second] = pair
                && first.key == second.key
            {
                self.broken.push((second.at, format!("the key {:?} is given twice", second.key)));
            }
        }
        entries
    }

    /// RFC 8259 §7.
    fn no_control_character(&mut self, range: Range) {
        let raw = self.text.as_bytes().get(range.start..range.end).unwrap_or(&[]);
        if let Some(at) = raw.iter().position(|b| *b < 0x20) {
            self.broken.push((
                range.start + at,
                "a string holds a control character that is not escaped".to_owned(),
            ));
        }
    }

    /// RFC 8259 §6.
    fn number(&mut self, at: usize, text: &'s str) -> Value<'s> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
            self.broken.push((at, format!("the number {text} starts with a zero")));
        }
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            Value::Integer(text.parse().ok(), text.into())
        } else {
            Value::Float(text.parse().unwrap_or(f64::NAN), text.into())
        }
    }
}

/// Cuts the text of an object at the entries of its list `ports`. Nothing is cut when the brackets do not match: the
/// parser then sees the whole text and says where.
pub(super) fn split(text: &str) -> Option<Vec<Piece>> {
    let bytes = text.as_bytes();
    let first = ports_list(bytes)?;
    let mut pieces = vec![Piece { range: 0..first, port: false }];
    let (mut depth, mut at, mut start) = (0_usize, first, first);
    loop {
        let byte = *bytes.get(at)?;
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b']' if depth == 0 => break,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                pieces.push(Piece { range: start..at, port: true });
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if pieces.len() > 1 || !text.get(start..at)?.trim().is_empty() {
        pieces.push(Piece { range: start..at, port: true });
    }
    pieces.push(Piece { range: at..bytes.len(), port: false });
    Some(pieces)
}

/// The offset behind the bracket that opens the list `ports` of the outermost object.
fn ports_list(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match *bytes.get(at)? {
            b'"' => {
                let end = string_end(bytes, at);
                if depth == 1 && bytes.get(at..end) == Some(b"\"ports\"") {
                    let colon = skip_space(bytes, end);
                    if bytes.get(colon) == Some(&b':') {
                        let open = skip_space(bytes, colon + 1);
                        return (bytes.get(open) == Some(&b'[')).then_some(open + 1);
                    }
                }
                at = end;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
        at += 1;
    }
    at
}

/// The first octet after the string that starts at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Option<Vec<&str>> {
        let pieces = split(text)?;
        Some(pieces.iter().filter(|p| p.port).map(|p| text[p.range.clone()].trim()).collect())
    }

    #[test]
    fn ports_are_the_entries_of_the_outermost_list() {
        let text = r#"{"x": {"ports": [1]}, "ports" : [ {"a": [1, 2]}, {"b": "],[{\""} ], "y": [3]}"#;
        assert_eq!(ports(text), Some(vec![r#"{"a": [1, 2]}"#, r#"{"b": "],[{\""}"#]));
        assert_eq!(ports(r#"{"ports": [ ]}"#), Some(vec![]));
        assert_eq!(ports(r#"{"ports": [{},]}"#), Some(vec!["{}", ""]));
    }

    #[test]
    fn a_text_whose_brackets_do_not_match_is_not_cut() {
        for text in [
            "",
            "{",
            r#"{"ports": [{}"#,
            r#"{"ports": [}]}"#,
            r#"{"ports": 1}"#,
            r#"{"ports": ["]}"#,
            r#"{"ports": ["\"#,
        ] {
            assert_eq!(ports(text), None, "{text}");
        }
    }

    #[test]
    fn what_rfc_8259_does_not_allow_is_refused() {
        for text in [
            "{\"a\": 1,}",
            "[1,]",
            "// x\n{}",
            "{a: 1}",
            "{'a': 1}",
            "0x10",
            "+1",
            "[1 2]",
            "01",
            "\"a\nb\"",
            "{\"a\":1,\"a\":2}",
            "",
            "nan",
            "\"\\x\"",
            "\"\\ud800\"",
            "1.",
            ".5",
            "1e",
            "-",
            "\u{a0}1",
            "1 2",
            "{\"a\"}",
            "{,}",
            "[,]",
            "tru",
            "\"a",
            "\u{feff}1",
        ] {
            assert!(!parse(text).1.is_empty(), "{text:?}");
        }
        assert!(parse("{\"a\": [1, -2.5e3, \"\\u00e9\", null, true]}").1.is_empty());
    }
}
