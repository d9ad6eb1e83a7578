//! What the benches with a network of their own share: namespaces, guests of a generated table, medians.
#![allow(dead_code, reason = "every bench uses its part")]

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::process::{Command, ExitCode};
use std::time::Duration;

use frontdesk::io::child::Server;
use frontdesk::io::netns::{self, Netns};
use frontdesk::types::MacAddr;

/// The router of all guests.
pub(crate) const ROUTER: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0xff, 0, 1]);

/// How long the dataplane may take until it is ready.
const START: Duration = Duration::from_secs(120);

/// True under `cargo bench`; `cargo test --benches` only wants to know whether anything works.
pub(crate) fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Moves this process into a network namespace of its own, where no kernel has IPv6; the exit code where that is forbidden:
/// a failure only where `CI=true` says that it must not be.
pub(crate) fn isolate() -> Result<(), ExitCode> {
    if let Err(error) = netns::isolate() {
        eprintln!("{error}: nothing was measured");
        return Err(ExitCode::from(u8::from(std::env::var("CI").as_deref() == Ok("true"))));
    }
    silence(&Netns::current().expect("a namespace"));
    Ok(())
}

/// A namespace for the guests' ends.
pub(crate) fn guests() -> Netns {
    let guests = Netns::new().expect("a namespace");
    silence(&guests);
    guests
}

/// Devices made from now on are used by packet sockets alone.
fn silence(netns: &Netns) {
    netns.set_sysctl("ipv6/conf/default/disable_ipv6", "1").expect("sysctl");
}

/// The MAC of a guest, which [`guest_of`] knows again.
pub(crate) fn mac(guest: u32) -> MacAddr {
    let [_, a, b, c] = guest.to_be_bytes();
    MacAddr([0xfa, 0x16, 0x3e, a, b, c])
}

/// The guest that a frame is sent to.
pub(crate) fn guest_of(frame: &[u8]) -> Option<u32> {
    match frame {
        [0xfa, 0x16, 0x3e, a, b, c, ..] => Some(u32::from_be_bytes([0, *a, *b, *c])),
        _ => None,
    }
}

/// A lease source with an address and a prefix for each guest, which sits on a device or anywhere.
pub(crate) fn leases(devices: impl Iterator<Item = Option<String>>) -> String {
    let network = format!(
        "version = 1\n[server]\ncloud = \"bench\"\n[networks.one]\nrouter = {{ mac_address = \"{ROUTER}\" }}\n\
         dns_nameservers = [\"2001:db8:cafe:a::e\", \"2001:db8:cafe:a::f\"]\ndns_domains = [\"example.com\"]\n\
         [[networks.one.subnets]]\ncidr = \"2001:db8:7::/64\"\n\
         ipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"\n"
    );
    (0_u32..).zip(devices).fold(network, |text, (n, device)| {
        let device = device.map(|name| format!("device = \"{name}\"\n")).unwrap_or_default();
        text + &format!(
            "[[ports]]\nmac_address = \"{}\"\nnetwork = \"one\"\n{device}fixed_ips = [\"2001:db8:7::1:{n:x}\"]\n\
             delegated_prefixes = [\"3fff:0:{n:x}::/48\"]\n",
            mac(n)
        )
    })
}

/// `frontdesk run` on the devices that match, with these leases, once it says that it is ready.
pub(crate) fn dataplane(leases: &str, attach: &str) -> Server {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(leases.as_bytes()).and_then(|()| file.rewind()).expect("a temporary file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.args(["run", "--leases", "/dev/stdin", "--attach", attach]).stdin::<File>(file);
    Server::start(command, START).unwrap_or_else(|error| panic!("{error}"))
}

/// Processor time of all threads of a process so far, as the scheduler counts it.
pub(crate) fn spent(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    let of = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(of).sum())
}

/// The middle of several values, and the least and the most of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Middle {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = values.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |n: usize| all.get(n).copied().unwrap_or(f64::NAN);
        Self { median: at(all.len() / 2), least: at(0), most: at(all.len().saturating_sub(1)) }
    }
}
