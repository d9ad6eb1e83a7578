//! Paths of requests: one form for each, found once, before anything is decided by it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The path of a request in the one form that is routed and forwarded: octets that need no percent-encoding without
/// it, the others with it and in capitals (RFC 3986 §6.2.2.1, §6.2.2.2), segments `.` and `..` resolved (§5.2.4).
/// Empty segments stay. A path that has this form already is not copied.
///
/// `None` for what begins with no slash, for a percent sign without two hexadecimal digits, and for a path that its
/// reader may take for another: with a slash or a backslash inside a segment (`%2f`, `%5c`), or a NUL.
#[must_use]
pub(super) fn normalise(path: &str) -> Option<Cow<'_, str>> {
    if !path.starts_with('/') {
        return None;
    }
    let encoded = encode(path)?;
    let resolved = if has_dots(&encoded) { Some(resolve(&encoded)) } else { None };
    Some(match resolved {
        Some(resolved) => Cow::Owned(resolved),
        None => encoded,
    })
}

/// True for a path that has its plain form already.
#[must_use]
pub fn is_plain_path(path: &str) -> bool {
    normalise(path).is_some_and(|plain| plain == path)
}

/// Unreserved characters decoded, all others that do not belong into a path encoded.
fn encode(path: &str) -> Option<Cow<'_, str>> {
    if path.bytes().all(|octet| octet == b'/' || is_path_octet(octet)) {
        return Some(Cow::Borrowed(path));
    }
    let mut out = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let (octet, decoded, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, true, tail),
            (b'%', _) => return None,
            _ => (first, false, tail),
        };
        rest = tail;
        match octet {
            0 | b'\\' => return None,
            b'/' if decoded => return None,
            b'/' => out.push('/'),
            _ if is_unreserved(octet) || !decoded && is_path_octet(octet) => out.push(char::from(octet)),
            _ => write!(out, "%{octet:02X}").ok()?,
        }
    }
    Some(Cow::Owned(out))
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|segment| segment == "." || segment == "..")
}

fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push(""); // `/a/.` is the folder `/a/`
        }
    }
    kept.iter().fold(String::with_capacity(path.len()), |out, segment| out + "/" + segment)
}

/// The segments of a plain path with nothing encoded any more; `None` when one is not UTF-8. The empty one behind a last
/// slash is left out.
pub(super) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let (octet, tail) = match (*first, tail) {
            (b'%', [high, low, tail @ ..]) => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, tail),
            (octet, tail) => (octet, tail),
        };
        octets.push(octet);
        rest = tail;
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}

/// RFC 3986 §2.3.
fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` without percent-encoding (RFC 3986 §3.3).
fn is_path_octet(octet: u8) -> bool {
    is_unreserved(octet) || b"!$&'()*+,;=:@".contains(&octet)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_027_a_path_has_one_form() {
        let cases = [
            ("/openstack/latest/meta_data.json", "/openstack/latest/meta_data.json"),
            ("/", "/"),
            ("/a//b/", "/a//b/"),
            ("/%6f%70en%73tack/%7Eme", "/openstack/~me"),
            ("/a%20b%c3%a9", "/a%20b%C3%A9"),
            ("/é\"|", "/%C3%A9%22%7C"),
            ("/a%3Ab:c%40@", "/a%3Ab:c%40@"),
            // The examples of RFC 3986 §5.2.4 and §5.4.
            ("/a/b/c/./../../g", "/a/g"),
            ("/b/c/..", "/b/"),
            ("/b/c/.", "/b/c/"),
            ("/../g", "/g"),
            ("/../../../g", "/g"),
            ("/b/c/g..", "/b/c/g.."),
            ("/b/c/...", "/b/c/..."),
            ("/b/c/./g/.", "/b/c/g/"),
            ("/..", "/"),
            // The same, hidden.
            ("/openstack/%2e%2e/%2E./admin", "/admin"),
            ("/openstack/.%2e/latest/%2e/user_data", "/latest/user_data"),
            ("/%252e%252e/x", "/%252e%252e/x"),
        ];
        for (path, form) in cases {
            let found = normalise(path);
            assert_eq!(found.as_deref(), Some(form), "{path}");
            assert_eq!(normalise(form).as_deref(), Some(form), "once is enough: {path}");
        }
        assert!(matches!(normalise("/latest/meta-data/"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn http_027_a_path_that_can_be_read_in_two_ways_has_no_form() {
        for path in [
            "",
            "*",
            "a/b",
            "/a%2fb",
            "/..%2F..%2fetc",
            "/a%5c..%5Cb",
            "/a\\b",
            "/a%00",
            "/%",
            "/%4",
            "/%g0",
            "/%+1",
        ] {
            assert_eq!(normalise(path), None, "{path}");
        }
    }

    #[test]
    fn segments_are_decoded_and_empty_ones_are_none() {
        let of = |path| segments(path).map(|s| s.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of("/a//b%20c/"), Some(vec!["a".into(), "b c".into()]));
        assert_eq!(of("/"), Some(vec![]));
        assert_eq!(of("/%FF"), None);
    }
}
