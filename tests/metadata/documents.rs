//! Guests get the documents of their own leases, by curl and by cloud-init, from whatever address they ask.

use std::process::Command;

use crate::house::{House, PATIENCE, connect, get, instance, port, say, status, up};
use crate::support::netns::{Guest, alone, installed, wait_until};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey guest@example.com";

fn metadata(number: u16) -> String {
    format!(
        "[ports.metadata]\npublic_keys = {{ mine = \"{KEY}\" }}\nuser_data = \"#cloud-config\\nguest: {number}\\n\"\n\
         availability_zone = \"az1\"\n"
    )
}

fn curl(guest: &Guest, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "\n%{http_code}"]).args(arguments);
    let output = guest.output(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, code) = text.rsplit_once('\n').unwrap_or_default();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (code.to_owned(), body.to_owned())
}

/// BUG-008: curl's Host has the zone in it, or not, as it likes.
#[test]
fn curl_gets_each_guest_its_own_documents() {
    alone("documents::curl_gets_each_guest_its_own_documents", || {
        installed("curl");
        let mut house = House::new();
        house.start(&[1, 2].map(|n| port(n, "blue", &metadata(n))), "");
        for number in [1, 2] {
            let guest = house.guest(number);
            let url = |path: &str| format!("http://[fe80::a9fe:a9fe%25eth0]{path}");
            let (code, body) = curl(&guest, &[&url("/openstack/latest/meta_data.json")]);
            assert_eq!(code, "200");
            let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(json["uuid"], instance(number));
            assert_eq!(json["public_keys"]["mine"], KEY);
            let (_, body) = curl(&guest, &[&url("/openstack/latest/user_data")]);
            assert_eq!(body, format!("#cloud-config\nguest: {number}\n"));
            // Over one connection: pipelined by curl's own keep-alive, HEAD and PUT between GETs.
            let (code, body) = curl(&guest, &["-I", &url("/latest/user-data")]);
            assert_eq!(code, "200");
            assert!(body.to_lowercase().contains(&format!("content-length: {}", 23)), "{body}");
            let (code, _) = curl(&guest, &["-X", "PUT", &url("/latest/user-data")]);
            assert_eq!(code, "405");
            let (code, _) = curl(&guest, &["--http1.0", &url("/latest/meta-data/instance-id")]);
            assert_eq!(code, "200");
        }
    });
}

/// EC2's own address is global: it arrives by the router's MAC, and other ports may be served too.
#[test]
fn a_global_service_address_is_reached_by_the_router() {
    alone("documents::a_global_service_address_is_reached_by_the_router", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", &metadata(1))], "");
        let guest = house.guest(1);
        let has_global = || {
            let routed = guest.routes().iter().any(frontdesk::io::netns::Route::is_default);
            routed && guest.addresses().iter().any(|a| a.address.segments()[0] == 0x2001 && !a.tentative)
        };
        wait_until("a global address by SLAAC", PATIENCE, has_global);
        for url in [
            "http://[fd00:ec2::254]/latest/meta-data/instance-id",
            "http://[fd00:ec2::254]:8080/latest/meta-data/instance-id",
        ] {
            assert_eq!(curl(&guest, &[url]), ("200".into(), instance(1)));
        }
    });
}

/// Tungsten Fabric's first system test: ping of the service, here beside a curl of it, one guest after the other on
/// networks of their own, then all at once.
#[test]
fn ping_and_curl_from_many_guests_one_by_one_and_together() {
    alone("documents::ping_and_curl_from_many_guests_one_by_one_and_together", || {
        const GUESTS: std::ops::RangeInclusive<u16> = 1..=12;
        let mut house = House::new();
        house.start(&GUESTS.map(|n| port(n, "blue", &metadata(n))).collect::<Vec<_>>(), "");
        let guests: Vec<Guest> = GUESTS.map(|n| house.guest(n)).collect();
        for (number, guest) in GUESTS.zip(&guests) {
            let mut ping = Command::new("ping");
            ping.args(["-c", "1", "-W", "5", "fe80::a9fe:a9fe%eth0"]);
            assert!(guest.output(ping).status.success());
            assert_eq!(get(guest, "/latest/meta-data/instance-id", ""), (200, instance(number)));
        }
        std::thread::scope(|scope| {
            for (number, guest) in GUESTS.zip(&guests) {
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(get(guest, "/latest/meta-data/instance-id", ""), (200, instance(number)));
                    }
                });
            }
        });
    });
}

/// PEERS b.1: a guest is its tap and MAC. Two guests with one link-local address, and one with a random one, each get
/// their own.
#[test]
fn equal_link_locals_and_random_ones_make_no_difference() {
    alone("documents::equal_link_locals_and_random_ones_make_no_difference", || {
        let mut house = House::new();
        house.start(&[1, 2, 3].map(|n| port(n, "blue", &metadata(n))), "");
        let guests =
            [(1, "fe80::5"), (2, "fe80::5"), (3, "fe80::dead:beef:1234:5678")].map(|(number, address)| {
                let guest = house.lan.plug(&format!("tap{number}"), &format!("fa:16:3e:00:00:0{number}"));
                guest.set_conf("addr_gen_mode", "1");
                guest.set_conf("accept_dad", "0");
                guest.set_conf("accept_ra", "0");
                guest.up();
                let mut ip = Command::new("ip");
                ip.args(["addr", "add", &format!("{address}/64"), "dev", "eth0", "nodad"]);
                assert!(guest.output(ip).status.success());
                (number, address, guest)
            });
        // All hold a connection open at once.
        let streams: Vec<_> = guests.iter().map(|(_, _, guest)| connect(guest)).collect();
        for (number, address, guest) in &guests {
            assert_eq!(
                get(guest, "/latest/meta-data/instance-id", ""),
                (200, instance(*number)),
                "{address}"
            );
        }
        for ((_, address, _), stream) in guests.iter().zip(&streams) {
            let local = stream.local_addr().expect("an address");
            assert!(local.to_string().contains(address), "{local}");
        }
    });
}

