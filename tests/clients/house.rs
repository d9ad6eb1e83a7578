//! A hypervisor with `frontdesk run` on its bridge's ports, and guests that run real software in namespaces.
//!
//! A guest's programs have a /run, /var/lib, /var/log and /etc of their own, kept as directories that the test can
//! read, and a read-only /sys of the guest's devices (so that systemd-networkd does not wait for an udev that is not
//! there). They start only after the guest's device has proved to have the guest's MAC: never in another namespace by
//! mistake.

use std::cell::{Ref, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::leases::Port;
use crate::namespace::daemon::Daemon;
use crate::namespace::sh;
use crate::support::netns::{self, Lan, Process, alone, wait_until};

/// How long anything may take before a test fails. Far more than is needed: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The hypervisor of one test.
pub(crate) struct House {
    lan: Lan,
    home: TempDir,
    daemon: RefCell<Option<Daemon>>,
    captures: RefCell<Vec<Capture>>,
    name: String,
}

/// Runs the body of the test function called `test` (with its module) in namespaces of its own, with the dataplane
/// running; at the end the dataplane must stop cleanly and every frame of the guests' taps must dissect.
pub(crate) fn house(test: &str, body: impl FnOnce(&House)) {
    alone(test, || {
        let house = House::open(test);
        body(&house);
        house.close();
    });
}

impl House {
    fn open(test: &str) -> Self {
        need("dumpcap", "wireshark-common");
        need("tshark", "tshark");
        let home = tempfile::tempdir().expect("a temporary directory");
        let leases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clients.toml");
        fs::copy(leases, home.path().join("leases.toml")).expect("the leases");
        let house = Self {
            lan: Lan::new(true),
            home,
            daemon: RefCell::default(),
            captures: RefCell::default(),
            name: test.replace("::", "-"),
        };
        house.start();
        house
    }

    /// The lease source that the dataplane reads.
    pub(crate) fn leases(&self) -> PathBuf {
        self.home.path().join("leases.toml")
    }

    /// The running dataplane.
    pub(crate) fn daemon(&self) -> Ref<'_, Daemon> {
        Ref::map(self.daemon.borrow(), |daemon| daemon.as_ref().expect("a running dataplane"))
    }

    /// How often the dataplane has counted `name`.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.daemon().counters().get(name).copied().unwrap_or(0)
    }

    /// Waits until the dataplane has counted `name` at least so often.
    pub(crate) fn wait_for_count(&self, name: &str, least: u64) {
        wait_until(&format!("{name} counted {least} times"), PATIENCE, || self.count(name) >= least);
    }

    fn start(&self) {
        let leases = self.leases();
        let daemon = Daemon::start(&["--leases", leases.to_str().expect("UTF-8"), "--attach", "tap*"]);
        *self.daemon.borrow_mut() = Some(daemon);
    }

    /// Stops the dataplane as the service manager does, and asserts that it went well.
    pub(crate) fn stop(&self) {
        let daemon = self.daemon.borrow_mut().take().expect("a running dataplane");
        let (status, log, counters) = daemon.end("TERM");
        assert!(status.success(), "{status}: {log:#?}");
        assert!(!counters.iter().any(|line| line.starts_with("engine-panics")), "{counters:#?}");
    }

    /// Stops the dataplane and starts it again; nothing is kept but the lease source.
    pub(crate) fn restart(&self) {
        self.stop();
        self.start();
        let taps = self.captures.borrow().len();
        self.daemon().wait_for_logs("attached", taps);
    }

    /// A guest whose eth0 is down, plugged into the bridge's port `tap`, which is attached and captured.
    pub(crate) fn guest(&self, tap: &str, port: &'static Port) -> Guest {
        self.guest_with_mac(tap, port.mac, port)
    }

    /// As [`guest`](Self::guest), with another MAC than the port's.
    pub(crate) fn guest_with_mac(&self, tap: &str, mac: &str, port: &'static Port) -> Guest {
        let inner = self.lan.plug(tap, mac);
        self.listen(tap);
        Guest::new(inner, self.home.path().join(tap), mac, port)
    }

    /// A guest whose eth0 is down, at the other end of the hypervisor's `device`, which is no port of the bridge.
    pub(crate) fn guest_apart(&self, device: &str, port: &'static Port) -> Guest {
        let inner = self.lan.plug(device, port.mac);
        sh(&format!("ip link set {device} nomaster"));
        Guest::new(inner, self.home.path().join(device), port.mac, port)
    }

    /// A second device of a guest's, `name`; its other end is the hypervisor's `device`, which is no port of the bridge.
    pub(crate) fn cable(&self, device: &str, guest: &Guest, name: &str, mac: &str) {
        let mac = mac.parse().expect("a MAC");
        self.lan.netlink.add_veth(device, name, mac, &guest.inner.netns).expect("a veth pair");
    }

    /// Gives the bridge an address, for a server that guests shall reach on their link.
    pub(crate) fn set_bridge_address(&self, address: &str) {
        self.lan.set_bridge_address(address);
    }

    /// A device of a virtual machine's network card, plugged into the bridge, attached and captured.
    pub(crate) fn tap(&self, name: &str) {
        sh(&format!("ip tuntap add {name} mode tap && ip link set {name} master br0 up"));
        self.listen(name);
    }

    /// A file of the test's, for a server on the hypervisor.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Waits until the bridge's port `tap` is attached, and captures its frames from then on.
    pub(crate) fn listen(&self, tap: &str) {
        self.daemon().wait_for_log(&format!("device={tap} "));
        let file = captures().join(format!("{}-{tap}.pcap", self.name));
        self.captures.borrow_mut().push(Capture::start(tap, file));
    }

    /// Waits until a frame that tshark's `filter` fits is in a capture: what comes at the very end may be lost.
    pub(crate) fn wait_for_captured(&self, filter: &str) {
        let captures = self.captures.borrow();
        let holds = |capture: &Capture| {
            let mut tshark = Command::new("tshark");
            tshark.args(["-n", "-Y", filter, "-r"]).arg(&capture.file).env("HOME", self.home.path());
            // The last frame may be half written yet, which makes tshark fail after it has printed the others.
            tshark.output().is_ok_and(|output| !output.stdout.is_empty())
        };
        wait_until(&format!("{filter} in a capture"), PATIENCE, || captures.iter().any(holds));
    }

    fn close(self) {
        self.stop();
        self.captures.take().into_iter().for_each(Capture::end);
    }
}

