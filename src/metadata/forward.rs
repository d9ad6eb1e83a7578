//! The heads that go on: a guest's request as an upstream may see it, an upstream's answer as the guest may.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request, response};
use ring::hmac;

use super::fields::{remove_guarded, remove_hop_by_hop};
use super::path::normalise;
use super::template::Nameless;
use super::{Guest, Template, UpstreamKind};

const INSTANCE_ID: HeaderName = HeaderName::from_static("x-instance-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-instance-id-signature");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How requests to one upstream are made of those of guests.
#[derive(Debug)]
pub struct Forwarding {
    /// Fields that tell who asks; a guest's own fields of these names go no further.
    names: Vec<HeaderName>,
    templates: Vec<Template>,
    /// Signs the first of `templates`, for Nova.
    key: Option<hmac::Key>,
    path_prefix: String,
}

/// The head of a request to an upstream; its `Host` is that of the endpoint which is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The guest's method.
    pub method: Method,
    /// Path, normalised, behind the upstream's prefix; the guest's query.
    pub target: PathAndQuery,
    /// The guest's end-to-end fields, and who asks.
    pub fields: HeaderMap,
}

/// Why a request goes to no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has no path, or one that can be read in two ways.
    Target,
    /// TRACE would show the guest what we tell the upstream; CONNECT asks for no document.
    Method,
    /// The lease does not say what the upstream has to be told of this guest.
    Nameless,
}

impl Refusal {
    /// What the guest is told.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Target => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Nameless => StatusCode::NOT_FOUND,
        }
    }
}

impl Forwarding {
    /// The rules of one upstream.
    #[must_use]
    pub fn new(kind: &UpstreamKind) -> Self {
        match kind {
            UpstreamKind::Nova { shared_secret } => Self {
                names: vec![INSTANCE_ID, TENANT_ID, FORWARDED_FOR],
                templates: vec![Template::device_id(), Template::project_id(), Template::source()],
                key: Some(hmac::Key::new(hmac::HMAC_SHA256, shared_secret.reveal())),
                path_prefix: String::new(),
            },
            UpstreamKind::Http { headers, path_prefix } => {
                let (names, templates) = headers.iter().cloned().unzip();
                Self { names, templates, key: None, path_prefix: path_prefix.clone() }
            }
        }
    }

    /// The head that an upstream gets for a guest's request with a body of `length` octets, if that is known.
    ///
    /// What the guest says of itself is deleted before anything is set, and what `Connection` names before that, so
    /// neither can stand beside what we say or take it away.
    ///
    /// # Errors
    /// Why the request goes nowhere.
    pub fn request(
        &self,
        guest: &Guest,
        head: &request::Parts,
        length: Option<u64>,
    ) -> Result<Head, Refusal> {
        if [Method::TRACE, Method::CONNECT].contains(&head.method) {
            return Err(Refusal::Method);
        }
        let target = self.target(head.uri.path_and_query())?;
        let mut fields = head.headers.clone();
        let had_length = fields.contains_key(CONTENT_LENGTH);
        remove_hop_by_hop(&mut fields);
        remove_guarded(&mut fields, &self.names);
        if let Some(length) = length.filter(|length| *length > 0 || had_length) {
            fields.insert(CONTENT_LENGTH, length.into());
        }
        self.identify(guest, &mut fields).map_err(|Nameless| Refusal::Nameless)?;
        Ok(Head { method: head.method.clone(), target, fields })
    }

    fn target(&self, asked: Option<&PathAndQuery>) -> Result<PathAndQuery, Refusal> {
        let asked = asked.ok_or(Refusal::Target)?;
        let path = normalise(asked.path()).ok_or(Refusal::Target)?;
        let mut target = format!("{}{path}", self.path_prefix);
        if let Some(query) = asked.query() {
            target.extend(["?", query]);
        }
        target.try_into().map_err(|_| Refusal::Target)
    }

