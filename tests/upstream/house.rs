//! A guest that asks, and the upstream that is asked for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use frontdesk::io::upstream::{Answer, Upstream};
use frontdesk::lease::{self, PortId};
use frontdesk::metadata::{Endpoint, Guest, Limits, Secret, TlsConfig, UpstreamConfig, UpstreamKind};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};

use crate::nova::SECRET;

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The instance id of a port.
pub(crate) fn instance(number: u16) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// The guest of the only port, whose instance has this id.
pub(crate) fn guest_of(device_id: &str) -> Guest {
    let leases = format!(
        "version = 1\nserver = {{ cloud = \"test\" }}\n[networks.blue]\nrouter = {{ mac_address = \"fa:16:3e:00:00:01\" }}\n\
         subnets = [{{ cidr = \"2001:db8:a::/64\", ipv6_ra_mode = \"slaac\", ipv6_address_mode = \"slaac\" }}]\n\
         [[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"blue\"\ndevice_id = {device_id:?}\n\
         project_id = \"project-1\"\n"
    );
    let loaded = lease::load("leases.toml", leases.into_bytes()).expect("good leases");
    Guest::new(Arc::new(loaded.table), PortId(0), "fe80::f816:3eff:fe00:101".parse().expect("an address"))
}

/// The guest of the first instance that the test's Nova knows.
pub(crate) fn guest() -> Guest {
    guest_of(&instance(1))
}

/// Nova behind these endpoints, with what `change` makes of its configuration.
pub(crate) fn nova_at(
    endpoints: &[impl AsRef<str>],
    change: impl FnOnce(&mut UpstreamConfig, &mut Limits),
) -> Result<Upstream, String> {
    let mut limits = Limits::default();
    let mut config = UpstreamConfig {
        kind: UpstreamKind::Nova { shared_secret: Secret::new(SECRET.into()) },
        endpoints: endpoints.iter().map(|url| Endpoint::parse(url.as_ref()).expect("an endpoint")).collect(),
        tls: TlsConfig::default(),
        timeout: None,
        connect_timeout: Some(PATIENCE),
        hedge: PATIENCE,
    };
    change(&mut config, &mut limits);
    Upstream::new("nova", &config, &limits)
}

/// Runs a test as the metadata thread runs.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let in_time = async { tokio::time::timeout(PATIENCE, test).await.expect("an end") };
    tokio::task::LocalSet::new().block_on(&runtime, in_time);
}

/// Asks for the guest, without a body.
pub(crate) async fn ask(upstream: &Upstream, method: &str, path: &str) -> Response<Answer> {
    let request = Request::builder().method(method).uri(path).body(Empty::<Bytes>::new());
    upstream.forward(&guest(), request.expect("a request")).await
}

/// Asks for the guest, with a body.
pub(crate) async fn post(upstream: &Upstream, path: &str, body: &'static str) -> Response<Answer> {
    let request = Request::post(path).header("content-length", body.len()).body(Full::new(body.into()));
    upstream.forward(&guest(), request.expect("a request")).await
}

/// Status and body of an answer.
pub(crate) async fn told(answer: Response<Answer>) -> (StatusCode, String) {
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

/// An endpoint that nobody listens at.
pub(crate) fn nobody() -> String {
    let free = std::net::TcpListener::bind("[::1]:0").expect("a port");
    format!("http://{}", free.local_addr().expect("an address"))
}
