//! A network of one's own for a test: a hypervisor with a bridge, and guests in namespaces behind veth pairs.
//!
//! [`alone`] runs the test's body in a process of its own, in new network, mount and process namespaces (and a user
//! namespace when not root). All of it, real clients and servers included, is gone when that process ends, however it
//! ends; nothing of an earlier run can be there when it starts.

#![allow(dead_code)] // each test program uses its part

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use frontdesk::io::child::end_with_parent;
use frontdesk::io::netns::{self, Address, Link, Netlink, Netns, Route};
use frontdesk::types::{Lifetime, MacAddr};

/// Says to the process started by [`alone`] where to leave word that the body ran to its end.
const MARK: &str = "FRONTDESK_TEST_MARK";

/// Runs `body`, of the test function called `name`, in namespaces of its own. Where the machine forbids them the test
/// passes with a note, and fails when `CI=true`.
pub(crate) fn alone(name: &str, body: impl FnOnce()) {
    if let Some(mark) = std::env::var_os(MARK) {
        Netlink::open().expect("netlink").set_up(1).expect("the loopback device");
        body();
        fs::write(mark, "done").expect("the mark");
        return;
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    let mark = home.path().join("mark");
    // Processes that outlive the body die with their process namespace, and that with the thread that waits here.
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--"]);
    command.arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.env(MARK, &mark).env("TMPDIR", home.path()).stdin(Stdio::null());
    netns::isolate_command(&mut command);
    end_with_parent(&mut command);
    let output = match command.output() {
        Ok(output) => output,
        Err(source) => {
            let error = netns::forbidden(source);
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{error}");
            eprintln!("skipped {name}: {error}");
            return;
        }
    };
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} ended with {}", output.status);
    assert!(mark.exists(), "no test is called {name}");
}

/// The hypervisor: the namespace of the test's process, with one bridge.
pub(crate) struct Lan {
    pub(crate) host: Netns,
    pub(crate) netlink: Netlink,
    pub(crate) bridge: u32,
}

impl Lan {
    /// A bridge called br0, whose own IPv6 is off.
    pub(crate) fn new(multicast_snooping: bool) -> Self {
        let host = Netns::current().expect("/proc");
        let netlink = Netlink::open().expect("netlink");
        host.set_sysctl("ipv6/conf/default/disable_ipv6", "1").expect("a sysctl");
        let bridge = netlink.add_bridge("br0", multicast_snooping).expect("a bridge");
        Self { host, netlink, bridge }
    }

    /// Gives the bridge an address, as for a server that runs on it; it is usable at once.
    pub(crate) fn set_bridge_address(&self, address: &str) {
        for (key, value) in
            [("accept_dad", "0"), ("addr_gen_mode", "0"), ("disable_ipv6", "0"), ("forwarding", "1")]
        {
            self.host.set_sysctl(&format!("ipv6/conf/br0/{key}"), value).expect("a sysctl");
        }
        let address = Address {
            prefix_length: 64,
            dynamic: false,
            ..Address::leased(address.parse().expect("an address"), Lifetime::INFINITE, Lifetime::INFINITE)
        };
        self.netlink.set_address(self.bridge, &address).expect("an address on the bridge");
    }

    /// A guest whose eth0 has `mac` and is down, plugged into the bridge's port `device`, which is up.
    pub(crate) fn plug(&self, device: &str, mac: &str) -> Guest {
        let mac: MacAddr = mac.parse().expect("a MAC");
        let netns = Netns::new().expect("a namespace");
        let port = self.netlink.add_veth(device, "eth0", mac, &netns).expect("a veth pair");
        self.netlink.set_bridge(port, self.bridge).expect("a bridge port");
        self.netlink.set_up(port).expect("the port up");
        let netlink = netns.netlink().expect("netlink");
        let nic = netlink.link("eth0").expect("eth0");
        Guest { netns, netlink, nic }
    }
}

/// A guest: a network namespace with one device.
pub(crate) struct Guest {
    pub(crate) netns: Netns,
    pub(crate) netlink: Netlink,
    pub(crate) nic: Link,
}

impl Guest {
    /// Sets `net.ipv6.conf.eth0.KEY`.
    pub(crate) fn set_conf(&self, key: &str, value: &str) {
        self.netns.set_sysctl(&format!("ipv6/conf/eth0/{key}"), value).expect("a sysctl");
    }

    /// Reads `net.ipv6.conf.eth0.KEY`.
    pub(crate) fn conf(&self, key: &str) -> String {
        self.netns.sysctl(&format!("ipv6/conf/eth0/{key}")).expect("a sysctl")
    }

    pub(crate) fn up(&self) {
        self.netlink.set_up(self.nic.index).expect("eth0 up");
    }

    pub(crate) fn down(&self) {
        self.netlink.set_down(self.nic.index).expect("eth0 down");
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.netlink.addresses(self.nic.index).expect("addresses")
    }

    pub(crate) fn routes(&self) -> Vec<Route> {
        self.netlink.routes().expect("routes")
    }

    /// A program in the guest, with a /run and /var/lib of its own and a /sys that shows the guest's devices. What it
    /// leaves elsewhere must be in a temporary directory. Arguments are appended as to any command.
    pub(crate) fn command(&self, program: &str) -> Command {
        const MOUNTS: &str = "for d in /run /var/lib; do mount -t tmpfs tmpfs $d || exit 99; done; \
            mkdir -p /var/lib/dhcp /var/lib/dhcpcd /run/dhcpcd; mount -t sysfs sysfs /sys || exit 99; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", MOUNTS, "sh", program]).stdin(Stdio::null());
        command
    }

    /// Runs a command in the guest to its end.
    pub(crate) fn output(&self, mut command: Command) -> Output {
        self.netns.run(|| command.output()).expect("the namespace").expect("a program")
    }

    /// Starts a command in the guest; it is killed when the result is dropped.
    pub(crate) fn spawn(&self, mut command: Command) -> Process {
        Process(self.netns.run(|| command.spawn()).expect("the namespace").expect("a program"))
    }
}

/// A process of the test's, killed at its end.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Starts a command in the hypervisor's namespace.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("a program"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `is_so`, and fails the test when it is not within `patience`.
pub(crate) fn wait_until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// True when a program is installed; when `CI=true` it must be.
pub(crate) fn installed(program: &str) -> bool {
    let found =
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    assert!(found || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}
