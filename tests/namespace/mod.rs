//! A network namespace per test: the test runs itself again inside one, so that nothing of this machine is touched and
//! nothing is left behind.

#![allow(dead_code)] // each test program uses its own part

pub(crate) mod daemon;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use frontdesk::io::child::end_with_parent;
use frontdesk::io::packet::{Filter, Port, PortOptions, Socket};

const INSIDE: &str = "FRONTDESK_TEST_NAMESPACE";

/// How long anything may take before a test fails. Far more than is needed: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `body` in a namespace of its own. `name` is the test's. Where namespaces are forbidden the test says so, and
/// fails when `CI=true`.
pub(crate) fn run(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        body();
        return;
    }
    let Some(flags) = ["-n", "-Urn"].into_iter().find(|flags| can_unshare(flags)) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{name} needs network namespaces");
        eprintln!("{name} was not run: network namespaces are forbidden here");
        return;
    };
    let program = std::env::current_exe().expect("the test program's path");
    let mut command = Command::new("unshare");
    end_with_parent(&mut command);
    let output = command
        .arg(flags)
        .arg(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed in its namespace:\n{text}");
    assert!(text.contains("1 passed"), "{name} was not run in its namespace:\n{text}");
}

fn can_unshare(flags: &str) -> bool {
    Command::new("unshare")
        .args([flags, "ip", "link", "set", "lo", "up"])
        .output()
        .is_ok_and(|o| o.status.success())
}

/// Runs a program that must succeed.
pub(crate) fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("sh runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `ip …`, which must succeed.
pub(crate) fn ip(arguments: &str) {
    sh(&format!("ip {arguments}"));
}

/// A cable: `host` as Frontdesk sees it, `guest` the other end. Both are up and no kernel speaks IPv6 there by itself.
pub(crate) fn cable(host: &str, guest: &str) -> (u32, u32) {
    ip(&format!("link add {host} type veth peer name {guest}"));
    for end in [host, guest] {
        quiet(end);
        ip(&format!("link set {end} up"));
    }
    (index(host), index(guest))
}

/// Switches the kernel's own IPv6 off on a device.
pub(crate) fn quiet(device: &str) {
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1").expect("sysctl");
}

/// The number of a device.
pub(crate) fn index(device: &str) -> u32 {
    let text = sh(&format!("ip -o link show dev {device}"));
    text.split(':').next().and_then(|n| n.trim().parse().ok()).expect("a number")
}

/// Waits until `done` gives something.
pub(crate) fn wait<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A socket that puts frames on a device.
pub(crate) fn injector(device: u32) -> Socket {
    let socket = Socket::new().expect("socket");
    socket.bind(device).expect("bind");
    socket
}

/// A port with a ring of `slots`.
pub(crate) fn port(device: u32, slots: u32) -> Port {
    let options = PortOptions { slots, promiscuous: false };
    Port::open(device, options, &Filter::for_any_address()).expect("port")
}

/// The path of a file in the directory that holds what this test program writes.
pub(crate) fn scratch(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}
