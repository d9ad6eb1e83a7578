//! The TOML and JSON that programs write for a port, read straight into the common tree.
//!
//! Bare keys, strings without escapes, decimal integers, booleans, lists and tables of those; in TOML on one line,
//! `[ports.x]` tables and comments too. It refuses everything else, right or wrong, and says nothing about it: the whole
//! parser then reads the piece. Whatever is accepted here gives the tree that the whole parser gives.

use super::node::{Entry, Node, Value};

/// Fields that programs give a port; only saves growing.
const USUAL_FIELDS: usize = 12;

/// Most digits of an integer that fits 64 bits whatever the digits are.
const DIGITS: usize = 18;

/// The port of a piece of JSON, if the piece is plain.
pub(super) fn json(piece: &str) -> Option<Node<'_>> {
    let mut scan = Scan { text: piece, at: 0, json: true };
    scan.blanks();
    let port = scan.table(USUAL_FIELDS, Scan::value)?;
    scan.blanks();
    scan.peek().is_none().then_some(port)
}

/// The port of a piece of TOML that starts with `[[ports]]`, if the piece is plain.
pub(super) fn toml(piece: &str) -> Option<Node<'_>> {
    let mut scan = Scan { text: piece, at: 0, json: false };
    scan.blank_lines()?;
    let at = scan.at;
    scan.literal("[[ports]]")?;
    scan.line_end()?;
    let mut port = Vec::with_capacity(USUAL_FIELDS);
    scan.statements(&mut port)?;
    while scan.at < piece.len() {
        port.push(scan.part()?);
    }
    Some(Node { at, value: sorted(port)? })
}

/// A table in the order of the whole parser; nothing if a key is there twice.
fn sorted(mut entries: Vec<Entry<'_>>) -> Option<Value<'_>> {
    entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let twice = entries.windows(2).any(|pair| matches!(pair, [a, b] if a.key == b.key));
    (!twice).then_some(Value::Table(entries))
}

struct Scan<'s> {
    text: &'s str,
    at: usize,
    json: bool,
}

impl<'s> Scan<'s> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes on while octets are such, and gives them. Only whole characters are such.
    fn run(&mut self, such: impl Fn(u8) -> bool) -> &'s str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or(&[]);
        let length = rest.iter().position(|b| !such(*b)).unwrap_or(rest.len());
        let run = self.text.get(self.at..self.at + length).unwrap_or("");
        self.at += run.len();
        run
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(literal).then(|| self.at += literal.len())
    }

    fn blanks(&mut self) {
        let json = self.json;
        self.run(|b| b == b' ' || b == b'\t' || (json && (b == b'\r' || b == b'\n')));
    }

    /// Blanks, a comment if there is one, and the end of the line or of the text.
    fn line_end(&mut self) -> Option<()> {
        self.blanks();
        if self.peek() == Some(b'#') {
            self.run(is_printed);
        }
        match self.peek() {
            None => Some(()),
            Some(b'\n') => self.literal("\n"),
            Some(_) => self.literal("\r\n"),
        }
    }

    /// Lines without a statement, and the blanks before the next.
    fn blank_lines(&mut self) -> Option<()> {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'#' | b'\n' | b'\r') => self.line_end()?,
                _ => return Some(()),
            }
        }
    }

    /// `key = value` lines up to the end or a bracket in front of a line.
    fn statements(&mut self, entries: &mut Vec<Entry<'s>>) -> Option<()> {
        loop {
            self.blank_lines()?;
            if matches!(self.peek(), None | Some(b'[')) {
                return Some(());
            }
            entries.push(self.pair(Self::value)?);
            self.line_end()?;
        }
    }

    /// `[ports.key]` and its lines.
    fn part(&mut self) -> Option<Entry<'s>> {
        let header = self.at;
        self.literal("[ports.")?;
        let (at, key) = self.key()?;
        self.literal("]")?;
        self.line_end()?;
        let mut entries = Vec::new();
        self.statements(&mut entries)?;
        Some(Entry { key: key.into(), at, node: Node { at: header, value: sorted(entries)? } })
    }

    /// A bare key, in JSON a string.
    fn key(&mut self) -> Option<(usize, &'s str)> {
        let at = self.at;
        if self.json {
            return Some((at, self.string()?));
        }
        let key = self.run(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (!key.is_empty()).then_some((at, key))
    }

    fn pair(&mut self, value: fn(&mut Self) -> Option<Node<'s>>) -> Option<Entry<'s>> {
        let (at, key) = self.key()?;
        self.blanks();
        self.literal(if self.json { ":" } else { "=" })?;
        self.blanks();
        Some(Entry { key: key.into(), at, node: value(self)? })
    }

    /// A value of a port.
    fn value(&mut self) -> Option<Node<'s>> {
        match self.peek()? {
            b'[' => self.list(),
            b'{' => self.table(0, Self::scalar),
            _ => self.scalar(),
        }
    }

    fn list(&mut self) -> Option<Node<'s>> {
        let at = self.at;
        let mut items = Vec::new();
        self.members("[", "]", |scan| {
            items.push(scan.scalar()?);
            Some(())
        })?;
        Some(Node { at, value: Value::List(items) })
    }

    /// An inline table of TOML, an object of JSON.
    fn table(&mut self, usual: usize, value: fn(&mut Self) -> Option<Node<'s>>) -> Option<Node<'s>> {
        let at = self.at;
        let mut entries = Vec::with_capacity(usual);
        self.members("{", "}", |scan| {
            entries.push(scan.pair(value)?);
            Some(())
        })?;
        Some(Node { at, value: sorted(entries)? })
    }

    /// What stands between brackets, with commas between.
    fn members(
        &mut self,
        open: &str,
        close: &str,
        mut member: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.literal(open)?;
        self.blanks();
        if self.literal(close).is_some() {
            return Some(());
        }
        loop {
            member(self)?;
            self.blanks();
            if self.literal(close).is_some() {
                return Some(());
            }
            self.literal(",")?;
            self.blanks();
        }
    }

    /// A string, an integer or a boolean. What must not follow it is found by who asked for it.
    fn scalar(&mut self) -> Option<Node<'s>> {
        let at = self.at;
        let value = match self.peek()? {
            b'"' => Value::Text(self.string()?.into()),
            b'n' if self.json => self.literal("null").map(|()| Value::Null)?,
            b't' => self.literal("true").map(|()| Value::Bool(true))?,
            b'f' => self.literal("false").map(|()| Value::Bool(false))?,
            b'0'..=b'9' => {
                let digits = self.run(|b| b.is_ascii_digit());
                if digits.len() > DIGITS || (digits.len() > 1 && digits.starts_with('0')) {
                    return None;
                }
                Value::Integer(digits.parse().ok(), digits.into())
            }
            _ => return None,
        };
        Some(Node { at, value })
    }

    /// A string without escapes; JSON has no tab in it (RFC 8259 §7).
    fn string(&mut self) -> Option<&'s str> {
        let json = self.json;
        self.literal("\"")?;
        let text = self.run(|b| is_printed(b) && b != b'"' && b != b'\\' && !(json && b == b'\t'));
        self.literal("\"")?;
        Some(text)
    }
}

