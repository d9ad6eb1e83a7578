//! Firmware of virtual machines that boots from the network over IPv6: iPXE of Debian's QEMU (2019-01-25) and EDK II
//! 2022.11, on emulated processors. What each says on the serial line is what counts, and that it fetched the file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::house::{House, house, need};
use crate::support::netns::Process;

/// The port of `fixtures/clients.toml` for firmware, its address, and the server that its files are on.
const MAC: &str = "fa:16:3e:31:38:ab";
const ADDRESS: &str = "2001:db8:cafe:6::4";
const SERVER: &str = "2001:db8:cafe:6::80";

/// An emulated processor runs firmware some ten times slower than this one, and this one may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

const PROMPT: &str = "iPXE> ";

/// A virtual machine without disks, whose network card is tap0.
struct Machine {
    _qemu: Process,
    keyboard: ChildStdin,
    screen: PathBuf,
}

impl Machine {
    fn start(house: &House, arguments: &[&str]) -> Self {
        need("qemu-system-x86_64", "qemu-system-x86");
        house.tap("tap0");
        let screen = house.file("screen");
        let output = fs::File::create(&screen).expect("a file");
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-nographic", "-serial", "stdio", "-monitor", "none", "-no-reboot"]);
        command.args(["-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(output.try_clone().expect("the file")).stderr(output);
        let mut qemu = Process::start(&mut command);
        let keyboard = qemu.0.stdin.take().expect("piped");
        Self { _qemu: qemu, keyboard, screen }
    }

    /// All that was on the screen, in the order in which it came.
    fn screen(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.screen).unwrap_or_default()).into_owned()
    }

    fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self, &str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_so(self, &screen) {
                return;
            }
            assert!(Instant::now() < deadline, "no {what:?} within {PATIENCE:?} on the screen: {screen}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the screen has shown a text.
    fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |_, screen| screen.contains(text));
    }

    /// Asserts that lines were on the screen, in any order.
    fn assert_shows(&self, lines: &[&str]) {
        let screen = self.screen();
        for line in lines {
            assert!(screen.lines().any(|shown| shown.trim() == *line), "no {line:?} on the screen: {screen}");
        }
    }

    fn press(&mut self, key: char) {
        write!(self.keyboard, "{key}").and_then(|()| self.keyboard.flush()).expect("a keyboard");
    }

    /// Presses a key until the screen is as it then shall be; not too often: an emulated keyboard keeps few.
    fn press_until(&mut self, key: char, pause: Duration, what: &str, is_so: impl Fn(&str) -> bool) {
        let mut next = Instant::now();
        self.wait_until(what, |machine, screen| {
            let done = is_so(screen);
            if !done && Instant::now() >= next {
                machine.press(key);
                next = Instant::now() + pause;
            }
            done
        });
    }

    /// Types a line at iPXE's prompt, each key when the screen has shown the one before.
    fn type_line(&mut self, line: &str) {
        let mut shown = PROMPT.to_owned();
        for key in line.chars() {
            shown.push(key);
            self.press_until(key, Duration::from_secs(5), &shown, |screen| screen.ends_with(&shown));
        }
        self.press('\r');
    }

    /// Boots a script by iPXE, which is starting, and asserts what the script says.
    fn boot_script(&mut self) {
        // Left to itself it would wait a quarter of a minute for DHCPv4 first.
        self.wait_for("Press Ctrl-B for the iPXE command line");
        self.press_until('\u{2}', Duration::from_millis(500), PROMPT, |screen| screen.ends_with(PROMPT));
        self.type_line("ifconf --configurator ipv6 net0 && chain ${filename}");
        self.wait_for("the end");
        self.assert_shows(&[
            &format!("booted from http://[{SERVER}]/script.ipxe"),
            // It takes the length of the prefix from the Router Advertisement.
            &format!("address {ADDRESS}/64 gateway fe80::1"),
            "dns 2001:db8:cafe:a::6 search netboot.example.com",
        ]);
    }
}

