//! Who gets documents: methods, instances, and session tokens as AWS documents them ("Use the Instance Metadata Service
//! to access instance metadata": IMDSv2).

use frontdesk::metadata::documents::Tokens;

use crate::desk::{Desk, NOW};

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";
const PATH: &str = "/latest/api/token";

/// Port 0 may ask without tokens, ports 1 and 2 may not, port 3 is no instance.
fn desk() -> Desk {
    Desk::new(
        r#"[[ports]]
mac_address = "fa:16:3e:00:00:01"
network = "blue"
device_id = "one"
metadata.user_data = "secret"
[[ports]]
mac_address = "fa:16:3e:00:00:02"
network = "strict"
device_id = "two"
fixed_ips = ["2001:db8:2::2"]
[[ports]]
mac_address = "fa:16:3e:00:00:03"
network = "strict"
device_id = "two"
fixed_ips = ["2001:db8:2::3"]
[[ports]]
mac_address = "fa:16:3e:00:00:04"
network = "blue"
project_id = "p"
metadata.user_data = "of nobody"
"#,
    )
}

fn token(desk: &Desk, port: usize, seconds: &str) -> String {
    let answer = desk.ask_as(port, NOW, "PUT", PATH, &[(TTL, seconds)]);
    assert_eq!((answer.status(), answer.field(TTL)), (200, Some(seconds)));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=UTF-8"));
    answer.text().to_owned()
}

#[test]
fn http_036_head_is_get_without_the_octets() {
    let desk = desk();
    for path in ["/", "/latest/user-data", "/openstack/latest/network_data.json", "/latest/meta-data/x", "/x"]
    {
        let (get, head) = (desk.ask("GET", path, &[]), desk.ask("HEAD", path, &[]));
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(head.fields().collect::<Vec<_>>(), get.fields().collect::<Vec<_>>(), "{path}");
        assert_eq!(get.field("content-length"), Some(get.octets().len().to_string().as_str()), "{path}");
        assert_eq!(head.octets(), b"");
    }
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    let desk = desk();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
        for path in ["/latest/user-data", "/openstack/latest/password", "/x"] {
            let answer = desk.ask(method, path, &[]);
            assert_eq!((answer.status(), answer.field("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let answer = desk.ask(method, PATH, &[(TTL, "60")]);
        assert_eq!((answer.status(), answer.field("allow")), (405, Some("PUT")), "{method}");
    }
}

#[test]
fn a_port_without_an_instance_has_no_documents() {
    let desk = desk();
    for path in
        ["/", "/openstack", "/latest/user-data", "/latest/meta-data/", "/openstack/latest/meta_data.json"]
    {
        assert_eq!(desk.ask_as(3, NOW, "GET", path, &[]).status(), 404, "{path}");
    }
    assert_eq!(desk.ask_as(3, NOW, "PUT", PATH, &[(TTL, "60")]).status(), 404);
}

#[test]
fn http_027_a_target_that_can_be_read_in_two_ways_is_refused() {
    let desk = desk();
    for path in ["/latest%2fuser-data", "/..%5cx", "/%00", "/%zz"] {
        assert_eq!(desk.status(path), 400, "{path}");
    }
    assert_eq!(desk.status("/latest/user-data?x=%2f"), 200, "a query is nothing");
    assert_eq!(desk.status("/%FF"), 404);
    assert_eq!(
        desk.status("http://[fe80::a9fe:a9fe]/latest/user-data"),
        200,
        "HTTP-025: only its path counts"
    );
}

/// AWS: 1 to 21 600 seconds, else 400; 403 when a proxy has been on the way.
#[test]
fn a_session_is_asked_for_with_its_seconds() {
    let desk = desk();
    for seconds in ["1", "60", "21600"] {
        token(&desk, 0, seconds);
    }
    for seconds in ["0", "21601", "-1", "", "x", "1e3", "99999999999999999999"] {
        assert_eq!(desk.ask("PUT", PATH, &[(TTL, seconds)]).status(), 400, "{seconds}");
    }
    assert_eq!(desk.ask("PUT", PATH, &[]).status(), 400);
    assert_eq!(desk.ask("PUT", PATH, &[(TTL, "60"), (TTL, "60")]).status(), 400);
    assert_eq!(desk.ask("PUT", PATH, &[(TTL, "60"), ("X-Forwarded-For", "192.0.2.1")]).status(), 403);
    assert_eq!(desk.ask("PUT", "/latest//api/./token/", &[(TTL, "60")]).status(), 200);
    assert_eq!(desk.ask("PUT", "/2021-03-23/api/token", &[(TTL, "60")]).status(), 405);
}

#[test]
fn where_tokens_are_required_nothing_is_told_without_one() {
    let desk = desk();
    let valid = token(&desk, 1, "60");
    for path in ["/", "/openstack", "/latest/meta-data/instance-id", "/openstack/latest/meta_data.json", "/x"]
    {
        let without = desk.ask_as(1, NOW, "GET", path, &[]);
        assert_eq!(without.status(), 401, "{path}");
        assert!(without.field("www-authenticate").is_some(), "RFC 9110 §15.5.2");
        let with = desk.ask_as(1, NOW, "GET", path, &[(TOKEN, &valid)]).status();
        assert_eq!(with, if path == "/x" { 404 } else { 200 }, "{path}");
    }
    let twice = desk.ask_as(1, NOW, "GET", "/", &[(TOKEN, &valid), (TOKEN, &valid)]);
    assert_eq!(twice.status(), 401);
}

#[test]
fn a_token_ends_with_its_last_second() {
    let desk = desk();
    let valid = token(&desk, 1, "60");
    let at = |now| desk.ask_as(1, now, "GET", "/", &[(TOKEN, &valid)]).status();
    assert_eq!([at(NOW), at(NOW + 59), at(NOW + 60), at(NOW + 1_000_000)], [200, 200, 401, 401]);
}

/// Nothing that is not exactly a token of this very port opens anything, where tokens are required and where not.
#[test]
fn only_the_ports_own_token_is_taken() {
    let desk = desk();
    for (port, others) in [(0, [1, 2]), (1, [0, 2])] {
        let status = |token: &str| desk.ask_as(port, NOW, "GET", "/", &[(TOKEN, token)]).status();
        let own = token(&desk, port, "21600");
        assert_eq!(status(&own), 200);
        for other in others {
            assert_eq!(status(&token(&desk, other, "21600")), 401, "port {other}'s");
        }
        for at in 0..own.len() {
            let mut changed = own.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(status(std::str::from_utf8(&changed).expect("ASCII")), 401, "octet {at}");
            assert_eq!(status(&own[..at]), 401, "cut to {at}");
        }
        for wrong in [format!("{own}A"), format!("{own}="), format!("A{own}"), "x".into(), " ".into()] {
            assert_eq!(status(&wrong), 401, "{wrong}");
        }
    }
}

/// Nothing is kept of a token: whoever has the key knows it, nobody else does.
#[test]
fn tokens_outlive_a_restart_with_the_same_key_and_no_other() {
    let mut desk = desk();
    let valid = token(&desk, 1, "60");
    let status = |desk: &Desk| desk.ask_as(1, NOW, "GET", "/", &[(TOKEN, &valid)]).status();
    desk.tokens = Tokens::new([7; 32]);
    assert_eq!(status(&desk), 200);
    desk.tokens = Tokens::new([8; 32]);
    assert_eq!(status(&desk), 401);
    assert!(!format!("{:?}", desk.tokens).contains('8'), "the key is never shown");
}
