//! `frontdesk run` follows the devices of its machine.

mod namespace;

use std::process::Command;
use std::time::{Duration, Instant};

use frontdesk::io::child::end_with_parent;
use namespace::daemon::{Daemon, argument, file, leases};
use namespace::{cable, index, injector, ip, quiet, sh};

/// A Router Solicitation without options from the guest with number 0 of `leases`.
fn solicitation() -> Vec<u8> {
    let from = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xf8, 0x16, 0x3e, 0xff, 0xfe, 0, 0, 0];
    let to = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([0xfa, 0x16, 0x3e, 0, 0, 0], [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(from, to, 255)
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut frame, &[])
        .expect("room");
    frame
}

fn started(attach: &str, ports: u32) -> Daemon {
    let leases = file("leases.toml", &leases(ports));
    let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", attach]);
    daemon.wait_for_log("started");
    daemon
}

#[test]
fn devices_that_match_are_attached_while_they_exist() {
    namespace::run("devices_that_match_are_attached_while_they_exist", || {
        cable("tap0", "guest0");
        let daemon = started("tap*,nic7", 1);
        daemon.wait_for_counter("devices", 1);
        let (_, guest) = cable("tap1", "guest1");
        daemon.wait_for_counter("devices", 2);
        injector(guest).send(&[&solicitation()]);
        daemon.wait_for_counter("frames-received", 1);

        ip("link del tap1");
        daemon.wait_for_counter("devices", 1);
        let (_, guest) = cable("tap1", "guest1");
        daemon.wait_for_counter("devices", 2);
        injector(guest).send(&[&solicitation()]);
        daemon.wait_for_counter("frames-received", 2);
    });
}

#[test]
fn a_renamed_device_is_judged_by_its_new_name() {
    namespace::run("a_renamed_device_is_judged_by_its_new_name", || {
        cable("tap0", "guest0");
        let daemon = started("tap*,nic7", 1);
        daemon.wait_for_counter("devices", 1);
        let rename = |from: &str, to: &str| {
            for step in [format!("{from} down"), format!("{from} name {to}"), format!("{to} up")] {
                ip(&format!("link set {step}"));
            }
        };
        rename("tap0", "nic7");
        daemon.wait_for_log("changed its name or MAC");
        daemon.wait_for_counter("devices", 1);
        rename("nic7", "other");
        daemon.wait_for_counter("devices", 0);
        rename("other", "tap5");
        daemon.wait_for_counter("devices", 1);
        injector(index("guest0")).send(&[&solicitation()]);
        daemon.wait_for_counter("frames-received", 1);
    });
}

#[test]
fn a_device_that_is_down_is_attached_and_served_when_it_comes_up() {
    namespace::run("a_device_that_is_down_is_attached_and_served_when_it_comes_up", || {
        ip("link add tap0 type veth peer name guest0");
        quiet("tap0");
        quiet("guest0");
        let daemon = started("tap0", 1);
        daemon.wait_for_counter("devices", 1);
        ip("link set tap0 up");
        ip("link set guest0 up");
        injector(index("guest0")).send(&[&solicitation()]);
        daemon.wait_for_counter("frames-received", 1);
    });
}

#[test]
fn another_device_of_the_same_number_is_attached_anew() {
    namespace::run("another_device_of_the_same_number_is_attached_anew", || {
        let make = || {
            ip("link add tap0 index 77 type veth peer name guest0");
            for end in ["tap0", "guest0"] {
                quiet(end);
                ip(&format!("link set {end} up"));
            }
        };
        make();
        let daemon = started("tap0", 1);
        daemon.wait_for_counter("devices", 1);
        // Stopped, so that it hears of both at once.
        daemon.signal("STOP");
        ip("link del tap0");
        make();
        daemon.signal("CONT");
        daemon.wait_for_logs(" attached", 2);
        injector(index("guest0")).send(&[&solicitation()]);
        daemon.wait_for_counter("frames-received", 1);
    });
}

