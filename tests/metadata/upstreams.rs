//! Nova's metadata API and other services behind the dataplane: who asks is told by us, bodies pass as they are, and a
//! service that is down costs nobody time.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::house::{House, connect, get, instance, port, say, status};
use crate::nova::{self, GZIP, Nova, Place, SECRET};
use crate::support::netns::{alone, installed};

fn configuration(house: &House, endpoints: &[String], more: &str) -> String {
    house.file("secret", &format!("{SECRET}\n"));
    let endpoints: Vec<String> = endpoints.iter().map(|url| format!("{url:?}")).collect();
    format!(
        "[metadata]\nupstream = \"nova\"\n[metadata.upstreams.nova]\nkind = \"nova\"\n\
         shared_secret_file = \"secret\"\nendpoints = [{}]\n{more}",
        endpoints.join(", ")
    )
}

/// BUG-006, too: no field of the guest's is kept beside ours.
#[test]
fn http_029_to_032_nova_hears_who_asks_from_us_and_never_from_the_guest() {
    alone("upstreams::http_029_to_032_nova_hears_who_asks_from_us_and_never_from_the_guest", || {
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 2);
        let configuration = configuration(&house, &[nova.url("http")], "");
        house.start(&[1, 2].map(|n| port(n, "blue", "")), &configuration);
        let guest = house.guest(1);
        let (code, body) = get(&guest, "/openstack/latest/meta_data.json", "");
        assert_eq!(code, 200, "{body}");
        assert!(body.contains(&instance(1)), "{body}");
        let forged = format!(
            "Host: nova.example.com\r\nX-Instance-ID: {other}\r\nX_Instance_ID: {other}\r\nx-instance-id-signature: 00\r\n\
             X-Tenant-ID: project-2\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n\
             Connection: X-Instance-ID, close, X-Custom-Hop\r\nX-Custom-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
             Proxy-Connection: x\r\nX-Metadata-Token: kept\r\nUser-Agent: Cloud-Init/22\r\n",
            other = instance(2)
        );
        nova.seen();
        let (code, body) = get(&guest, "/openstack/../openstack/latest/%6deta_data.json?x=1", &forged);
        assert_eq!(code, 200, "{body}");
        assert!(body.contains(&instance(1)), "{body}");
        let seen = nova.seen();
        let [seen] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("GET", "/openstack/latest/meta_data.json?x=1")
        );
        assert_eq!(seen.all("x-instance-id"), [instance(1)]);
        assert_eq!(seen.all("x-tenant-id"), ["project-1"]);
        assert_eq!(seen.all("x-forwarded-for").len(), 1);
        assert!(seen.all("x-forwarded-for")[0].starts_with("fe80::"), "{seen:?}");
        assert_eq!(seen.all("host"), [nova.url("http").trim_start_matches("http://")]);
        assert_eq!(
            (seen.all("x-metadata-token"), seen.all("user-agent")),
            (vec!["kept"], vec!["Cloud-Init/22"])
        );
        for gone in ["x_instance_id", "connection", "x-custom-hop", "keep-alive", "te", "proxy-connection"] {
            assert_eq!(seen.all(gone), [""; 0], "{gone}");
        }
    });
}

#[test]
fn cloud_init_crawls_nova() {
    alone("upstreams::cloud_init_crawls_nova", || {
        if !installed("cloud-init") {
            return;
        }
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 1);
        let configuration = configuration(&house, &[nova.url("http")], "");
        house.start(&[port(1, "blue", "")], &configuration);
        let guest = house.guest(1);
        let mut python = guest.command("/usr/bin/python3");
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metadata/cloud_init.py"));
        python.args(["openstack", "http://[fe80::a9fe:a9fe%eth0]"]);
        let output = guest.output(python);
        let text = String::from_utf8_lossy(&output.stdout);
        let found: serde_json::Value =
            serde_json::from_str(text.lines().last().unwrap_or_default()).expect("JSON");
        assert_eq!((&found["found"], &found["hostname"]), (&true.into(), &"by-nova".into()), "{found}");
        assert_eq!(found["instance_id"], instance(1));
        assert!(nova.seen().len() > 3);
    });
}

