//! A hypervisor whose dataplane serves metadata, and guests that ask for it.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace::daemon::Daemon;
use crate::support::netns::{Guest, Lan, wait_until};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The service's address.
pub(crate) const SERVICE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// The networks of the tests; ports are appended.
const NETWORKS: &str = r#"version = 1
[server]
cloud = "test"
[networks.blue]
mtu = 1450
router = { mac_address = "fa:16:3e:ff:00:01" }
dns_nameservers = ["2001:db8::53"]
metadata = true
service_addresses = ["fe80::a9fe:a9fe", "fd00:ec2::254", "[fd00:ec2::254]:8080"]
metadata_route = true
subnets = [{ cidr = "2001:db8:1::/64", ipv6_address_mode = "slaac", ipv6_ra_mode = "slaac" }]
[networks.strict]
router = { mac_address = "fa:16:3e:ff:00:02" }
metadata = true
metadata_token = "required"
subnets = [{ cidr = "2001:db8:2::/64", ipv6_address_mode = "slaac", ipv6_ra_mode = "slaac" }]
[networks.proxied]
router = { mac_address = "fa:16:3e:ff:00:03" }
metadata = true
metadata_upstream = "nova"
subnets = [{ cidr = "2001:db8:3::/64", ipv6_address_mode = "slaac", ipv6_ra_mode = "slaac" }]
"#;

/// The hypervisor of one test.
pub(crate) struct House {
    pub(crate) lan: Lan,
    pub(crate) home: TempDir,
    daemon: Option<Daemon>,
}

/// A port of the lease source.
pub(crate) fn port(number: u16, network: &str, more: &str) -> String {
    let [high, low] = number.to_be_bytes();
    format!(
        "[[ports]]\nmac_address = \"fa:16:3e:00:{high:02x}:{low:02x}\"\nnetwork = \"{network}\"\n\
         device = \"tap{number}\"\ndevice_id = \"{}\"\nproject_id = \"project-{number}\"\n\
         hostname = \"guest{number}.example.com\"\n{more}",
        instance(number)
    )
}

/// The instance id of a port.
pub(crate) fn instance(number: u16) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            eprintln!(
                "the dataplane's log:\n{}",
                daemon.log().iter().rev().take(40).rev().cloned().collect::<Vec<_>>().join("\n")
            );
        }
    }
}

impl House {
    /// A house without a dataplane yet.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let lan = Lan::new(true);
        // No port of the bridge has the routers' MACs, so it would send what goes there to every guest.
        for router in 1..=3 {
            let entry = format!("fdb replace fa:16:3e:ff:00:0{router} dev br0 self permanent");
            let status = std::process::Command::new("bridge").args(entry.split(' ')).status();
            assert!(status.expect("bridge runs").success(), "{entry}");
        }
        Self { lan, home, daemon: None }
    }

    /// Starts the dataplane with these ports and this part of the configuration file.
    pub(crate) fn start(&mut self, ports: &[String], configuration: &str) {
        let mut networks = NETWORKS.to_owned();
        if !configuration.contains("upstreams.nova") {
            networks = networks.replace("metadata_upstream = \"nova\"\n", "");
        }
        let leases = self.file("leases.toml", &[&[networks], ports].concat().concat());
        let text =
            format!("leases = \"leases.toml\"\nattach = [\"tap*\"]\nlog_level = \"debug\"\n{configuration}");
        let config = self.file("frontdesk.toml", &text);
        assert!(leases.exists());
        self.daemon = Some(Daemon::start(&["--config", config.to_str().expect("UTF-8")]));
    }

    /// The running dataplane.
    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("a running dataplane")
    }

    /// A counter's value.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.daemon().counters().get(name).copied().unwrap_or(0)
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.home.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
        path
    }

    /// [`guest`](Self::guest) on a port that the bridge keeps apart from all others, as clouds do: nothing that it sends to
    /// groups is copied to hundreds of ports.
    pub(crate) fn isolated_guest(&self, number: u16) -> Guest {
        let [high, low] = number.to_be_bytes();
        let guest = self.lan.plug(&format!("tap{number}"), &format!("fa:16:3e:00:{high:02x}:{low:02x}"));
        let isolate = format!("link set dev tap{number} isolated on");
        let status = std::process::Command::new("bridge").args(isolate.split(' ')).status();
        assert!(status.expect("bridge runs").success(), "{isolate}");
        up(&guest);
        guest
    }

    /// A guest that is up: `number` is that of its port.
    pub(crate) fn guest(&self, number: u16) -> Guest {
        let [high, low] = number.to_be_bytes();
        let guest = self.lan.plug(&format!("tap{number}"), &format!("fa:16:3e:00:{high:02x}:{low:02x}"));
        up(&guest);
        guest
    }
}

/// Sets a guest's device up and waits until its link-local address may be used.
pub(crate) fn up(guest: &Guest) {
    guest.set_conf("accept_dad", "0");
    guest.up();
    wait_until("a link-local address", PATIENCE, || {
        guest.addresses().iter().any(|address| !address.tentative)
    });
}

/// A connection of the guest's own kernel to the service, from whatever address it likes.
pub(crate) fn connect(guest: &Guest) -> TcpStream {
    try_connect(guest, PATIENCE).expect("a connection")
}

pub(crate) fn try_connect(guest: &Guest, patience: Duration) -> std::io::Result<TcpStream> {
    let to = SocketAddrV6::new(SERVICE, 80, 0, guest.nic.index);
    guest.netns.run(move || TcpStream::connect_timeout(&to.into(), patience)).expect("the namespace")
}

/// Sends octets and reads until the service closes: what came.
pub(crate) fn say(guest: &Guest, octets: &[u8]) -> String {
    let mut stream = connect(guest);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(octets).expect("sent");
    let mut heard = Vec::new();
    // A reset after the answer is an end too.
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

/// GET of a path over HTTP/1.0 with these fields: status and body.
pub(crate) fn get(guest: &Guest, path: &str, fields: &str) -> (u16, String) {
    let answer = say(guest, format!("GET {path} HTTP/1.0\r\n{fields}\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (status(head), body.to_owned())
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"))
}