/// Where the captures of all tests are left: `target/tmp/clients`.
fn captures() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    fs::create_dir_all(&path).expect("a directory for captures");
    path
}

/// All frames of a tap, to a file.
struct Capture {
    dumpcap: Process,
    file: PathBuf,
}

impl Capture {
    fn start(tap: &str, file: PathBuf) -> Self {
        let _ = fs::remove_file(&file);
        // Not tcpdump: Debian's gives up root for a user that an unprivileged namespace does not have.
        let mut command = Command::new("dumpcap");
        command.args(["-q", "-P", "-i", tap, "-w"]).arg(&file).stdin(Stdio::null());
        let dumpcap = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        // The file's header is written when the tap is being listened to.
        wait_until("dumpcap listens", PATIENCE, || fs::metadata(&file).is_ok_and(|file| file.len() >= 24));
        Self { dumpcap, file }
    }

    /// Ends the capture and has tshark dissect it: it must find frames, and no fault in them.
    fn end(mut self) {
        let done = Command::new("kill").args(["-INT", &self.dumpcap.0.id().to_string()]).status();
        assert!(done.expect("kill").success());
        self.dumpcap.0.wait().expect("dumpcap ends");
        // Checksums that a guest left to its (virtual) hardware are no fault.
        let output = Command::new("tshark")
            .args(["-n", "-o", "udp.check_checksum:FALSE", "-T", "fields"])
            .args([
                "-e",
                "frame.number",
                "-e",
                "_ws.malformed",
                "-e",
                "_ws.expert.message",
                "-e",
                "_ws.expert.severity",
            ])
            .arg("-r")
            .arg(&self.file)
            .env("HOME", self.file.parent().expect("a directory"))
            .output()
            .expect("tshark runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let name = self.file.display();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!text.is_empty(), "{name}: no frames");
        for line in text.lines() {
            let mut fields = line.split('\t').skip(1);
            let (malformed, message, severity) = (fields.next(), fields.next(), fields.next());
            assert_eq!(malformed, Some(""), "{name}: frame {line}");
            // 0x00600000 is warning, 0x00800000 error.
            let severity = severity.unwrap_or("");
            assert!(
                !severity.contains("8388608") && !severity.contains("6291456"),
                "{name}: {message:?}: frame {line}"
            );
        }
    }
}

/// A guest of a [`House`].
pub(crate) struct Guest {
    pub(crate) inner: netns::Guest,
    pub(crate) port: &'static Port,
    mac: String,
    /// Holds `run`, `lib`, `log` and `etc`: the guest's /run, /var/lib, /var/log and /etc.
    home: PathBuf,
    started: Instant,
}

impl Guest {
    fn new(inner: netns::Guest, home: PathBuf, mac: &str, port: &'static Port) -> Self {
        for directory in ["run/events", "lib/dhcp", "lib/dhcpcd", "lib/dhcpv6", "lib/dibbler", "log"] {
            fs::create_dir_all(home.join(directory)).expect("the guest's directories");
        }
        // What cannot be read (without root) is of no use to the clients either.
        let _ = Command::new("cp").args(["-a", "/etc"]).arg(home.join("etc")).stderr(Stdio::null()).status();
        let guest = Self { inner, port, mac: mac.to_owned(), home, started: Instant::now() };
        guest.write("etc/resolv.conf", "");
        guest.map_users();
        guest.write("etc/machine-id", "5a7f3d526c9b4a7e9d4f0d7e6c1b2a33\n");
        guest.inner.set_conf("accept_ra_rt_info_max_plen", "128");
        guest
    }

