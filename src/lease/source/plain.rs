//! The TOML that programs write for a port, read straight into the common tree.
//!
//! Bare keys, strings without escapes, decimal integers, booleans, lists and inline tables of those on one line,
//! `[ports.x]` tables, comments. It refuses everything else, right or wrong, and says nothing about it: the whole
//! parser then reads the piece. Whatever is accepted here gives the tree that the whole parser gives.

use super::node::{Entry, Node, Value};

/// Fields that programs give a port; only saves growing.
const USUAL_FIELDS: usize = 12;

/// Most digits of an integer that fits 64 bits whatever the digits are.
const DIGITS: usize = 18;

/// The port of a piece that starts with `[[ports]]`, if the piece is plain.
pub(super) fn port(piece: &str) -> Option<Node<'_>> {
    let mut scan = Scan { text: piece, at: 0 };
    scan.blank_lines()?;
    let at = scan.at;
    scan.literal("[[ports]]")?;
    scan.line_end()?;
    let mut port = Vec::with_capacity(USUAL_FIELDS);
    scan.statements(&mut port)?;
    while scan.at < piece.len() {
        port.push(scan.part()?);
    }
    Some(Node { at, value: table(port)? })
}

/// A table in the order of the whole parser; nothing if a key is there twice.
fn table(mut entries: Vec<Entry<'_>>) -> Option<Value<'_>> {
    entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let twice = entries.windows(2).any(|pair| matches!(pair, [a, b] if a.key == b.key));
    (!twice).then_some(Value::Table(entries))
}

struct Scan<'s> {
    text: &'s str,
    at: usize,
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
        self.run(|b| b == b' ' || b == b'\t');
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
            entries.push(self.pair()?);
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
        Some(Entry { key: key.into(), at, node: Node { at: header, value: table(entries)? } })
    }

    /// A bare key.
    fn key(&mut self) -> Option<(usize, &'s str)> {
        let at = self.at;
        let key = self.run(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (!key.is_empty()).then_some((at, key))
    }

    fn pair(&mut self) -> Option<Entry<'s>> {
        let (at, key) = self.key()?;
        self.blanks();
        self.literal("=")?;
        self.blanks();
        let node = match self.peek()? {
            b'[' => self.list()?,
            b'{' => self.inline_table()?,
            _ => self.scalar()?,
        };
        Some(Entry { key: key.into(), at, node })
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

    fn inline_table(&mut self) -> Option<Node<'s>> {
        let at = self.at;
        let mut entries = Vec::new();
        self.members("{", "}", |scan| {
            let (at, key) = scan.key()?;
            scan.blanks();
            scan.literal("=")?;
            scan.blanks();
            entries.push(Entry { key: key.into(), at, node: scan.scalar()? });
            Some(())
        })?;
        Some(Node { at, value: table(entries)? })
    }

    /// What stands between brackets on one line, with commas between.
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
            b'"' => {
                self.at += 1;
                let text = self.run(|b| is_printed(b) && b != b'"' && b != b'\\');
                self.literal("\"")?;
                Value::Text(text.into())
            }
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
}

/// What may stand in a string or a comment: the tab and everything but control characters.
fn is_printed(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::toml;
    use super::*;

    /// The tree of the plain reader, which must be that of the whole parser.
    fn accepted(piece: &str) -> bool {
        let Some(plain) = port(piece) else { return false };
        let (whole, broken) = toml::parse(piece);
        assert!(broken.is_empty(), "{piece:?}: {broken:?}");
        let Value::Table(mut top) = whole.value else { panic!("{piece:?}: no table") };
        assert_eq!(top.len(), 1, "{piece:?}");
        let Value::List(mut ports) = top.remove(0).node.value else { panic!("{piece:?}: no list") };
        assert_eq!(ports.len(), 1, "{piece:?}");
        assert_eq!(format!("{plain:?}"), format!("{:?}", ports.remove(0)), "{piece:?}");
        true
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
            assert!(port(&format!("[[ports]]\n{line}\n")).is_none(), "{line:?}");
        }
        assert!(port("").is_none());
        assert!(port("[[ports]] x").is_none());
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
        fn a_changed_octet_gives_no_other_tree(at in 0_usize..190, octet in 0_u8..128) {
            let piece = "[[ports]]\nmac = \"fa:16:3e:00:00:01\" # x\nfixed_ips = [\"2001:db8::1\", \"2001:db8::2\"]\nmtu = 1500\nup = true\nmeta = { a = \"b\", c = 2 }\n\n[ports.m]\nrole = \"web\"\nowner = [\"x\"]\n";
            let mut octets = piece.as_bytes().to_vec();
            let count = octets.len();
            octets[at % count] = octet;
            let _ = accepted(std::str::from_utf8(&octets).expect("ASCII"));
        }
    }
}
