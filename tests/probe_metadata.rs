//! The probe's metadata: from the dataplane, from a server that others wrote, and what it says when there are none.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddrV6, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use frontdesk::io::child::Server;
use frontdesk::io::netns::Address;
use frontdesk::io::probe::report::{Document, Metadata};
use frontdesk::io::probe::{self, Options, Report, Service, Wanted};
use frontdesk::types::{Lifetime, ip6};
use support::netns::{Guest, Lan, Process, alone, installed, wait_until};

const FRONTDESK: &str = env!("CARGO_BIN_EXE_frontdesk");
const MAC: &str = "fa:16:3e:22:38:6b";
const STRANGER: &str = "02:00:00:00:00:09";
const META_DATA: &str = r#"{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "hostname": "vm.example.com",
    "public_keys": {"mykey": "ssh-ed25519 AAAA me@example.com\n"}, "availability_zone": "nova"}"#;

/// Nothing but metadata, 4 s each.
fn only(service: Service) -> Options {
    Options {
        wanted: Some(Wanted::default()),
        metadata: Some(service),
        timeout: Duration::from_secs(4),
        ..Options::new("eth0")
    }
}

fn ask(guest: &Guest, options: &Options) -> Report {
    guest.netns.run(|| probe::run(options)).expect("the namespace").expect("a device to speak on")
}

fn paths(all: &[&str]) -> Service {
    Service { paths: all.iter().map(|path| (*path).to_owned()).collect(), ..Service::default() }
}

/// A bridge where the kernel of the hypervisor has the metadata address, and one guest that is up.
fn lan() -> (Lan, Guest) {
    let lan = Lan::new(true);
    lan.set_bridge_address(&ip6::METADATA.to_string());
    let guest = lan.plug("tap0", MAC);
    guest.up();
    (lan, guest)
}

fn got(report: &Report) -> (&Metadata, &[Document]) {
    let metadata = report.metadata.as_ref().expect("metadata were asked for");
    (metadata, &metadata.documents)
}

/// Documents of Python's http.server, whose answers the kernel hands over as packets longer than the link's MTU.
#[test]
fn documents_of_another_server_arrive_as_they_are() {
    alone("documents_of_another_server_arrive_as_they_are", || {
        if !installed("python3") {
            return;
        }
        let (lan, guest) = lan();
        let home = tempfile::tempdir().expect("a temporary directory");
        let latest = home.path().join("openstack/latest");
        fs::create_dir_all(&latest).expect("a folder");
        fs::write(latest.join("meta_data.json"), META_DATA).expect("a document");
        let long: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).take(3_000_000).collect();
        fs::write(home.path().join("long"), &long).expect("a document");
        let mut python = Command::new("python3");
        python.args(["-m", "http.server", "--bind", "::", "80"]).current_dir(home.path());
        let _python = Process::start(python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        wait_until("the server listens", Duration::from_secs(20), || TcpStream::connect("[::1]:80").is_ok());

        let report = ask(&guest, &only(Service::default()));
        assert_eq!((report.faults.as_slice(), report.missing.as_slice()), (&[][..], &[][..]));
        let (metadata, documents) = got(&report);
        assert_eq!(metadata.mac, Some(lan.netlink.link("br0").expect("br0").mac));
        assert!(guest.addresses().iter().all(|own| own.address != metadata.source));
        let [meta_data, user_data] = documents else { panic!("two documents") };
        assert_eq!(meta_data.text.as_deref(), Some(META_DATA));
        assert_eq!((meta_data.status, meta_data.octets), (Some(200), META_DATA.len() as u64));
        assert_eq!(meta_data.content_type.as_deref(), Some("application/json"));
        assert!(meta_data.connect_us.is_some_and(|us| us < meta_data.took_us));
        let instance = meta_data.instance.as_ref().expect("an instance");
        assert_eq!(instance.uuid, "83679162-1378-4288-a2d4-70e13ec132aa");
        assert_eq!(instance.public_keys["mykey"], "ssh-ed25519 AAAA me@example.com\n");
        assert_eq!((user_data.status, &user_data.failure), (Some(404), &None), "it may be absent");

        // A MAC of its own, a path that is required and not there, and a body of which the first MiB is kept.
        let mac = Some(STRANGER.parse().expect("a MAC"));
        let report = ask(&guest, &Options { mac, ..only(paths(&["/long", "/none"])) });
        assert_eq!(report.missing, ["metadata /none: status 404 Not Found"]);
        let (_, [whole, none]) = got(&report) else { panic!("two documents") };
        assert_eq!((whole.status, whole.octets, whole.failure.as_ref()), (Some(200), 3_000_000, None));
        assert_eq!(whole.data, Some(probe::report::hex(&long[..1 << 20])));
        assert_eq!(none.status, Some(404));
    });
}