/// A web server on the bridge that gives one file to all who ask; the first lines of the requests.
fn serve_http(house: &House, text: &'static str) -> Arc<Mutex<Vec<String>>> {
    house.set_bridge_address(SERVER);
    // Its address is usable when the bridge has a port in use, not before.
    let listener = TcpListener::bind("[::]:80").expect("port 80");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Who hangs up asks again.
            if let Ok(request) = stream.and_then(|stream| answer(stream, text)) {
                seen.lock().expect("no panic").push(request);
            }
        }
    });
    requests
}

fn answer(stream: TcpStream, text: &str) -> std::io::Result<String> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len())?;
    Ok(request)
}

/// A TFTP server on the bridge that gives a file, under a name.
fn serve_tftp(house: &House, file: &str, name: &str) -> Process {
    need("dnsmasq", "dnsmasq-base");
    let root = house.file("tftp");
    fs::create_dir_all(&root).expect("a directory");
    fs::copy(file, root.join(name)).expect("a file");
    let mut command = Command::new("dnsmasq");
    command.args(["--no-daemon", "--conf-file=/dev/null", "--port=0", "--pid-file="]);
    command.args(["--enable-tftp", "--interface=br0"]);
    command.arg(format!("--tftp-root={}", root.display())).stdin(Stdio::null());
    Process::start(&mut command)
}

/// What iPXE fetches by its boot file URL: it says what it is configured with.
const SCRIPT: &str = "#!ipxe
echo booted from ${filename}
echo address ${net0/ip6}/${net0/len6} gateway ${net0/gateway6}
echo dns ${net0/dns6} search ${net0/dnssl}
echo the end
";

#[test]
fn ipxe_boots_a_script_by_http() {
    house("firmware::ipxe_boots_a_script_by_http", |house| {
        need("pxe-virtio.rom", "ipxe-qemu");
        let requests = serve_http(house, SCRIPT);
        let card = format!("virtio-net-pci,netdev=net,mac={MAC}");
        let mut machine = Machine::start(house, &["-m", "64", "-boot", "n", "-device", &card]);
        machine.boot_script();
        assert_eq!(*requests.lock().expect("no panic"), ["GET /script.ipxe HTTP/1.1"]);
        assert_eq!((house.count("dhcpv6-advertise"), house.count("dhcpv6-reply-to-request")), (1, 1));
        house.wait_for_captured("tcp contains \"echo the end\"");
    });
}

/// One MAC, two clients: EDK II is configured twice with one DUID, iPXE says another, and its class. Each gets the one
/// address (DHCP-032), and the file that is for it.
#[test]
fn dhcp_161_edk2_boots_ipxe_by_tftp_and_that_a_script_by_http() {
    house("firmware::dhcp_161_edk2_boots_ipxe_by_tftp_and_that_a_script_by_http", |house| {
        need("OVMF.fd", "ovmf");
        need("snponly.efi", "ipxe");
        let requests = serve_http(house, SCRIPT);
        let _server = serve_tftp(house, "/usr/lib/ipxe/snponly.efi", "x64.efi");
        let card = format!("virtio-net-pci,netdev=net,mac={MAC},romfile=");
        let firmware = ["-machine", "q35", "-m", "256", "-bios", "/usr/share/ovmf/OVMF.fd"];
        let no_ipv4 = ["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"];
        let mut machine = Machine::start(house, &[&firmware[..], &no_ipv4, &["-device", &card]].concat());
        machine.wait_for("NBP file downloaded successfully");
        let size = fs::metadata("/usr/lib/ipxe/snponly.efi").expect("iPXE").len();
        machine.assert_shows(&[
            // EDK II writes an address with all its zeros.
            "Station IP address is 2001:DB8:CAFE:6:0:0:0:4",
            "Server IP address is 2001:DB8:CAFE:6:0:0:0:80",
            "NBP filename is x64.efi",
            &format!("NBP filesize is {size} Bytes"),
        ]);
        machine.boot_script();
        assert_eq!(*requests.lock().expect("no panic"), ["GET /script.ipxe HTTP/1.1"]);
        assert_eq!((house.count("dhcpv6-advertise"), house.count("dhcpv6-reply-to-request")), (3, 3));
        house.wait_for_captured("tcp contains \"echo the end\"");
    });
}