/// What may stand in a string or a comment: the tab and everything but control characters.
fn is_printed(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{json as whole_json, toml as whole_toml};
    use super::*;

    /// The tree of the plain reader, which must be that of the whole parser.
    fn accepted(piece: &str) -> bool {
        let Some(plain) = toml(piece) else { return false };
        let (whole, broken) = whole_toml::parse(piece);
        assert!(broken.is_empty(), "{piece:?}: {broken:?}");
        let Value::Table(mut top) = whole.value else { panic!("{piece:?}: no table") };
        assert_eq!(top.len(), 1, "{piece:?}");
        let Value::List(mut ports) = top.remove(0).node.value else { panic!("{piece:?}: no list") };
        assert_eq!(ports.len(), 1, "{piece:?}");
        assert_eq!(format!("{plain:?}"), format!("{:?}", ports.remove(0)), "{piece:?}");
        true
    }

    fn accepted_json(piece: &str) -> bool {
        let Some(plain) = json(piece) else { return false };
        let (whole, broken) = whole_json::parse(piece);
        assert!(broken.is_empty(), "{piece:?}: {broken:?}");
        assert_eq!(format!("{:?}", Some(plain)), format!("{whole:?}"), "{piece:?}");
        true
    }

    #[test]
    fn json_that_programs_write_is_read_as_the_whole_parser_reads_it() {
        for piece in [
            "{}",
            " \t\r\n{ }\n",
            "{\"b\": \"x\", \"a\":1 ,\"c\" : true,\n\"d\":false,\"\":null}",
            "{\"é\":\"é\",\"a\":[],\"b\":[ ],\"c\":[\"x\", 0,999999999999999999]}",
            "{\"m\":{\"z\":1,\n\"y\":\"2\"},\"l\":{}}",
        ] {
            assert!(accepted_json(piece), "{piece:?}");
        }
        for piece in [
            "",
            "{",
            "{}x",
            "[]",
            "1",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":-1}",
            "{\"a\":1.5}",
            "{\"a\":1e3}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":[[1]]}",
            "{\"a\":nul}",
            "{\"a\":{\"b\":[1]}}",
            "{\"a\":1}\u{a0}",
            "\u{feff}{}",
            "{\"a\"=1}",
            "{}//",
            "{\"a\":1000000000000000000}",
        ] {
            assert!(json(piece).is_none(), "{piece:?}");
        }
    }

    #[test]
    fn what_programs_write_is_read_as_the_whole_parser_reads_it() {
        for piece in [
            "[[ports]]",
            "[[ports]]\n",
            " \t[[ports]] # one\r\n\r\n# two\nb = \"x\" # three\na=1\n",
            "[[ports]]\na = \"\"\nb = \"é\tü\"\nc = true\nd = false\ne = 0\nf = 999999999999999999",
            "[[ports]]\na = []\nb = [ ]\nc = [\"x\", 1,true ]\nd = {}\ne = { y = 1, x = \"z\" }\n",
            "[[ports]]\na = 1\n\n [ports.metadata] # m\nz = 1\ny = \"2\"\n[ports.b]\n[ports.c-d_3]\nx = [1]\n",
            "[[ports]]\n1 = 1\n-_ = 2\n",
        ] {
            assert!(accepted(piece), "{piece:?}");
        }
    }

    #[test]
    fn what_is_not_plain_or_is_broken_is_left_to_the_whole_parser() {
        for line in [
            "a = 1\na = 2",
            "a = \"\"\"x\"\"\"",
            "a = 'x'",
            "a = \"\\n\"",
            "a = \"\u{7f}\"",
            "a = \"",
            "a = 01",
            "a = +1",
            "a = 1_0",
            "a = 1.0",
            "a = 1000000000000000000",
            "a = 1979-05-27",
            "a = truex",
            "a = [1,]",
            "a = [\n1]",
            "a = [[1]]",
            "a = [1 2]",
            "a = {x = 1,}",
            "a = {x = 1, x = 2}",
            "a.b = 1",
            "\"a\" = 1",
            "a = ",
            "a",
            "= 1",
            "a = 1 b = 2",
            "a = 1 # \u{1}",
            "a = 1\rb = 2",
            "a = 1\n[ports.a]",
            "[ports.a.b]",
            "[[ports.a]]",
            "[ports.a]\n[ports.a]",
            "[ports]",
            "[[ports]]",
            "[x]",
            "\u{feff}a = 1",
        ] {
            assert!(toml(&format!("[[ports]]\n{line}\n")).is_none(), "{line:?}");
        }
        assert!(toml("").is_none());
        assert!(toml("[[ports]] x").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn a_tree_is_never_another_than_that_of_the_whole_parser(
            parts in proptest::collection::vec(
                prop_oneof![
                    4 => Just("\n"), 4 => Just("a = "), 2 => Just("b="), 1 => Just("c\t=\t"),
                    2 => Just("\"x\""), 1 => Just("\"\""), 1 => Just("\""), 1 => Just("\\"), 1 => Just("'"),
                    1 => Just("1"), 1 => Just("0"), 1 => Just("true"), 1 => Just("-"), 1 => Just("."),
                    2 => Just("["), 2 => Just("]"), 1 => Just("{"), 1 => Just("}"), 2 => Just(","),
                    1 => Just("[ports.m]\n"), 1 => Just("[ports.n]\n"), 1 => Just("[[ports]]\n"),
                    1 => Just("# é\n"), 1 => Just("#"), 1 => Just("\r\n"), 1 => Just("\r"), 1 => Just(" "),
                    1 => Just("é"), 1 => Just("\u{7f}"), 1 => Just("\0"),
                ],
                0..12,
            )
        ) {
            let _ = accepted(&format!("[[ports]]\n{}", parts.concat()));
        }

        #[test]
        fn a_tree_of_json_is_never_another_than_that_of_the_whole_parser(
            parts in proptest::collection::vec(
                prop_oneof![
                    6 => Just("\"a\":"), 3 => Just("\"b\" : "), 2 => Just("\"x\""), 1 => Just("\"é\""), 1 => Just("\""),
                    2 => Just("1"), 1 => Just("0"), 1 => Just("true"), 1 => Just("null"), 1 => Just("-"), 1 => Just("."),
                    1 => Just("["), 2 => Just("[]"), 1 => Just("]"), 1 => Just("{"), 1 => Just("}"), 6 => Just(","),
                    1 => Just("\n"), 1 => Just("\t"), 1 => Just("\\"), 1 => Just("\u{7f}"), 1 => Just("\u{a0}"), 1 => Just("//"),
                ],
                0..12,
            )
        ) {
            let _ = accepted_json(&format!("{{{}}}", parts.concat()));
        }

        #[test]
        fn a_changed_octet_of_json_gives_no_other_tree(at in 0_usize..190, octet in 0_u8..128) {
            let piece = "{\"mac\": \"fa:16:3e:00:00:01\", \"ips\":[\"2001:db8::1\", \"2001:db8::2\"],\n\"mtu\": 1500, \"up\": true, \"meta\": {\"a\": \"b\", \"c\": 2}}";
            let mut octets = piece.as_bytes().to_vec();
            let count = octets.len();
            octets[at % count] = octet;
            let _ = accepted_json(std::str::from_utf8(&octets).expect("ASCII"));
        }

        #[test]
        fn a_changed_octet_gives_no_other_tree(at in 0_usize..190, octet in 0_u8..128) {
            let piece = "[[ports]]\nmac = \"fa:16:3e:00:00:01\" # x\nfixed_ips = [\"2001:db8::1\", \"2001:db8::2\"]\nmtu = 1500\nup = true\nmeta = { a = \"b\", c = 2 }\n\n[ports.m]\nrole = \"web\"\nowner = [\"x\"]\n";
            let mut octets = piece.as_bytes().to_vec();
            let count = octets.len();
            octets[at % count] = octet;
            let _ = accepted(std::str::from_utf8(&octets).expect("ASCII"));
        }
    }
}