    fn identify(&self, guest: &Guest, fields: &mut HeaderMap) -> Result<(), Nameless> {
        let identity = guest.identity();
        for (name, template) in self.names.iter().zip(&self.templates) {
            if let Some(value) = template.fill(guest, &identity)? {
                fields.insert(name, value);
            }
        }
        if let Some(key) = &self.key {
            let id = identity.device_id.as_deref().filter(|id| !id.is_empty()).ok_or(Nameless)?;
            fields.insert(SIGNATURE, signature(key, id)?);
        }
        Ok(())
    }
}

/// What Nova compares: HMAC-SHA256 of the instance id's text, in lower-case hexadecimal.
fn signature(key: &hmac::Key, instance_id: &str) -> Result<HeaderValue, Nameless> {
    let tag = hmac::sign(key, instance_id.as_bytes());
    let digit = |value: u8| b"0123456789abcdef".get(usize::from(value & 0xf)).copied().unwrap_or(b'0');
    let hex: Vec<u8> = tag.as_ref().iter().flat_map(|octet| [digit(octet >> 4), digit(*octet)]).collect();
    HeaderValue::from_maybe_shared(bytes::Bytes::from(hex)).map_err(|_| Nameless)
}

/// An answer whose end nobody can tell for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFraming;

/// Makes an upstream's answer to `method` fit for the guest's connection: fields that concern one connection go, all
/// others stay. `length` is that of the body, where it is known. The body itself passes octet by octet.
///
/// # Errors
/// The answer changes protocols, or has a transfer coding that nobody asked for (RFC 9112 §6.1).
pub fn answer(method: &Method, head: &mut response::Parts, length: Option<u64>) -> Result<(), BadFraming> {
    if head.status.is_informational() {
        return Err(BadFraming);
    }
    let codings = head.headers.get_all(TRANSFER_ENCODING);
    if codings.iter().any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        return Err(BadFraming);
    }
    let coded = head.headers.contains_key(TRANSFER_ENCODING);
    remove_hop_by_hop(&mut head.headers);
    // RFC 9110 §8.6: these have no body, and may say how long it would be.
    let bodiless = *method == Method::HEAD || head.status == StatusCode::NOT_MODIFIED;
    let said = head.headers.remove(CONTENT_LENGTH);
    let length = match (said, length) {
        (Some(said), _) if bodiless && !coded => Some(said),
        (Some(_), Some(length)) if !bodiless && !coded => Some(length.into()),
        _ => None,
    };
    if let Some(length) = length.filter(|_| head.status != StatusCode::NO_CONTENT) {
        head.headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};

    use super::*;
    use crate::lease::{self, PortId};
    use crate::metadata::Secret;

    const LEASES: &str = r#"version = 1
