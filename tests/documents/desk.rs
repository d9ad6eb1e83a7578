//! A table of leases, and guests that ask for documents of it.

use std::net::Ipv6Addr;
use std::sync::Arc;

use bytes::Bytes;
use frontdesk::lease::{self, LeaseTable};
use frontdesk::metadata::Guest;
use frontdesk::metadata::documents::{Tokens, respond};
use http::{Request, Response};
use serde_json::Value;

/// The second at which guests ask unless they say otherwise.
pub(crate) const NOW: u64 = 1_600_000_000;

/// What every source starts with: a SLAAC network, and a stateful one that wants tokens.
pub(crate) const NETWORKS: &str = r#"version = 1
server = { cloud = "test" }
[networks.blue]
id = "99e88329-f20d-4741-9593-25bf07847b16"
mtu = 1450
metadata = true
metadata_route = true
router = { mac_address = "fa:16:3e:ff:00:01" }
dns_nameservers = ["2001:db8::53"]
subnets = [{ cidr = "2001:db8:1::/64", ipv6_ra_mode = "slaac", ipv6_address_mode = "slaac" }]
routes = [{ destination = "2001:db8:f00::/48" }]
[networks.strict]
vlan = 7
metadata = true
metadata_token = "required"
router = { mac_address = "fa:16:3e:ff:00:02", link_local = "fe80::2" }
dns_nameservers = ["2001:db8::54"]
subnets = [{ cidr = "2001:db8:2::/64", ipv6_ra_mode = "dhcpv6-stateful", ipv6_address_mode = "dhcpv6-stateful" }]
"#;

/// Guests of one table.
pub(crate) struct Desk {
    table: Arc<LeaseTable>,
    pub(crate) tokens: Tokens,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer(Response<Bytes>);

impl Desk {
    /// With these ports behind [`NETWORKS`].
    pub(crate) fn new(ports: &str) -> Self {
        let source = format!("{NETWORKS}{ports}");
        match lease::load("leases.toml", source.into_bytes()) {
            Ok(loaded) => Self { table: Arc::new(loaded.table), tokens: Tokens::new([7; 32]) },
            Err(error) => panic!("{error}"),
        }
    }

    /// The guest of a port, counted from 0.
    pub(crate) fn guest(&self, port: usize) -> Guest {
        let id = self.table.ports().nth(port).expect("a port").id();
        Guest::new(Arc::clone(&self.table), id, Ipv6Addr::LOCALHOST)
    }

    /// A request of port 0.
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask_as(0, NOW, method, path, fields)
    }

    /// A request of any port at any time.
    pub(crate) fn ask_as(
        &self,
        port: usize,
        now: u64,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Answer(respond(&self.guest(port), &head, now, &self.tokens))
    }

    /// What GET answers to port 0, which must be 200.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        let answer = self.ask("GET", path, &[]);
        assert_eq!(answer.status(), 200, "{path}: {answer:?}");
        answer
    }

    /// The status of a GET of port 0.
    pub(crate) fn status(&self, path: &str) -> u16 {
        self.ask("GET", path, &[]).status()
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    pub(crate) fn octets(&self) -> &[u8] {
        self.0.body()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.octets()).expect("UTF-8")
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text().lines().collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.field("content-type"), Some("application/json"));
        serde_json::from_slice(self.octets()).expect("JSON")
    }

    /// The only value of a header field.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.0.headers().get_all(name).iter();
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value.map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
    }
}
