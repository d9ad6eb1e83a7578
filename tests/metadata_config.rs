//! The `[metadata]` part of the configuration file of `run`: what every field becomes, and what is said of faults.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use frontdesk::daemon::Config;
use frontdesk::metadata::{Endpoint, Limits, UpstreamConfig, UpstreamKind};
use tempfile::TempDir;

/// The configuration file that has every field.
const FULL: &str = include_str!("../fixtures/run.full.toml");

/// A folder with the files that configurations name.
fn folder() -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let script = "set -e; umask 077; mkdir tls
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout tls/client.key -out tls/client.pem
        cp tls/client.pem tls/ca.pem; printf 'metadata secret\\r\\n\\n' > nova.secret; printf '\\n' > empty; printf x > open; chmod 640 open";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(home.path()).output();
    let made = made.expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    home
}

fn parse(home: &TempDir, text: &str) -> Result<Config, Vec<String>> {
    let path = home.path().join("run.toml");
    let shorter = |problem: String| problem.replace(&format!("{}/", home.path().display()), "");
    Config::parse(&path, text)
        .map_err(|problems| problems.iter().map(|problem| shorter(problem.to_string())).collect())
}

/// What is said of a configuration, sorted.
fn problems(home: &TempDir, text: &str) -> Vec<String> {
    let mut problems = parse(home, text).expect_err("a fault");
    problems.sort();
    problems
}

fn upstream(home: &TempDir, fields: &str) -> UpstreamConfig {
    let text = format!("[metadata.upstreams.x]\n{fields}");
    let config = parse(home, &text).unwrap_or_else(|problems| panic!("{fields}: {problems:?}"));
    config.metadata.expect("the part").upstreams["x"].clone()
}

#[test]
fn every_field_is_in_the_full_example_and_its_bounds_are_the_defaults() {
    let home = folder();
    let text = FULL.replace("/etc/frontdesk/", "");
    let config = parse(&home, &text).expect("no fault").metadata.expect("the part");
    assert_eq!((config.default.as_str(), &config.limits), ("nova", &Limits::default()));
    let nova = &config.upstreams["nova"];
    let UpstreamKind::Nova { shared_secret } = &nova.kind else { panic!("{:?}", nova.kind) };
    assert_eq!(shared_secret.reveal(), b"metadata secret", "without the ends of lines");
    assert!(nova.tls.ca.is_some() && nova.tls.client.is_some() && !nova.tls.insecure);
    assert_eq!(nova.tls.server_name.as_deref(), Some("nova.example.com"));
    assert_eq!(nova.endpoints[0].to_string(), "https://[2001:db8::8775]:8775");
    assert_eq!(nova.hedge, Duration::from_secs(2));
    let UpstreamKind::Http { headers, path_prefix } = &config.upstreams["inventory"].kind else {
        panic!("an http upstream")
    };
    assert_eq!((headers.len(), path_prefix.as_str()), (7, "/v1/guests"));
    assert_eq!(config.upstreams["inventory"].endpoints, [Endpoint::Unix("/run/inventory.sock".into())]);
    // Whatever the reader says that there is, the example has.
    for nowhere in ["[metadata]\nx = 1\n", "[metadata.upstreams.x]\nx = 1\n", "x = 1\n"] {
        let said = problems(&home, nowhere).join("\n");
        let (_, known) = said.split_once("there are ").expect("a list");
        let known = known.lines().next().unwrap_or_default().replace(" and ", ", ");
        for field in known.split(", ") {
            assert!(
                text.lines().any(|line| line.split(['=', ' ', ']', '.']).any(|word| word == field)
                    || line.starts_with(&format!("[{field}"))),
                "{field} is not in the example"
            );
        }
    }
}