/// Listens at the metadata address and does `serve` with the first connection.
fn server(lan: &Lan, serve: impl FnOnce(TcpStream) + Send + 'static) -> Service {
    let listener = TcpListener::bind(SocketAddrV6::new(ip6::METADATA, 0, 0, lan.bridge)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || serve(listener.accept().expect("a connection").0));
    Service { port, ..paths(&["/x"]) }
}

#[test]
fn each_way_to_get_nothing_has_its_words() {
    alone("each_way_to_get_nothing_has_its_words", || {
        let (lan, guest) = lan();
        let quick = |service| Options { timeout: Duration::from_millis(1500), ..only(service) };
        let missing = |service| ask(&guest, &quick(service)).missing.join(", ");

        assert_eq!(
            missing(Service { port: 81, ..paths(&["/x", "/y"]) }),
            "metadata /x: connection refused (RST)"
        );
        let nobody = Service { address: "fe80::1234".parse().expect("an address"), ..paths(&["/x"]) };
        assert_eq!(missing(nobody), "metadata: no answer to the Neighbor Solicitation for fe80::1234");

        let begin = |stream: &mut TcpStream| {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("a request");
        };
        // What is closed before it is read to the end is reset (RFC 1122 §4.2.2.13).
        let resets = server(&lan, move |mut stream| begin(&mut stream));
        assert_eq!(missing(resets), "metadata /x: connection reset (RST)");
        let says = |text: &'static str| {
            move |mut stream: TcpStream| {
                begin(&mut stream);
                stream.write_all(text.as_bytes()).expect("an answer");
                // Until the guest has closed its end.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        };
        let not_http = missing(server(&lan, says("SSH-2.0-OpenSSH_9.2p1\r\n")));
        assert!(not_http.starts_with("metadata /x: the answer is not HTTP"), "{not_http}");
        assert_eq!(missing(server(&lan, says(""))), "metadata /x: timed out after the request");
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
        assert_eq!(missing(server(&lan, says(half))), "metadata /x: timed out after 3 octets of the body");

        // Without a route back the kernel still answers the solicitation, and no SYN.
        let mut lose = Command::new("ip");
        lose.args(["-6", "route", "del", "fe80::/64", "dev", "br0"]);
        assert!(lose.status().expect("ip").success());
        assert_eq!(
            missing(Service::default()).split(", sent ").next().expect("words"),
            "metadata /openstack/latest/meta_data.json: timed out after SYN"
        );
    });
}

/// RFC 4862 §5.4: one address, two nodes.
#[test]
fn a_second_node_with_the_services_address_is_a_fault() {
    alone("a_second_node_with_the_services_address_is_a_fault", || {
        let (lan, guest) = lan();
        let other = lan.plug("tap1", STRANGER);
        other.set_conf("accept_dad", "0");
        other.up();
        let address = Address {
            prefix_length: 64,
            dynamic: false,
            ..Address::leased(ip6::METADATA, Lifetime::INFINITE, Lifetime::INFINITE)
        };
        other.netlink.set_address(other.nic.index, &address).expect("an address");
        let doubled = || {
            let report = ask(&guest, &only(paths(&["/x"])));
            report.faults.iter().any(|fault| fault.rule == "RFC 4862 §5.4" && fault.what.contains(STRANGER))
        };
        wait_until("both answer", Duration::from_secs(20), doubled);
    });
}

const LEASES: &str = r##"
version = 1
[server]
cloud = "test"
[networks.n]
vlan = 7
mtu = 1400
router = { mac_address = "fa:16:3e:77:e5:a0", link_local = "fe80::1", lifetime = 1800 }
service_addresses = ["fe80::a9fe:a9fe", "[fd00:ec2::254]:8080"]
[[networks.n.subnets]]
cidr = "2001:db8:cafe:1::/64"
ipv6_ra_mode = "dhcpv6-stateful"
ipv6_address_mode = "dhcpv6-stateful"
[[ports]]
mac_address = "fa:16:3e:22:38:6b"
network = "n"
fixed_ips = ["2001:db8:cafe:1::4"]
device_id = "83679162-1378-4288-a2d4-70e13ec132aa"
hostname = "vm.example.com"
metadata.public_keys = { mykey = "ssh-ed25519 AAAA me@example.com" }
metadata.user_data = "#cloud-config\nssh_pwauth: false\n"
"##;

fn start(home: &Path) -> Server {
    let file = home.join("leases.toml");
    fs::write(&file, LEASES).expect("a file");
    let mut command = Command::new(FRONTDESK);
    command.args(["run", "--attach", "tap0", "--leases"]).arg(file);
    Server::start(command, Duration::from_secs(10)).expect("the dataplane")
}

/// The MAC and the VLAN id are the probe's to choose, and what it gets is that guest's.
#[test]
fn the_dataplane_gives_a_guest_its_own_documents() {
    alone("the_dataplane_gives_a_guest_its_own_documents", || {
        let lan = Lan::new(true);
        let guest = lan.plug("tap0", STRANGER);
        guest.up();
        let home = tempfile::tempdir().expect("a temporary directory");
        let _server = start(home.path());
        let mac = Some(MAC.parse().expect("a MAC"));
        let options = Options { mac, vlan: 7, ..only(Service::default()) };
        let report = ask(&guest, &options);
        assert_eq!((report.faults.as_slice(), report.missing.as_slice()), (&[][..], &[][..]));
        let (metadata, [meta_data, user_data]) = got(&report) else { panic!("two documents") };
        assert_eq!(metadata.mac.expect("a MAC").to_string(), "fa:16:3e:77:e5:a0");
        let instance = meta_data.instance.as_ref().expect("an instance");
        assert_eq!(instance.uuid, "83679162-1378-4288-a2d4-70e13ec132aa");
        assert_eq!(instance.hostname.as_deref(), Some("vm.example.com"));
        assert_eq!(instance.public_keys["mykey"], "ssh-ed25519 AAAA me@example.com");
        assert_eq!(user_data.text.as_deref(), Some("#cloud-config\nssh_pwauth: false\n"));

        let nobody = "metadata: no answer to the Neighbor Solicitation for fe80::a9fe:a9fe";
        let timeout = Duration::from_millis(500);
        for strange in
            [Options { mac: None, timeout, ..options.clone() }, Options { vlan: 0, timeout, ..options }]
        {
            assert_eq!(ask(&guest, &strange).missing, [nobody]);
        }
    });
}

/// A service off the link is asked through the router that was heard.
#[test]
fn the_command_prints_each_step_and_each_key() {
    alone("the_command_prints_each_step_and_each_key", || {
        let lan = Lan::new(true);
        let guest = lan.plug("tap0", STRANGER);
        guest.up();
        let home = tempfile::tempdir().expect("a temporary directory");
        let _server = start(home.path());
        let run = |arguments: &[&str]| {
            let mut command = Command::new(FRONTDESK);
            command.args(["probe", "eth0", "--mac", MAC, "--vlan", "7", "--timeout", "4"]).args(arguments);
            let output = guest.output(command);
            (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
        };
        let (code, text) = run(&["--what", "ra,metadata", "--metadata-address", "[fd00:ec2::254]:8080"]);
        assert_eq!(code, Some(0), "{text}");
        for line in [
            "  Neighbor Solicitation → Neighbor Advertisement, ",
            "metadata at [fd00:ec2::254]:8080 (fa:16:3e:77:e5:a0), from fe80::",
            "  /openstack/latest/meta_data.json\n    answer       200, application/json, ",
            "\n    times        connected in ",
            "\n    instance     83679162-1378-4288-a2d4-70e13ec132aa, hostname vm.example.com\n",
            "\n    public keys  1\n      key        mykey: ssh-ed25519 AAAA me@example.com\n",
            "\n    first line   #cloud-config\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let (code, text) = run(&["--what", "metadata", "--metadata-path", "/openstack/none"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.ends_with("\nnot got: metadata /openstack/none: status 404 Not Found\n"), "{text}");
        let (code, text) = run(&["--what", "ra"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains("metadata"), "{text}");
        let (code, text) = run(&["--json", "--metadata-path", "/latest/meta-data/hostname"]);
        assert_eq!(code, Some(0), "{text}");
        let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["metadata"]["documents"][0]["text"], "vm.example.com");
        assert!(report["lease"].is_object(), "what a guest does comes first: {text}");
    });
}
