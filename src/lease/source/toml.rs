//! TOML into the common tree. A large file is cut at its `[[ports]]` headers first, each piece is parsed alone.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Piece;
use super::node::{Entry, Node, Value};

/// A syntax error: offset in the text that was parsed, and what the parser says.
pub(super) type Broken = (usize, String);

/// Parses a text; what could be read is returned even when there are errors.
pub(super) fn parse(text: &str) -> (Node<'_>, Vec<Broken>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken =
        errors.iter().map(|e| (e.span().map_or(0, |s| s.start), e.message().replace('\n', ", "))).collect();
    let at = table.span().start;
    (Node { at, value: Value::Table(entries(table.into_inner())) }, broken)
}

fn entries<'s>(table: DeTable<'s>) -> Vec<Entry<'s>> {
    let entry = |(key, value): (Spanned<Cow<'s, str>>, Spanned<DeValue<'s>>)| {
        let at = key.span().start;
        Entry { key: key.into_inner(), at, node: node(value) }
    };
    table.into_iter().map(entry).collect()
}

fn node(value: Spanned<DeValue<'_>>) -> Node<'_> {
    let at = value.span().start;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text),
        DeValue::Integer(number) => {
            let fits = i64::from_str_radix(number.as_str(), number.radix()).ok();
            Value::Integer(fits, Cow::Owned(number.to_string()))
        }
        DeValue::Float(number) => {
            Value::Float(number.as_str().parse().unwrap_or(f64::NAN), Cow::Owned(number.as_str().to_owned()))
        }
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(list) => Value::List(list.into_iter().map(node).collect()),
        DeValue::Table(table) => Value::Table(entries(table)),
    };
    Node { at, value }
}

/// What a line that starts with a bracket opens.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    /// `[[ports]]`: a new port.
    Port,
    /// `[ports.…]` or `[[ports.…]]`: a part of the port above.
    PortPart,
    /// Any other table.
    Other,
}

/// Texts of fewer octets are not worth a second thread.
const OCTETS_PER_THREAD: usize = 1 << 20;

/// Cuts a text at its `[[ports]]` headers. A part `[ports.metadata]` stays with its port; every other table is rest.
/// The text may be broken in any way: every octet ends in exactly one piece.
pub(super) fn split(text: &str) -> Vec<Piece> {
    let mut pieces = match middle(text, OCTETS_PER_THREAD) {
        Some(middle) => split_at(text.as_bytes(), middle),
        None => cut(text.as_bytes(), (0, false), usize::MAX).0,
    };
    pieces.retain(|piece| !Range::is_empty(&piece.range));
    pieces
}

/// The first line of the second half that looks like the header of a port.
fn middle(text: &str, least: usize) -> Option<usize> {
    let half = text.len() / 2;
    let rest = text.as_bytes().get(half..).filter(|rest| rest.len() >= least)?;
    rest.windows(11).position(|octets| octets == b"\n[[ports]]\n").map(|n| half + n + 1)
}

/// Cuts both sides of a supposed header at the same time. Lines are read the same way behind every header, so the
/// right side counts if the left side ends in a cut just there; if it does not, `middle` was inside a string.
fn split_at(bytes: &[u8], middle: usize) -> Vec<Piece> {
    let (left, right) = std::thread::scope(|scope| {
        let right = scope.spawn(|| cut(bytes, (middle, true), usize::MAX).0);
        (cut(bytes, (0, false), middle), right.join())
    });
    let right = right.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let (mut pieces, end) = left;
    match end {
        Some((at, true)) if at == middle => pieces.extend(right),
        Some(end) => pieces.extend(cut(bytes, end, usize::MAX).0),
        None => {}
    }
    pieces
}

/// Cuts from the start of a line, which is a port's or not, up to the end, or to the first cut at or behind `stop`;
/// that one is returned as the start of what is left.
fn cut(bytes: &[u8], from: (usize, bool), stop: usize) -> (Vec<Piece>, Option<(usize, bool)>) {
    let (mut at, port) = from;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open = Piece { range: at..at, port };
    while at < bytes.len() {
        let start = skip_blanks(bytes, at);
        let header = if bytes.get(start) == Some(&b'[') { header(bytes, start) } else { None };
        let cut = match header {
            Some(Header::Port) => Some(true),
            Some(Header::Other) if open.port => Some(false),
            Some(Header::Other | Header::PortPart) | None => None,
        };
        if let Some(port) = cut {
            open.range.end = at;
            pieces.push(std::mem::replace(&mut open, Piece { range: at..at, port }));
            if at >= stop {
                return (pieces, Some((at, port)));
            }
        }
        at = match header {
            Some(_) => line_end(bytes, start),
            None => statement_end(bytes, start),
        };
    }
    open.range.end = bytes.len();
    pieces.push(open);
    (pieces, None)
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    at
}

/// The first octet of the next line.
fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1)
}