#[test]
fn http_kinds_need_nothing_but_endpoints() {
    let home = folder();
    let plain =
        upstream(&home, "kind = 'http'\nendpoints = ['http://[::1]:80', 'unix:/x']\npath_prefix = '/'\n");
    assert_eq!(plain.kind, UpstreamKind::Http { headers: Vec::new(), path_prefix: String::new() });
    assert_eq!((plain.timeout, plain.connect_timeout), (None, None));
    let hasty = upstream(
        &home,
        "kind = 'http'\nendpoints = ['http://h']\ntimeout = 0.5\nconnect_timeout = 2\nhedge = 0.001\n",
    );
    let millis = |span: Option<Duration>| span.map(|span| span.as_millis());
    assert_eq!((millis(hasty.timeout), millis(hasty.connect_timeout)), (Some(500), Some(2000)));
    assert_eq!(hasty.hedge, Duration::from_millis(1));
}

#[test]
fn every_fault_is_told_once_with_line_and_field_and_what_to_do() {
    let home = folder();
    let text = r#"[metadata]
upstream = "nowhere"
connections_per_guest = 0
head_octets = 8191
head_timeout = "1s"
stall_timeout = 3601
typo = 1
[metadata.upstreams.documents]
kind = "http"
endpoints = ["http://[::1]"]
[metadata.upstreams.nova]
kind = "nova"
endpoints = ["http://[::1]:8775/openstack", "nova:8775", 7]
shared_secret_file = "no-such-file"
headers = { "X-A" = "1" }
[metadata.upstreams.mine]
kind = "http"
endpoints = []
shared_secret_file = "nova.secret"
path_prefix = "/a/../b"
headers = { "Host" = "x", "X-A" = "{tenant}", "X-B" = "1", "x-b" = "2", "X C" = "" }
client_key_file = "tls/client.key"
insecure = "no"
[metadata.upstreams.odd]
kind = "ftp"
[metadata.upstreams.none]
"#;
    let found = problems(&home, text);
    let expected = [
        "run.toml:2: metadata.upstream: no upstream is called \"nowhere\"; there are: documents",
        "run.toml:3: metadata.connections_per_guest: must be a whole number from 1 to 1024",
        "run.toml:4: metadata.head_octets: must be a whole number from 8192 to 1048576",
        "run.toml:5: metadata.head_timeout: must be a number of seconds from 0.001 to 3600",
        "run.toml:6: metadata.stall_timeout: must be a number of seconds from 0.001 to 3600",
        "run.toml:7: metadata.typo: there is no such field; there are ",
        "run.toml:8: metadata.upstreams.documents: is no name of an upstream",
        "run.toml:11: metadata.upstreams.nova: kind = \"nova\" has its own headers and no path_prefix",
        "run.toml:13: metadata.upstreams.nova.endpoints[0]: \"http://[::1]:8775/openstack\" has a path",
        "run.toml:13: metadata.upstreams.nova.endpoints[1]: \"nova:8775\" is no endpoint: write http://HOST:PORT",
        "run.toml:13: metadata.upstreams.nova.endpoints[2]: must be a string, not an integer",
        "run.toml:14: metadata.upstreams.nova.shared_secret_file: no-such-file: No such file or directory",
        "run.toml:16: metadata.upstreams.mine: client_certificate_file and client_key_file go together",
        "run.toml:16: metadata.upstreams.mine.shared_secret_file: is for kind = \"nova\" only; take it out",
        "run.toml:18: metadata.upstreams.mine.endpoints: must name at least one",
        "run.toml:20: metadata.upstreams.mine.path_prefix: \"/a/../b\" is no path",
        "run.toml:21: metadata.upstreams.mine.headers.Host: is no header field that can be set here",
        "run.toml:21: metadata.upstreams.mine.headers.X C: is no header field that can be set here",
        "run.toml:21: metadata.upstreams.mine.headers.X-A: {tenant} is not known of a guest; there are {device_id}",
        "run.toml:21: metadata.upstreams.mine.headers.x-b: is there twice: case makes no difference",
        "run.toml:23: metadata.upstreams.mine.insecure: must be true or false",
        "run.toml:24: metadata.upstreams.odd.endpoints: is missing",
        "run.toml:25: metadata.upstreams.odd.kind: \"ftp\" is no kind of upstream: write \"nova\" or \"http\"",
        "run.toml:26: metadata.upstreams.none.endpoints: is missing",
        "run.toml:26: metadata.upstreams.none.kind: is missing; write \"nova\" or \"http\"",
    ];
    for expected in expected {
        assert_eq!(
            found.iter().filter(|said| said.starts_with(expected)).count(),
            1,
            "{expected}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

/// A secret that others can read is none, and no message shows what is in its file.
#[test]
fn a_secret_is_its_owners_alone() {
    let home = folder();
    let of = |file: &str| {
        let text = format!(
            "[metadata.upstreams.nova]\nkind = \"nova\"\nendpoints = [\"http://[::1]:8775\"]\nshared_secret_file = {file:?}\n"
        );
        parse(&home, &text)
    };
    let field = "run.toml:4: metadata.upstreams.nova.shared_secret_file: ";
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
        std::fs::set_permissions(home.path().join("open"), PermissionsExt::from_mode(mode)).expect("changed");
        let why = format!(
            "open: others may read or change it (mode {mode:04o}); keep it to its owner: chmod 600 open"
        );
        assert_eq!(of("open"), Err(vec![format!("{field}{why}")]));
    }
    assert_eq!(of("empty"), Err(vec![format!("{field}the file is empty")]));
    for mode in [0o400, 0o600] {
        std::fs::set_permissions(home.path().join("open"), PermissionsExt::from_mode(mode)).expect("changed");
        let config = of("open").expect("private");
        assert!(!format!("{config:?}").contains("[120]"), "{config:?}");
        assert!(format!("{config:?}").contains("Secret(…)"), "{config:?}");
    }
    let big = home.path().join("big");
    std::fs::write(&big, vec![b'x'; (1 << 20) + 1]).expect("written");
    std::fs::set_permissions(&big, PermissionsExt::from_mode(0o600)).expect("changed");
    assert_eq!(of("big"), Err(vec![format!("{field}big: has more than 1048576 octets")]));
    assert!(Path::new("/dev/zero").exists());
    assert!(of("/dev/zero").is_err(), "it ends");
}

#[test]
fn what_https_needs_is_found_out_at_the_start() {
    let home = folder();
    let of = |more: &str| {
        let text = format!(
            "[metadata.upstreams.x]\nkind = \"http\"\nendpoints = [\"http://h\", \"https://h\"]\n{more}"
        );
        parse(&home, &text).err().map(|problems| problems.join("\n"))
    };
    let all = "ca_file = \"tls/ca.pem\"\nclient_certificate_file = \"tls/client.pem\"\nclient_key_file = \"tls/client.key\"\n";
    assert_eq!(of(all), None);
    assert_eq!(of("insecure = true\n"), None);
    for (more, why) in [
        ("", "x: https needs ca_file, the certificates of who may sign the endpoints' own"),
        ("ca_file = \"nova.secret\"\n", "x: ca_file: holds no certificate in PEM"),
        ("ca_file = \"none\"\n", "x.ca_file: none: No such file or directory (os error 2)"),
        (&all.replace("client.key", "ca.pem"), "x: client_key_file: "),
        (
            "ca_file = \"tls/ca.pem\"\nserver_name = \"a b\"\n",
            "x: \"a b\" is no name that a certificate can have",
        ),
        (
            "ca_file = \"tls/ca.pem\"\nclient_key_file = \"tls/client.key\"\n",
            "x: client_certificate_file and client_key_file go together",
        ),
    ] {
        let said = of(more).unwrap_or_else(|| panic!("{more}: no fault"));
        assert!(
            said.contains(&format!("metadata.upstreams.{why}")) && said.lines().count() == 1,
            "{more}: {said}"
        );
    }
}