server = { cloud = "test" }
[networks.blue]
vlan = 7
router = { mac_address = "fa:16:3e:00:00:01" }
subnets = [{ cidr = "2001:db8:a::/64", ipv6_ra_mode = "slaac", ipv6_address_mode = "slaac" }]
[[ports]]
mac_address = "fa:16:3e:00:01:01"
network = "blue"
device_id = "2244a346-a34b-4ab6-905f-71dc207a92e6"
project_id = "4C1B7A9D-2E8F-4B7C-A1D3-E5F708192A3B"
hostname = "full.example.com"
[[ports]]
mac_address = "fa:16:3e:00:01:02"
network = "blue"
"#;

    /// `printf %s 2244a346-a34b-4ab6-905f-71dc207a92e6 | openssl dgst -sha256 -hmac 'metadata secret'`
    const SIGNED: &str = "f53498c61c9c6a538444ebbac6f6473add7efd83d2e87a5c69a51c8af0116539";

    fn guest(port: u32) -> Guest {
        let loaded = lease::load("leases.toml", LEASES.as_bytes().to_vec()).expect("good leases");
        Guest::new(
            Arc::new(loaded.table),
            PortId(port),
            "fe80::f816:3eff:fe00:101".parse().expect("an address"),
        )
    }

    fn nova() -> Forwarding {
        Forwarding::new(&UpstreamKind::Nova { shared_secret: Secret::new(b"metadata secret".to_vec()) })
    }

    fn http(headers: &[(&'static str, &str)], path_prefix: &str) -> Forwarding {
        let header = |(name, template): &(&'static str, &str)| {
            (HeaderName::from_static(name), Template::parse(template).expect("a template"))
        };
        let headers = headers.iter().map(header).collect();
        Forwarding::new(&UpstreamKind::Http { headers, path_prefix: path_prefix.into() })
    }

    fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> request::Parts {
        let start = Request::builder().method(method).uri(target);
        let all = fields.iter().fold(start, |request, (name, value)| request.header(*name, *value));
        all.body(()).expect("a request").into_parts().0
    }

    fn fields(head: &HeaderMap) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> =
            head.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn http_032_nova_is_told_instance_project_address_and_a_signature() {
        let asked =
            request("GET", "/openstack", &[("Host", "[fe80::a9fe:a9fe%25eth0]"), ("User-Agent", "curl")]);
        let head = nova().request(&guest(0), &asked, Some(0)).expect("known");
        let expected = [
            ("user-agent", "curl"),
            ("x-forwarded-for", "fe80::f816:3eff:fe00:101"),
            ("x-instance-id", "2244a346-a34b-4ab6-905f-71dc207a92e6"),
            ("x-instance-id-signature", SIGNED),
            ("x-tenant-id", "4C1B7A9D-2E8F-4B7C-A1D3-E5F708192A3B"),
        ];
        assert_eq!(fields(&head.fields), expected);
        assert_eq!(head.target, "/openstack");
    }

    #[test]
    fn http_030_connection_cannot_take_our_fields_away() {
        let forged = [
            ("Connection", "X-Instance-ID, X-Tenant-ID, X-Forwarded-For, X-Instance-ID-Signature"),
            ("X-Instance-ID", "evil"),
            ("X-Instance-ID", "worse"),
            ("X_Tenant_ID", "evil"),
            ("X-Forwarded-For", "::1"),
        ];
        let head = nova().request(&guest(0), &request("GET", "/", &forged), None).expect("known");
        let plain = nova().request(&guest(0), &request("GET", "/", &[]), None).expect("known");
        assert_eq!(head, plain);
        assert_eq!(head.fields.len(), 4);
    }

    #[test]
    fn http_025_of_a_target_path_and_query_go_on() {
        for (asked, sent) in [
            ("http://nova.example.com:8775/a?b=c&d", "/a?b=c&d"),
            ("http://169.254.169.254", "/"),
            ("/x/%2e%2e/y?%2e%2e/#f", "/y?%2e%2e/"),
            ("//evil.example.com/x", "//evil.example.com/x"),
        ] {
            let head = nova().request(&guest(0), &request("GET", asked, &[]), None).expect(asked);
            assert_eq!(head.target, sent);
        }
        for (method, asked, refusal) in [
            ("GET", "/a%2f..", Refusal::Target),
            ("OPTIONS", "*", Refusal::Target),
            ("CONNECT", "x:80", Refusal::Method),
            ("TRACE", "/", Refusal::Method),
        ] {
            assert_eq!(
                nova().request(&guest(0), &request(method, asked, &[]), None),
                Err(refusal),
                "{asked}"
            );
        }
    }

    #[test]
    fn a_guest_without_an_instance_is_asked_for_nowhere() {
        assert_eq!(nova().request(&guest(1), &request("GET", "/", &[]), None), Err(Refusal::Nameless));
        assert_eq!(nova().request(&guest(9), &request("GET", "/", &[]), None), Err(Refusal::Nameless));
        let needs = http(&[("x-vm", "{device_id}")], "");
        assert_eq!(needs.request(&guest(1), &request("GET", "/", &[]), None), Err(Refusal::Nameless));
        let needs_none = http(&[("x-mac", "{mac}"), ("x-name", "{hostname}")], "");
        let head =
            needs_none.request(&guest(1), &request("GET", "/", &[("X-Name", "evil")]), None).expect("a port");
        assert_eq!(fields(&head.fields), [("x-mac", "fa:16:3e:00:01:02")]);
    }

    #[test]
    fn an_operators_fields_are_filled_in_and_a_guests_are_deleted() {
        let all = "{device_id}/{project_id}/{hostname}/{mac}/{vlan}/{network}/{source}";
        let rules = http(&[("x-guest", all), ("x-rack", "r1")], "/v1/guests");
        let asked =
            request("GET", "/../secret?x", &[("X_Guest", "evil"), ("x-rack", "evil"), ("x-racks", "fine")]);
        let head = rules.request(&guest(0), &asked, None).expect("known");
        assert_eq!(head.target, "/v1/guests/secret?x");
        let value = "2244a346-a34b-4ab6-905f-71dc207a92e6/4C1B7A9D-2E8F-4B7C-A1D3-E5F708192A3B/full.example.com/\
                     fa:16:3e:00:01:01/7/blue/fe80::f816:3eff:fe00:101";
        assert_eq!(fields(&head.fields), [("x-guest", value), ("x-rack", "r1"), ("x-racks", "fine")]);
    }

    #[test]
    fn a_bodys_length_is_told_where_the_guest_told_it() {
        let length = |said: &[(&str, &str)], length| {
            let head =
                nova().request(&guest(0), &request("PUT", "/latest/api/token", said), length).expect("known");
            head.fields.get(CONTENT_LENGTH).map(|value| value.to_str().expect("digits").to_owned())
        };
        assert_eq!(length(&[("Content-Length", "0")], Some(0)).as_deref(), Some("0"));
        assert_eq!(length(&[("Content-Length", "5")], Some(5)).as_deref(), Some("5"));
        assert_eq!(length(&[], Some(0)), None);
        assert_eq!(length(&[("Transfer-Encoding", "chunked")], None), None);
    }

    #[test]
    fn an_answer_keeps_what_is_meant_for_the_guest() {
        let told = |method: Method, status: u16, pairs: &[(&str, &str)], length| {
            let start = Response::builder().status(status);
            let all = pairs.iter().fold(start, |response, (name, value)| response.header(*name, *value));
            let mut head = all.body(()).expect("a response").into_parts().0;
            answer(&method, &mut head, length).map(|()| {
                fields(&head.headers)
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect::<Vec<_>>()
            })
        };
        let gzip =
            [("Content-Encoding", "gzip"), ("Content-Length", "9"), ("Connection", "X-A"), ("X-A", "1")];
        let kept = vec!["content-encoding: gzip".to_owned(), "content-length: 9".to_owned()];
        assert_eq!(told(Method::GET, 200, &gzip, Some(9)), Ok(kept.clone()));
        assert_eq!(
            told(Method::HEAD, 200, &gzip, Some(0)),
            Ok(kept.clone()),
            "http_036: HEAD tells the length of GET"
        );
        assert_eq!(told(Method::GET, 304, &gzip, Some(0)), Ok(kept));
        assert_eq!(told(Method::GET, 204, &[("Content-Length", "0")], Some(0)), Ok(vec![]), "http_037");
        // RFC 9112 §6.3: Transfer-Encoding overrides, and Content-Length is taken out.
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "3")];
        assert_eq!(told(Method::GET, 200, &both, None), Ok(vec![]));
        // Repeated and equal: one is left.
        let twice = [("Content-Length", "3"), ("Content-Length", "3")];
        assert_eq!(told(Method::GET, 200, &twice, Some(3)), Ok(vec!["content-length: 3".to_owned()]));
        for coding in ["gzip, chunked", "gzip", "identity"] {
            assert_eq!(
                told(Method::GET, 200, &[("Transfer-Encoding", coding)], None),
                Err(BadFraming),
                "http_038"
            );
        }
        assert_eq!(told(Method::GET, 101, &[], Some(0)), Err(BadFraming));
    }
}
