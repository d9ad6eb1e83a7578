//! Upstreams: the services that answer guests' requests in our place, and how they are told who asks.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::{Secret, Template};

/// One upstream: equal services behind several endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// How it is told who asks.
    pub kind: UpstreamKind,
    /// Where it is, at least one.
    pub endpoints: Vec<Endpoint>,
    /// What `https` endpoints need.
    pub tls: TlsConfig,
    /// Until it has begun to answer; in place of [`Limits::upstream_timeout`](super::Limits::upstream_timeout).
    pub timeout: Option<Duration>,
    /// Until a connection is open; in place of [`Limits::connect_timeout`](super::Limits::connect_timeout).
    pub connect_timeout: Option<Duration>,
    /// After so long without an answer a GET or HEAD goes to a second endpoint as well. A crawler gives up after ten
    /// seconds, so the other one needs to be asked well before.
    pub hedge: Duration,
}

/// Default of [`UpstreamConfig::hedge`].
pub const HEDGE: Duration = Duration::from_secs(2);

/// How an upstream is told who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamKind {
    /// Nova's metadata API, as Neutron's metadata agent asks it.
    Nova {
        /// Nova's `[neutron] metadata_proxy_shared_secret`.
        shared_secret: Secret,
    },
    /// Any HTTP service.
    Http {
        /// Fields that tell it who asks.
        headers: Vec<(HeaderName, Template)>,
        /// What stands before the path of every request: empty, or a normalised path without a slash at its end.
        path_prefix: String,
    },
}

/// Where one service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// HTTP over TCP, with TLS or without.
    Tcp {
        /// `https`.
        tls: bool,
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// HTTP over a Unix stream socket.
    Unix(PathBuf),
}

/// What is needed for `https`; the octets of files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates of who may sign the endpoints' certificates.
    pub ca: Option<Vec<u8>>,
    /// Our certificate chain and its private key, for services that ask who we are.
    pub client: Option<(Vec<u8>, Secret)>,
    /// The name that all endpoints' certificates have, where it is not the one that they are connected to by.
    pub server_name: Option<String>,
    /// The endpoints' certificates are not verified.
    pub insecure: bool,
}

impl Endpoint {
    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:/PATH`.
    ///
    /// # Errors
    /// What is wrong, and what may be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write http://HOST:PORT, https://HOST:PORT or unix:/PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            let absolute = path.starts_with('/') && !path.contains('\0');
            return if absolute { Ok(Self::Unix(path.into())) } else { Err(format!("{text:?}: {FORMS}")) };
        }
        let uri: http::Uri = text.parse().map_err(|_| format!("{text:?} is no endpoint: {FORMS}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{text:?} is no endpoint: {FORMS}")),
        };
        if uri.query().is_some() || uri.path() != "/" {
            return Err(format!("{text:?} has a path: an endpoint has none, write `path_prefix`"));
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            return Err(format!("{text:?} has a user: an endpoint has none"));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let behind = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
        let port_is_wrong = behind.contains(':') && uri.port_u16().is_none_or(|port| port == 0);
        if host.is_empty() || port_is_wrong {
            return Err(format!("{text:?} is no endpoint: {FORMS}"));
        }
        Ok(Self::Tcp {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        })
    }

    /// The authority by which it is asked (RFC 9110 §7.2): without the port that its scheme has anyway.
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".into(),
            Self::Tcp { tls, host, port } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let usual = if *tls { 443 } else { 80 };
                if *port == usual { host } else { format!("{host}:{port}") }
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Tcp { tls, .. } => {
                write!(out, "{}://{}", if *tls { "https" } else { "http" }, self.authority())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_authority_or_a_path() {
        for (text, authority, again) in [
            ("http://127.0.0.1:8775", "127.0.0.1:8775", "http://127.0.0.1:8775"),
            ("https://nova.example.com", "nova.example.com", "https://nova.example.com"),
            ("http://[2001:db8::1]:80/", "[2001:db8::1]", "http://[2001:db8::1]"),
            ("https://[2001:db8::1]:80", "[2001:db8::1]:80", "https://[2001:db8::1]:80"),
            ("unix:/run/nova.sock", "localhost", "unix:/run/nova.sock"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.authority().as_str(), endpoint.to_string().as_str()), (authority, again));
        }
    }

    #[test]
    fn what_is_no_endpoint_says_what_is_one() {
        for text in [
            "",
            "nova",
            "nova:8775",
            "ftp://nova",
            "unix:run/x",
            "http://",
            "http://h:0",
            "http://h:70000",
            "http://u:p@h",
            "http://h/openstack",
            "http://h?x",
            "http:///x",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}: {:?}", Endpoint::parse(text));
        }
    }
}