/// Reads the header that starts at `at` with a bracket, as far as is needed to know whose it is.
fn header(bytes: &[u8], at: usize) -> Option<Header> {
    let double = bytes.get(at + 1) == Some(&b'[');
    let name = skip_blanks(bytes, at + if double { 2 } else { 1 });
    let rest = &bytes[name..];
    let length =
        [&b"ports"[..], b"\"ports\"", b"'ports'"].iter().find(|n| rest.starts_with(n)).map(|n| n.len());
    let Some(length) = length else { return Some(Header::Other) };
    let after = skip_blanks(bytes, name + length);
    match bytes.get(after) {
        Some(b'.') => Some(Header::PortPart),
        Some(b']') if double && bytes.get(after + 1) == Some(&b']') => Some(Header::Port),
        _ => Some(Header::Other),
    }
}

/// The first octet after the statement that starts at `at`: the line, and more lines while a string or a bracket is
/// open. A line `[[ports]]` inside brackets can be no value, so a forgotten bracket costs one port, not the file.
fn statement_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\n' => {
                at += 1;
                let next = skip_blanks(bytes, at);
                let port = bytes.get(next) == Some(&b'[') && header(bytes, next) == Some(Header::Port);
                if depth == 0 || port {
                    return at;
                }
                continue;
            }
            b'#' => {
                at = line_end(bytes, at).saturating_sub(1).max(at + 1);
                if bytes.get(at) != Some(&b'\n') {
                    return bytes.len();
                }
                continue;
            }
            b'"' | b'\'' => {
                at = string_end(bytes, at, *byte);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The first octet after the string that starts at `at`; a string of one line ends at its line's end at the latest.
fn string_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let escapes = quote == b'"';
    if bytes[at..].starts_with(&[quote; 3]) {
        let mut end = at + 3;
        while end < bytes.len() {
            if escapes && bytes[end] == b'\\' {
                end += 2;
            } else if bytes[end..].starts_with(&[quote; 3]) {
                end += 3;
                // Up to two quotes may stand before the closing three.
                return end
                    + bytes[end.min(bytes.len())..].iter().take(2).take_while(|b| **b == quote).count();
            } else {
                end += 1;
            }
        }
        return bytes.len();
    }
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\n' => return end,
            b'\\' if escapes && bytes.get(end + 1) != Some(&b'\n') => end += 1,
            byte if *byte == quote => return end + 1,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Vec<&str> {
        let pieces = split(text);
        let whole: String = pieces.iter().map(|p| &text[p.range.clone()]).collect();
        assert_eq!(whole, text, "every octet is in one piece");
        pieces.iter().filter(|p| p.port).map(|p| text[p.range.clone()].trim()).collect()
    }

    #[test]
    fn ports_are_cut_at_their_headers_with_their_parts() {
        let text = "version = 1\n[[ports]]\na = 1\n[ports.metadata]\nb = 2\n [[ ports ]] # two\r\nc = 3\r\n[networks.x]\nmtu = 1\n[[\"ports\"]]\n";
        assert_eq!(
            ports(text),
            ["[[ports]]\na = 1\n[ports.metadata]\nb = 2", "[[ ports ]] # two\r\nc = 3", "[[\"ports\"]]"]
        );
    }

    #[test]
    fn a_header_inside_a_string_or_a_comment_is_no_header() {
        for value in [
            "\"\"\"\n[[ports]]\n\"\"\"",
            "'''\n[[ports]]\n'''",
            "\"\"\"a\\\"\"\"\"\n#\"\"\"\n[[ports]]\n\"\"\"",
            "[\n  \"[[ports]]\",\n]",
        ] {
            assert_eq!(ports(&format!("x = {value}\n[[ports]]\n")).len(), 1, "{value}");
        }
        assert_eq!(ports("# '''\n[[ports]]\n# \"\"\"\n[[ports]]").len(), 2);
        assert_eq!(ports("a = 'it''s'\nb = \"\\\\\"\n[[ports]]\n").len(), 1);
    }

    #[test]
    fn two_halves_are_cut_as_the_whole_is() {
        let port = "[[ports]]\na = [\n1]\n";
        for between in
            ["", "x = \"\"\"", "x = \"\"\"\n[[ports]]\n\"\"\"\n", "[networks.x]\n", "a = [\n", "# \"\"\"\n"]
        {
            for (before, after) in [(0, 1), (1, 3), (2, 2), (4, 1), (9, 12)] {
                let text = [&port.repeat(before), between, &port.repeat(after)].concat();
                let whole = cut(text.as_bytes(), (0, false), usize::MAX).0;
                for (middle, _) in text.match_indices("[[ports]]\n") {
                    let mut halves = split_at(text.as_bytes(), middle);
                    halves.retain(|piece| !piece.range.is_empty());
                    let whole: Vec<_> = whole.iter().filter(|p| !p.range.is_empty()).cloned().collect();
                    assert_eq!(halves, whole, "{text:?} at {middle}");
                }
            }
        }
        assert_eq!(middle(&port.repeat(4), 1), Some(3 * port.len()));
        assert_eq!(middle(&port.repeat(4), 1000), None);
    }

    #[test]
    fn a_forgotten_bracket_or_quote_costs_one_port() {
        assert_eq!(ports("[[ports]]\na = [1\n[[ports]]\nb = {\n[[ports]]\nc = \"\n[[ports]]").len(), 4);
    }

    #[test]
    fn no_text_breaks_the_cutter() {
        for text in
            ["", "[", "[[", "[[ports", "\"", "'''", "\"\"\"\\", "#", "a = \"\\", "\u{fe}[[ports]]", "x = #"]
        {
            let _ = ports(text);
        }
    }
}