/// Octet for octet, whatever they are and however many; a guest that reads slowly costs no memory.
#[test]
fn bodies_pass_as_they_are_and_are_never_held_as_a_whole() {
    alone("upstreams::bodies_pass_as_they_are_and_are_never_held_as_a_whole", || {
        use std::io::{Read as _, Write as _};
        const SIZE: u64 = 64 << 20;
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 1);
        let configuration = configuration(&house, &[nova.url("http")], "");
        house.start(&[port(1, "blue", "")], &configuration);
        let guest = house.guest(1);
        let answer = raw(&guest, "/openstack/latest/user_data");
        assert!(answer.ends_with(GZIP), "compressed data is nobody's business on the way");
        assert_eq!(get(&guest, "/empty", ""), (200, String::new()));
        // This process and the dataplane have a process namespace of their own; /proc shows another one until now.
        let mounted = Command::new("mount").args(["-t", "proc", "proc", "/proc"]).status();
        assert!(mounted.expect("mount runs").success());
        let resident = || {
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", house.daemon().pid())).expect("it runs");
            let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a size").to_owned();
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB")
        };
        let before = resident();
        let mut stream = connect(&guest);
        stream.write_all(format!("GET /octets/{SIZE} HTTP/1.0\r\n\r\n").as_bytes()).expect("sent");
        // Nothing is read for a while: all that can be on its way is.
        std::thread::sleep(Duration::from_millis(500));
        let stalled = resident();
        assert!(stalled < before + 2048, "{before} KiB, then {stalled} KiB with a stalled guest");
        let mut reader = std::io::BufReader::new(&mut stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            reader.read_exact(&mut one).expect("the head");
            head.push(one[0]);
        }
        assert!(String::from_utf8_lossy(&head).to_lowercase().contains(&format!("content-length: {SIZE}")));
        let (mut at, mut piece) = (SIZE, vec![0; 1 << 16]);
        loop {
            let count = reader.read(&mut piece).expect("octets");
            if count == 0 {
                break;
            }
            for octet in &piece[..count] {
                assert_eq!(*octet, nova::octet(at), "octet {} of {SIZE}", SIZE - at);
                at -= 1;
            }
        }
        assert_eq!(at, 0, "all of it");
        let after = resident();
        assert!(after < before + 4096, "{before} KiB, then {after} KiB after 64 MiB");
        // And the other way.
        let body = "password".repeat(1000);
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n{body}",
            body.len()
        );
        let answer = say(&guest, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 100 ") && answer.ends_with(&body), "{}", answer.len());
    });
}

fn raw(guest: &crate::support::netns::Guest, path: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = connect(guest);
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("sent");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("an answer");
    all
}

