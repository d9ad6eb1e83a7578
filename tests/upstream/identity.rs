//! Who asks, as Nova hears it; over TLS and by Unix sockets as well.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use frontdesk::metadata::{Forwarding, Secret, UpstreamKind};
use http::Request;
use http_body_util::Empty;

use crate::house::{ask, guest, guest_of, instance, nova_at, run, told};
use crate::nova::{Nova, Place};

/// RFC 4231 §4.3: a key and a text that both can be written in a configuration.
#[test]
fn http_032_the_signature_is_hmac_sha256_in_lower_case_hexadecimal() {
    let rules = Forwarding::new(&UpstreamKind::Nova { shared_secret: Secret::new(b"Jefe".to_vec()) });
    let (head, ()) = Request::get("/").body(()).expect("a request").into_parts();
    let made = rules.request(&guest_of("what do ya want for nothing?"), &head, None).expect("a known guest");
    assert_eq!(
        made.fields["x-instance-id-signature"],
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
}

#[test]
fn http_029_to_032_nova_takes_what_it_is_told_and_nothing_of_the_guests_own() {
    run(async {
        let nova = Nova::start(Place::Tcp, 2);
        let upstream = nova_at(&[nova.url("http")], |_, _| {}).expect("good");
        let forged = Request::get("/openstack")
            .header("X-Instance-ID", instance(2))
            .header("x_instance_id", instance(2))
            .header("X_Instance-ID_Signature", "00")
            .header("X-Tenant-ID", "project-2")
            .header("X-Tenant-ID", "project-3")
            .header("X-Forwarded-For", "192.0.2.1")
            .header(
                "Connection",
                "X-Instance-ID, X-Tenant-ID, X-Instance-ID-Signature, X-Forwarded-For, x-hop",
            )
            .header("X-Hop", "1")
            .header("X-Kept", "1")
            .body(Empty::<Bytes>::new());
        assert_eq!(told(upstream.forward(&guest(), forged.expect("a request")).await).await.0, 200);
        let seen = nova.seen();
        assert_eq!(seen[0].all("x-instance-id"), [instance(1)]);
        assert_eq!(seen[0].all("x-tenant-id"), ["project-1"]);
        assert_eq!(seen[0].all("x-forwarded-for"), ["fe80::f816:3eff:fe00:101"]);
        let mut names: Vec<&str> = seen[0].fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let expected =
            ["host", "x-forwarded-for", "x-instance-id", "x-instance-id-signature", "x-kept", "x-tenant-id"];
        assert_eq!(names, expected);
    });
}

/// The server checks as Nova does; here is what it says to who does not know the secret or is somebody else.
#[test]
fn a_wrong_secret_is_403_and_an_unknown_instance_404() {
    run(async {
        let nova = Nova::start(Place::Tcp, 1);
        let upstream = nova_at(&[nova.url("http")], |config, _| {
            config.kind = UpstreamKind::Nova { shared_secret: Secret::new(b"another".to_vec()) };
        });
        assert_eq!(told(ask(&upstream.expect("good"), "GET", "/openstack").await).await.0, 403);
        let upstream = nova_at(&[nova.url("http")], |_, _| {}).expect("good");
        let request = Request::get("/openstack").body(Empty::<Bytes>::new()).expect("a request");
        assert_eq!(told(upstream.forward(&guest_of(&instance(7)), request).await).await.0, 404);
    });
}

fn certificates(home: &Path) {
    let script = "set -e; umask 077
        for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem; done
        for who in server client; do
          openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who -keyout $who.key -out $who.csr
          printf 'subjectAltName=DNS:nova.internal\\nbasicConstraints=CA:FALSE\\n' > $who.ext
          openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
        done";
    let made = Command::new("sh").args(["-c", script]).current_dir(home).output().expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Whom we believe: a certificate of the operator's authority, for the name that is connected to or is configured.
#[test]
fn an_endpoint_over_tls_has_to_be_who_it_is_said_to_be() {
    let home = tempfile::tempdir().expect("a directory");
    certificates(home.path());
    let file = |name: &str| home.path().join(name);
    let read = |name: &str| std::fs::read(file(name)).expect("made");
    run(async {
        let place = Place::Tls { chain: file("server.pem"), key: file("server.key"), ca: file("ca.pem") };
        let nova = Nova::start(place, 1);
        for (ca, name, insecure, status) in [
            ("ca.pem", Some("nova.internal"), false, 200),
            ("ca.pem", None, false, 503),
            ("ca.pem", Some("nova.example.com"), false, 503),
            ("other.pem", Some("nova.internal"), false, 503),
            ("other.pem", None, true, 200),
        ] {
            let upstream = nova_at(&[nova.url("https")], |config, _| {
                config.tls.ca = Some(read(ca));
                config.tls.client = Some((read("client.pem"), Secret::new(read("client.key"))));
                config.tls.server_name = name.map(str::to_owned);
                config.tls.insecure = insecure;
            });
            let answer = ask(&upstream.expect("good"), "GET", "/openstack").await;
            assert_eq!(answer.status(), status, "{ca} {name:?} {insecure}");
        }
    });
    let problem = |change: &dyn Fn(&mut frontdesk::metadata::TlsConfig)| {
        nova_at(&["https://[::1]".to_owned()], |config, _| change(&mut config.tls)).err().expect("a problem")
    };
    assert!(problem(&|_| ()).contains("https needs ca_file"));
    assert!(problem(&|tls| tls.ca = Some(b"no PEM".to_vec())).contains("ca_file: holds no certificate"));
    let mismatch = problem(&|tls| {
        tls.ca = Some(read("ca.pem"));
        tls.client = Some((read("client.pem"), Secret::new(read("server.key"))));
    });
    assert!(mismatch.contains("client_key_file: "), "{mismatch}");
}

#[test]
fn a_unix_socket_is_asked_as_localhost() {
    let home = tempfile::tempdir().expect("a directory");
    let socket = home.path().join("nova.sock");
    run(async {
        let nova = Nova::start(Place::Unix(socket.clone()), 1);
        let upstream = nova_at(&[format!("unix:{}", socket.display())], |_, _| {}).expect("good");
        assert_eq!(told(ask(&upstream, "GET", "/openstack").await).await.0, 200);
        assert_eq!(nova.seen()[0].all("host"), ["localhost"]);
    });
}