#[test]
fn lost_notifications_are_made_up_for() {
    const DEVICES: u32 = 150;
    namespace::run("lost_notifications_are_made_up_for", || {
        cable("tap9999", "guest9999");
        let daemon = started("tap*", 1);
        daemon.wait_for_counter("devices", 1);
        daemon.signal("STOP");
        ip("link del tap9999");
        let lines: String = (0..DEVICES)
            .map(|n| {
                format!(
                    "link add tap{n} type veth peer name guest{n}\nlink set tap{n} up\nlink set guest{n} up\n"
                )
            })
            .collect();
        let batch = file("batch", &lines);
        ip(&format!("-batch {}", argument(&batch)));
        daemon.signal("CONT");
        daemon.wait_for_log("notifications were lost");
        daemon.wait_for_counter("devices", u64::from(DEVICES));
    });
}

#[test]
fn what_is_no_ethernet_is_left_alone() {
    namespace::run("what_is_no_ethernet_is_left_alone", || {
        cable("tap0", "guest0");
        let daemon = started("*", 1);
        daemon.wait_for_log("it is no Ethernet device");
        daemon.wait_for_counter("devices", 2);
    });
}

#[test]
fn a_bridge_and_its_port_together_are_warned_of() {
    namespace::run("a_bridge_and_its_port_together_are_warned_of", || {
        cable("tap0", "guest0");
        ip("link add br0 type bridge");
        quiet("br0");
        let daemon = started("br0", 1);
        daemon.wait_for_counter("devices", 1);
        ip("link set tap0 master br0");
        let both = started("br0,tap0", 1);
        both.wait_for_log("both a bridge and its port are attached");
        assert!(!daemon.log().iter().any(|line| line.contains("both a bridge")));
    });
}

