//! Which requests are refused before anybody is asked, whoever would answer them.
//!
//! The parser in front takes what RFC 9112 allows a recipient to take. This is what it leaves to the recipient to decide,
//! and here every doubt about where a request ends is refused: nothing of a guest's framing reaches an upstream.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, StatusCode, Version};

use super::Limits;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// HTTP/1.1 without a Host field, or any with several or with one that names no host (RFC 9112 §3.2).
    Host,
    /// A method that would make a tunnel or echo what the guest must not see (RFC 9110 §9.3.6, §9.3.8).
    Method,
    /// A body whose length is not told before it comes (RFC 9112 §6.3). No client of a metadata service sends one.
    NoLength,
    /// Content-Length twice, of no number, or beside Transfer-Encoding: somebody is meant to be deceived (RFC 9112
    /// §11.2).
    Length,
    /// A body above [`Limits::body_octets`].
    TooLong,
    /// An expectation other than 100-continue (RFC 9110 §10.1.1).
    Expectation,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Host | Self::Length => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
        }
    }

    /// One sentence for the guest's user.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Host => "exactly one Host field, and a host in it",
            Self::Method => "this method is not served",
            Self::NoLength => "a body needs a Content-Length, and no Transfer-Encoding",
            Self::Length => "a body has one Content-Length, a number, and no other framing",
            Self::TooLong => "the body is longer than is taken",
            Self::Expectation => "nothing but 100-continue can be expected",
        }
    }
}

/// Judges the head of a request.
///
/// # Errors
/// Why it is refused; its connection is closed then, because nobody knows where the next one begins.
pub fn check(head: &Parts, limits: &Limits) -> Result<(), Refusal> {
    if head.headers.contains_key(TRANSFER_ENCODING) {
        let both = head.headers.contains_key(CONTENT_LENGTH);
        return Err(if both { Refusal::Length } else { Refusal::NoLength });
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        let digits = length.to_str().ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        let length = digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(Refusal::Length)?;
        if lengths.next().is_some() {
            return Err(Refusal::Length);
        }
        if length > limits.body_octets {
            return Err(Refusal::TooLong);
        }
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_none() && head.version >= Version::HTTP_11 {
        return Err(Refusal::Host);
    }
    if host.is_some_and(|host| !host.as_bytes().iter().all(|octet| is_of_host(*octet))) {
        return Err(Refusal::Host);
    }
    let expects = head
        .headers
        .get_all(EXPECT)
        .iter()
        .any(|what| !what.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && head.version >= Version::HTTP_11 {
        return Err(Refusal::Expectation);
    }
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Refusal::Method);
    }
    Ok(())
}

/// True for what the host and port of a URI may hold (RFC 3986 §3.2.2), and for the `%` before a zone: clients put the
/// name of their interface there, as in `[fe80::a9fe:a9fe%eth0]`, though it is nobody's business but theirs (RFC 9844 §6).
fn is_of_host(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&octet)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn judge(method: &str, version: Version, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::builder().method(method).version(version).uri("/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check(&request.body(()).expect("a request").into_parts().0, &Limits::default())
    }

    #[test]
    fn http_003_to_006_exactly_one_host_whatever_zone_is_in_it() {
        let host = ("host", "[fe80::a9fe:a9fe%25eth0]");
        for name in
            ["[fe80::a9fe:a9fe]", "[fe80::a9fe:a9fe%eth0]:80", "169.254.169.254", "metadata.example", ""]
        {
            assert_eq!(judge("GET", Version::HTTP_11, &[("host", name)]), Ok(()), "{name}");
        }
        for name in ["a b", "a/b", "user@h", "h?x"] {
            assert_eq!(judge("GET", Version::HTTP_11, &[("host", name)]), Err(Refusal::Host), "{name}");
        }
        assert_eq!(judge("GET", Version::HTTP_11, &[host]), Ok(()));
        assert_eq!(judge("GET", Version::HTTP_11, &[]), Err(Refusal::Host));
        assert_eq!(judge("GET", Version::HTTP_11, &[host, host]), Err(Refusal::Host));
        assert_eq!(judge("GET", Version::HTTP_10, &[]), Ok(()));
        assert_eq!(judge("GET", Version::HTTP_10, &[host, host]), Err(Refusal::Host));
    }

    #[test]
    fn http_007_to_012_a_body_has_one_length_and_it_is_told_first() {
        let (host, length) = (("host", "h"), ("content-length", "5"));
        let coded = ("transfer-encoding", "chunked");
        let put = |fields: &[(&str, &str)]| judge("PUT", Version::HTTP_11, &[&[host], fields].concat());
        assert_eq!(put(&[length]), Ok(()));
        assert_eq!(put(&[coded]), Err(Refusal::NoLength));
        assert_eq!(put(&[length, coded]), Err(Refusal::Length));
        assert_eq!(put(&[length, length]), Err(Refusal::Length));
        for wrong in ["+5", "5, 5", "0x5", "", "18446744073709551616"] {
            assert_eq!(put(&[("content-length", wrong)]), Err(Refusal::Length), "{wrong}");
        }
        assert_eq!(put(&[("content-length", "65536")]), Ok(()));
        assert_eq!(put(&[("content-length", "65537")]), Err(Refusal::TooLong));
    }

    #[test]
    fn http_034_nothing_but_100_continue_is_expected() {
        let fields = |what: &'static str| [("host", "h"), ("expect", what)];
        assert_eq!(judge("PUT", Version::HTTP_11, &fields("100-Continue")), Ok(()));
        assert_eq!(judge("PUT", Version::HTTP_11, &fields("coffee")), Err(Refusal::Expectation));
        assert_eq!(judge("PUT", Version::HTTP_10, &fields("coffee")), Ok(()));
    }

    #[test]
    fn http_026_http_035_no_tunnels_and_no_echoes() {
        for method in ["CONNECT", "TRACE"] {
            assert_eq!(judge(method, Version::HTTP_11, &[("host", "h")]), Err(Refusal::Method));
        }
    }
}