/// PEERS b.2, 23: an upstream that is down is 503 with Retry-After, at once; one that hangs is 504; a guest without an
/// instance is 404; and all are well again when the upstream is.
#[test]
fn http_046_an_upstream_that_is_down_is_told_at_once() {
    alone("upstreams::http_046_an_upstream_that_is_down_is_told_at_once", || {
        let mut house = House::new();
        let nameless = port(2, "blue", "")
            .lines()
            .filter(|line| !line.starts_with("device_id"))
            .fold(String::new(), |text, line| text + line + "\n");
        // A port that nobody listens on.
        let free = std::net::TcpListener::bind("[::1]:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let configuration = configuration(&house, &[format!("http://{address}")], "timeout = 1\n");
        house.start(&[port(1, "blue", ""), nameless], &configuration);
        let (guest, stranger) = (house.guest(1), house.guest(2));
        let start = Instant::now();
        for _ in 0..20 {
            let answer = say(&guest, b"GET /openstack HTTP/1.0\r\n\r\n");
            assert_eq!(status(&answer), 503);
            assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
            assert!(!answer.contains("::1"), "where the upstream is is nobody's business");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(get(&stranger, "/openstack", "").0, 404);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        // It comes up, and hangs.
        let hanging =
            runtime.block_on(async { tokio::net::TcpListener::bind(address).await.expect("the port") });
        house.daemon().wait_for_log("the endpoint is there again");
        assert_eq!(get(&guest, "/openstack", "").0, 504);
        drop(hanging);
    });
}

/// Of several endpoints those that are down or slow are made up for by the others.
#[test]
fn endpoints_make_up_for_each_other() {
    alone("upstreams::endpoints_make_up_for_each_other", || {
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 1);
        let free = std::net::TcpListener::bind("[::1]:0").expect("a port");
        let dead = format!("http://{}", free.local_addr().expect("an address"));
        drop(free);
        // Takes connections, answers nothing.
        let silent = std::net::TcpListener::bind("[::1]:0").expect("a port");
        let mute = format!("http://{}", silent.local_addr().expect("an address"));
        let configuration =
            configuration(&house, &[dead, mute, nova.url("http")], "hedge = 0.1\ntimeout = 5\n");
        house.start(&[port(1, "blue", "")], &configuration);
        let guest = house.guest(1);
        for round in 0..9 {
            assert_eq!(get(&guest, "/openstack", "").0, 200, "round {round}");
        }
    });
}

/// TLS both ways: the endpoint's certificate must be signed by the operator's authority, and ours is shown.
#[test]
fn tls_is_verified_both_ways_and_unix_sockets_work() {
    alone("upstreams::tls_is_verified_both_ways_and_unix_sockets_work", || {
        let mut house = House::new();
        let home = house.home.path().to_owned();
        let script = "set -e; umask 077
            for ca in ca other; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem; done
            for who in server client; do
              openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$who -keyout $who.key -out $who.csr
              printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > $who.ext
              openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $who.ext -out $who.pem
            done";
        let made = Command::new("sh").args(["-c", script]).current_dir(&home).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = |name: &str| home.join(name);
        let nova = Nova::start(
            Place::Tls { chain: file("server.pem"), key: file("server.key"), ca: file("ca.pem") },
            1,
        );
        let plain = Nova::start(Place::Unix(home.join("nova.sock")), 1);
        for (ca, client, code) in [("ca.pem", true, 200), ("other.pem", true, 503), ("ca.pem", false, 502)] {
            let client = if client {
                "client_certificate_file = \"client.pem\"\nclient_key_file = \"client.key\"\n"
            } else {
                ""
            };
            let configuration =
                configuration(&house, &[nova.url("https")], &format!("ca_file = \"{ca}\"\n{client}"));
            house.start(&[port(1, "blue", "")], &configuration);
            let guest = house.guest(1);
            let (found, body) = get(&guest, "/openstack", "");
            // A server may close before or after it has told why it refuses a client without a certificate.
            assert!(found == code || code == 502 && found == 503, "{ca} {client}: {found} {body}");
            house.lan.netlink.delete(house.lan.netlink.link("tap1").expect("tap1").index).expect("gone");
        }
        assert!(!nova.seen().is_empty());
        let socket = format!("unix:{}", home.join("nova.sock").display());
        let configuration = configuration(&house, &[socket], "");
        house.start(&[port(1, "blue", "")], &configuration);
        assert_eq!(get(&house.guest(1), "/openstack", "").0, 200);
        assert_eq!(plain.seen()[0].all("host"), ["localhost"]);
    });
}

/// A service of the operator's own, with fields as its configuration says.
#[test]
fn any_http_service_can_be_told_who_asks() {
    alone("upstreams::any_http_service_can_be_told_who_asks", || {
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 1);
        let configuration = format!(
            "[metadata.upstreams.mine]\nkind = \"http\"\nendpoints = [{:?}]\npath_prefix = \"/v1\"\n\
             headers = {{ \"X-Guest\" = \"{{mac}} on {{network}}\", \"X-Rack\" = \"r1\" }}\n",
            nova.url("http")
        );
        house.start(&[port(1, "blue", "")], &format!("[metadata]\nupstream = \"mine\"\n{configuration}"));
        let guest = house.guest(1);
        get(&guest, "/anything", "X-Rack: evil\r\nx_guest: evil\r\n");
        let seen = nova.seen();
        assert_eq!(seen[0].target, "/v1/anything");
        assert_eq!(
            (seen[0].all("x-guest"), seen[0].all("x-rack")),
            (vec!["fa:16:3e:00:00:01 on blue"], vec!["r1"])
        );
        assert_eq!(seen[0].all("x_guest"), [""; 0]);
    });
}

/// A table that names an upstream which is not there is not served, at the start and at a reload.
#[test]
fn an_unknown_upstream_is_found_out_before_a_guest_asks() {
    alone("upstreams::an_unknown_upstream_is_found_out_before_a_guest_asks", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let leases = house.home.path().join("leases.toml");
        let text = std::fs::read_to_string(&leases).expect("leases");
        std::fs::write(
            &leases,
            text.replacen("[networks.blue]", "[networks.blue]\nmetadata_upstream = \"nova\"", 1),
        )
        .expect("written");
        house.daemon().signal("HUP");
        house.daemon().wait_for_log("no upstream is called \"nova\" on this hypervisor");
        house.daemon().wait_for_log("not reloaded");
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        let output = command
            .arg("run")
            .arg("--config")
            .arg(house.home.path().join("frontdesk.toml"))
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&output.stderr).contains("networks.blue.metadata_upstream"));
    });
}