    /// Without root the guest's namespace has no user but its root: the users that clients change to are that.
    fn map_users(&self) {
        if !may_set_groups() {
            let users = ["systemd-network", "dhcpcd"].map(|user| format!("{user}:x:0:0::/run:/bin/false\n"));
            self.write("etc/passwd", &format!("root:x:0:0::/:/bin/sh\n{}", users.concat()));
        }
    }

    /// A file of the guest: under `run/`, `lib/` (its /var/lib) or `etc/`.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.home.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory of the guest");
        fs::write(path, text).expect("a file of the guest");
    }

    /// The text of a file of the guest; empty when there is none.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// Lets every user read the guest's directory `name`, whatever the umask is.
    pub(crate) fn open_to_all(&self, name: &str) {
        let done = Command::new("chmod").args(["-R", "a+rX"]).arg(self.path(name)).status();
        assert!(done.expect("chmod").success());
    }

    /// A second device, lan0, that a guest may give a delegated prefix to; its other end is up.
    pub(crate) fn add_lan(&self) {
        self.run("ip", &["link", "add", "lan0", "type", "veth", "peer", "name", "lan1"]);
        self.run("ip", &["link", "set", "lan1", "up"]);
    }

    /// Seconds since the guest was last told to come up, rounded up: what lifetimes may have lost.
    pub(crate) fn age(&self) -> u64 {
        self.started.elapsed().as_secs() + 1
    }

    /// Sets eth0 up and waits until its link-local address is usable.
    pub(crate) fn up(&self) {
        self.inner.up();
        self.wait_for_link_local();
    }

    pub(crate) fn wait_for_link_local(&self) {
        wait_until("a usable link-local address", PATIENCE, || {
            self.inner.addresses().iter().any(|a| a.address.is_unicast_link_local() && !a.tentative)
        });
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        const SCRIPT: &str = "mount -t sysfs -o ro sysfs /sys || exit 99
            test \"$(cat /sys/class/net/eth0/address)\" = \"$1\" || exit 98
            for d in run etc var/lib var/log; do mount --bind \"$2/${d#var/}\" \"/$d\" || exit 97; done
            shift 2; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", SCRIPT, "sh", &self.mac]).arg(&self.home);
        command.arg(program).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a program in the guest, which must succeed; its output.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.inner.output(self.command(program, arguments));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {}: {errors}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a program in the guest to its end, however it ends.
    pub(crate) fn try_run(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        self.inner.output(self.command(program, arguments))
    }

    /// Starts a program in the guest.
    pub(crate) fn spawn(&self, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Client {
        let name = Path::new(program).file_name().expect("a name").to_string_lossy().into_owned();
        let log = self.path(&format!("{name}.log"));
        let file = fs::File::create(&log).expect("a log");
        let mut command = self.command(program, arguments);
        command.envs(environment.iter().copied());
        command.stdout(file.try_clone().expect("the log")).stderr(file);
        Client { process: self.inner.spawn(command), name, log }
    }
}

/// A program that runs in a guest; killed at the end.
pub(crate) struct Client {
    process: Process,
    name: String,
    log: PathBuf,
}

impl Client {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `is_so`; when it is not within [`PATIENCE`] the test fails with the client's log.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(
                Instant::now() < deadline,
                "{what}: not within {PATIENCE:?}\n{}: {}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the client ends by itself.
    pub(crate) fn wait_for_end(mut self) {
        let child = &mut self.process.0;
        wait_until(&format!("{} ends", self.name), PATIENCE, || child.try_wait().expect("a child").is_some());
    }

    /// Ends the client with a signal and waits for it.
    pub(crate) fn end(self, signal: &str) {
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &self.process.0.id().to_string()]).status();
        assert!(sent.expect("kill").success(), "{} has ended before: {}", self.name, self.log());
        self.wait_for_end();
    }
}

/// False in a namespace of a user without root, where no program may choose its groups.
pub(crate) fn may_set_groups() -> bool {
    !fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
}

/// Fails when a program or a firmware is not installed, with the package that has it.
pub(crate) fn need(program: &str, package: &str) {
    let programs = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/lib/systemd", "/usr/local/sbin"];
    let firmware = ["/usr/share/ovmf", "/usr/lib/ipxe", "/usr/lib/ipxe/qemu"];
    let found = programs.iter().chain(&firmware).any(|place| Path::new(place).join(program).exists());
    assert!(found, "{program} is not installed: apt-get install {package}");
}
