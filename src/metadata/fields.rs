//! Header fields that stop at us, and those that only we may set.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Beginnings of the names of fields that tell an upstream who asks, whence and for what: set by us or by nobody.
/// Neutron and OVN use `x-neutron-*` and `x-ovn-*` between their proxy and their agent, Nova takes `x-instance-id*`,
/// `x-tenant-id` and `x-metadata-provider*`; the others are what frameworks behind proxies believe.
const GUARDED: [&str; 13] = [
    "x-instance-id",
    "x-tenant-id",
    "x-project-id",
    "x-metadata-provider",
    "x-neutron-",
    "x-ovn-",
    "x-forwarded",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-original-",
    "x-rewrite-url",
];

/// Takes out the fields that concern one connection only: `Connection` and all that it names, and those that every
/// proxy has to know (RFC 9110 §7.6.1).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    let named: Vec<HeaderName> = fields
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        fields.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")] {
        fields.remove(name);
    }
    remove_if(fields, |name| name.starts_with("proxy-"));
}

/// Takes out what a guest must not tell an upstream: every identity, in any case and with underscores for dashes, as
/// WSGI and CGI make no difference between them; the names of `ours`; and what is made anew for the next connection.
pub(super) fn remove_guarded(fields: &mut HeaderMap, ours: &[HeaderName]) {
    let is_ours = |folded: &str| ours.iter().any(|name| fold(name.as_str()) == folded);
    remove_if(fields, |name| {
        let folded = fold(name);
        GUARDED.iter().any(|guarded| folded.starts_with(guarded)) || is_ours(&folded)
    });
    for name in [HOST, CONTENT_LENGTH, EXPECT] {
        fields.remove(name);
    }
}

/// True for a field that is made by us, whatever the configuration says.
#[must_use]
pub fn is_made_by_us(name: &HeaderName) -> bool {
    let framing = [HOST, CONTENT_LENGTH, EXPECT, CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    framing.contains(name) || name == "keep-alive" || name.as_str().starts_with("proxy-")
}

/// All that is no letter and no digit is one to gateways that make names of variables from fields. `HeaderName` is in lower
/// case already.
fn fold(name: &str) -> String {
    name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-")
}

fn remove_if(fields: &mut HeaderMap, wrong: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = fields.keys().filter(|name| wrong(name.as_str())).cloned().collect();
    for name in names {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
        };
        pairs.iter().map(pair).collect()
    }

    fn names(fields: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn http_028_what_concerns_one_connection_goes_no_further() {
        let mut found = fields(&[
            ("Connection", "close, X-Hop ,, not a name"),
            ("Connection", "x-other"),
            ("X-Hop", "1"),
            ("X-Other", "1"),
            ("X-Other", "2"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "close"),
            ("Proxy-Authorization", "Basic x"),
            ("TE", "trailers"),
            ("Trailer", "Expires"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("Accept", "*/*"),
            ("Proxied", "no"),
        ]);
        remove_hop_by_hop(&mut found);
        assert_eq!(names(&found), ["accept", "proxied"]);
    }

    #[test]
    fn http_029_no_identity_comes_from_a_guest() {
        let mut found = fields(&[
            ("X-Instance-ID", "1"),
            ("x_instance_id", "1"),
            ("x.instance.id", "1"),
            ("X-INSTANCE_ID-Signature", "1"),
            ("X-Tenant-ID", "1"),
            ("X-Forwarded-For", "1"),
            ("X_Forwarded_Proto", "1"),
            ("Forwarded", "for=1"),
            ("X-Real-IP", "1"),
            ("X-Neutron-Network-ID", "1"),
            ("X-Neutron-Router-ID", "1"),
            ("X-OVN-Network-ID", "1"),
            ("X-Metadata-Provider", "1"),
            ("X-Metadata-Provider-Signature", "1"),
            ("X_Rack", "1"),
            ("Host", "x"),
            ("Content-Length", "3"),
            ("Expect", "100-continue"),
            ("User-Agent", "Cloud-Init/25.1"),
            ("X-aws-ec2-metadata-token", "t"),
            ("Metadata-Flavor", "Google"),
        ]);
        remove_guarded(&mut found, &[HeaderName::from_static("x-rack")]);
        assert_eq!(names(&found), ["metadata-flavor", "user-agent", "x-aws-ec2-metadata-token"]);
    }
}