/// Closing a socket waits for every processor; whoever asks or stops the daemon does not.
#[test]
fn signals_are_answered_while_many_devices_go() {
    const DEVICES: u64 = 100;
    namespace::run("signals_are_answered_while_many_devices_go", || {
        let daemon = started("tap*", 1);
        let lines: String =
            (0..DEVICES).map(|n| format!("link add tap{n} group 7 type veth peer name guest{n}\n")).collect();
        ip(&format!("-batch {}", argument(&file("many", &lines))));
        daemon.wait_for_counter("devices", DEVICES);
        ip("link del group 7");
        let start = Instant::now();
        daemon.counters();
        let took = start.elapsed();
        daemon.wait_for_counter("devices", 0);
        // A hundred sockets, one after the other, took over three seconds.
        assert!(took < Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn devices_beyond_the_limit_of_descriptors_are_told_and_the_others_attached() {
    const DEVICES: u64 = 40;
    namespace::run("devices_beyond_the_limit_of_descriptors_are_told_and_the_others_attached", || {
        let lines: String =
            (0..DEVICES).map(|n| format!("link add tap{n} type veth peer name guest{n}\n")).collect();
        ip(&format!("-batch {}", argument(&file("many", &lines))));
        let leases = file("leases.toml", &leases(1));
        let program = env!("CARGO_BIN_EXE_frontdesk");
        let run = format!("ulimit -n 40; exec {program} run --attach 'tap*' --leases {}", argument(&leases));
        let daemon = Daemon::start_with(Command::new("sh").args(["-c", &run]));
        daemon.wait_for_logs("attached device=", DEVICES as usize);
        let refused = daemon.log().iter().filter(|line| line.contains("Too many open files")).count() as u64;
        assert!((1..DEVICES / 2 + 10).contains(&refused), "{refused} of {DEVICES}");
        daemon.wait_for_counter("devices", DEVICES - refused);
    });
}

/// A list of devices that signals interrupt is not begun anew, and costs no log line.
#[test]
fn signals_do_not_starve_the_list_of_devices() {
    namespace::run("signals_do_not_starve_the_list_of_devices", || {
        let daemon = started("tap0", 1);
        daemon.wait_for_log("no device matches now");
        // Stopped, so that it misses notifications and has to list all devices anew.
        daemon.signal("STOP");
        let others: String = (0..150)
            .map(|n| format!("link add other{n} type veth peer name peer{n}\nlink set other{n} up\nlink set peer{n} up\n"))
            .collect();
        ip(&format!("-batch {}", argument(&file("others", &others))));
        cable("tap0", "guest0");
        let mut flood = Command::new("sh");
        flood.args(["-c", &format!("while kill -USR1 {}; do :; done", daemon.pid())]);
        end_with_parent(&mut flood);
        let mut flood = flood.spawn().expect("sh runs");
        daemon.signal("CONT");
        daemon.wait_for_log(" attached");
        flood.kill().expect("it runs");
        flood.wait().expect("a child");
        let log = daemon.log();
        assert!(!log.iter().any(|line| line.contains("forward response")), "{log:#?}");
    });
}

/// The kernel takes any octets for a name; what is no UTF-8 is told of in one line, and the others are served.
#[test]
fn a_name_that_is_not_utf_8_is_told_in_one_short_line() {
    namespace::run("a_name_that_is_not_utf_8_is_told_in_one_short_line", || {
        cable("tap0", "guest0");
        sh("ip link add \"$(printf 'tap\\377')\" type veth peer name guest1");
        let daemon = started("tap*", 1);
        daemon.wait_for_counter("devices", 1);
        let line = daemon.wait_for_log("not UTF-8");
        cable("tap2", "guest2");
        daemon.wait_for_counter("devices", 2);
        let log = daemon.log();
        assert_eq!(log.iter().filter(|line| line.contains("UTF-8")).count(), 1, "{log:#?}");
        assert!(line.len() < 500 && log.iter().all(|line| line.len() < 500), "{log:#?}");
    });
}

#[test]
fn patterns_without_a_device_are_told_once_and_wait() {
    namespace::run("patterns_without_a_device_are_told_once_and_wait", || {
        let daemon = started("tap*", 1);
        daemon.wait_for_log("no device matches now");
        cable("tap0", "guest0");
        daemon.wait_for_counter("devices", 1);
    });
}

#[test]
fn a_thousand_ports_on_a_hundred_devices_stay_below_32_mib() {
    namespace::run("a_thousand_ports_on_a_hundred_devices_stay_below_32_mib", || {
        let daemon = started("tap*", 1000);
        // One by one, as guests start: rings that were long at first are exchanged for shorter ones.
        let cables: Vec<(u32, u32)> =
            (0..100).map(|n| cable(&format!("tap{n}"), &format!("guest{n}"))).collect();
        daemon.wait_for_counter("devices", 100);
        for (_, guest) in &cables {
            injector(*guest).send(&[&solicitation()]);
        }
        daemon.wait_for_counter("frames-received", 100);
        std::thread::sleep(Duration::from_millis(100));
        let memory = Memory::of(daemon.pid());
        eprintln!("resident: {memory:?}");
        // A debug build's own text is not what an operator runs; an optimised one's is below PROGRAM.
        let text = if cfg!(debug_assertions) { PROGRAM } else { memory.program };
        assert!(memory.all - memory.program + text <= 32 << 10, "{memory:?}");
        // 64 slots of 2 KiB each, and half a MiB of rings for devices to come; the kernel counts the pages of a mapped ring
        // as resident.
        assert!((100 * 128..=100 * 128 + 512).contains(&memory.rings), "{memory:?}");
    });
}

/// KiB of an optimised program's own pages, rounded up.
const PROGRAM: u64 = 8 << 10;

/// Resident memory in KiB.
#[derive(Debug)]
struct Memory {
    all: u64,
    /// Pages of the program's own file.
    program: u64,
    /// Pages of mapped receive rings.
    rings: u64,
}

impl Memory {
    fn of(pid: u32) -> Self {
        let maps = sh(&format!("cat /proc/{pid}/smaps"));
        let (mut memory, mut name) = (Self { all: 0, program: 0, rings: 0 }, "");
        for line in maps.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["Rss:", size, _] => {
                    let size: u64 = size.parse().expect("a number");
                    memory.all += size;
                    memory.program += if name.ends_with("/frontdesk") { size } else { 0 };
                    memory.rings += if name.starts_with("socket:") { size } else { 0 };
                }
                [range, ..] if range.contains('-') => name = words.get(5).copied().unwrap_or(""),
                _ => {}
            }
        }
        memory
    }
}