fn cloud_init(guest: &Guest, kind: &str) -> serde_json::Value {
    let mut python = guest.command("/usr/bin/python3");
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metadata/cloud_init.py"));
    // As cloud-init of 2022 takes it; later ones add the zone themselves.
    python.args([kind, "http://[fe80::a9fe:a9fe%eth0]"]);
    let output = guest.output(python);
    let (text, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}\n{log}"))
}

/// cloud-init's data sources for OpenStack and for EC2 crawl the whole tree and take what the lease says.
#[test]
fn cloud_init_crawls_the_openstack_and_the_ec2_tree() {
    alone("documents::cloud_init_crawls_the_openstack_and_the_ec2_tree", || {
        if !installed("cloud-init") {
            return;
        }
        let mut house = House::new();
        house.start(&[port(1, "blue", &metadata(1)), port(2, "strict", &metadata(2))], "");
        let guest = house.guest(1);
        let found = cloud_init(&guest, "openstack");
        assert_eq!(found["found"], true, "{found}");
        assert_eq!(found["instance_id"], instance(1));
        assert_eq!(found["hostname"], "guest1");
        assert_eq!(found["keys"], serde_json::json!([KEY]));
        assert_eq!(found["user_data"], "#cloud-config\nguest: 1\n");
        let nic = &found["network"]["config"][0];
        assert_eq!(
            (&nic["mac_address"], &nic["mtu"]),
            (&"fa:16:3e:00:00:01".into(), &1450.into()),
            "{found}"
        );
        assert_eq!(nic["subnets"][0]["type"], "ipv6_slaac", "{found}");
        // Where tokens are required, cloud-init's EC2 source fetches one and uses it.
        let guest = house.guest(2);
        let found = cloud_init(&guest, "ec2");
        assert_eq!(found["found"], true, "{found}");
        assert_eq!(found["instance_id"], instance(2));
        assert_eq!(found["keys"], serde_json::json!([KEY]));
        assert_eq!(found["user_data"], "#cloud-config\nguest: 2\n");
        assert_eq!(found["metadata"]["placement"]["availability-zone"], "az1", "{found}");
    });
}

/// A reload of the leases keeps connections, and what is asked over them from then on is answered by the new table.
#[test]
fn a_reload_keeps_connections_and_a_restart_resets_them() {
    alone("documents::a_reload_keeps_connections_and_a_restart_resets_them", || {
        use std::io::{Read as _, Write as _};
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let guest = house.guest(1);
        let mut stream = connect(&guest);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut ask = || {
            stream.write_all(b"GET /latest/user-data HTTP/1.1\r\nHost: x\r\n\r\n")?;
            let mut answer = vec![0; 4096];
            stream.read(&mut answer).map(|count| String::from_utf8_lossy(&answer[..count]).into_owned())
        };
        assert_eq!(status(&ask().expect("an answer")), 404);
        let leases = house.home.path().join("leases.toml");
        let text = std::fs::read_to_string(&leases).expect("leases") + &metadata(1);
        std::fs::write(&leases, text).expect("written");
        house.daemon().signal("HUP");
        house.daemon().wait_for_log("reloaded");
        let answer = ask().expect("the same connection");
        assert!(status(&answer) == 200 && answer.ends_with("guest: 1\n"), "{answer}");
        house.start(&[port(1, "blue", "")], "");
        wait_until("a reset after the restart (TCP-009)", PATIENCE, || ask().is_err());
        assert_eq!(status(&say(&guest, b"GET / HTTP/1.0\r\n\r\n")), 200);
    });
}

#[test]
fn tcp_004_a_port_that_nothing_listens_on_refuses_at_once() {
    alone("documents::tcp_004_a_port_that_nothing_listens_on_refuses_at_once", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let guest = house.guest(1);
        let to = std::net::SocketAddrV6::new(crate::house::SERVICE, 81, 0, guest.nic.index);
        let refused = guest.netns.run(move || std::net::TcpStream::connect_timeout(&to.into(), PATIENCE));
        let error = refused.expect("the namespace").expect_err("refused");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

/// A stranger on the bridge gets no connection, and the counter says why.
#[test]
fn tcp_008_a_stranger_gets_silence() {
    alone("documents::tcp_008_a_stranger_gets_silence", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let stranger = house.lan.plug("tap9", "fa:16:3e:00:00:99");
        up(&stranger);
        house.daemon().wait_for_log("attached device=tap9");
        // It knows the router's MAC, so that its SYN comes through.
        let mut ip = Command::new("ip");
        ip.args("neigh add fe80::a9fe:a9fe lladdr fa:16:3e:ff:00:01 dev eth0".split(' '));
        assert!(stranger.output(ip).status.success());
        let refused = crate::house::try_connect(&stranger, std::time::Duration::from_millis(500));
        assert_eq!(refused.expect_err("nobody answers").kind(), std::io::ErrorKind::TimedOut);
        assert!(house.count("unknown-mac") > 0);
        assert_eq!(house.count("metadata-connections"), 0);
    });
}
