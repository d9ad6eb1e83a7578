//! `frontdesk run` answers guests over a cable, and goes on with the right answers after a reload.

mod namespace;
#[path = "support/frames.rs"]
mod support;

use frontdesk::io::packet::{Filter, Front, Port};
use namespace::daemon::{Daemon, argument, file};
use namespace::{cable, ip, wait};
use support::{Guest, LEASES, ROUTER, client_id, ia_na, ia_pd, option, server_id};

/// Hears everything that arrives at the guest's end.
fn ear(end: u32) -> Port {
    let port = namespace::port(end, 64);
    port.socket().set_filter(&Filter::everything()).expect("a filter");
    port
}

/// The leases without ports that may be anywhere: those without a device get one that is not there.
fn all_pinned() -> String {
    let mut ports = LEASES.split("[[ports]]\n");
    let mut out = ports.next().expect("networks").to_owned();
    for port in ports {
        out.push_str("[[ports]]\n");
        out.push_str(if port.contains("device = ") { "" } else { "device = \"tap-nowhere\"\n" });
        out.push_str(port);
    }
    out
}

/// The next answer whose ICMPv6 type, or for UDP whose DHCPv6 message type, is `kind`: its VLAN id and octets.
fn answer(ear: &mut Port, kind: u8) -> (u16, Vec<u8>) {
    let is_answer = |octets: &[u8]| of_kind(octets) == Some(kind) && !is_unsolicited(octets);
    wait("an answer", || next(ear).filter(|(_, octets)| is_answer(octets)))
}

/// The next RA that nobody asked for: its octets.
fn unsolicited(ear: &mut Port, guest: &Guest) -> Vec<u8> {
    let is_its = |octets: &[u8]| is_unsolicited(octets) && octets[..6] == guest.mac;
    wait("an RA", || next(ear).map(|(_, octets)| octets).filter(|octets| is_its(octets)))
}

/// True for what goes to all nodes: every asker here has an address.
fn is_unsolicited(octets: &[u8]) -> bool {
    octets.get(38..54) == Some(&frontdesk::types::ip6::ALL_NODES.octets()[..])
}

fn next(ear: &mut Port) -> Option<(u16, Vec<u8>)> {
    let heard = match ear.front()? {
        Front::Frame(frame) => Some((frame.vlan, frame.octets.to_vec())),
        Front::ForeignTag => None,
    };
    ear.release();
    heard
}

fn of_kind(octets: &[u8]) -> Option<u8> {
    match octets.get(20)? {
        58 => octets.get(54).copied(),
        17 => octets.get(62).copied(),
        _ => None,
    }
}

fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    [&frame[..12], &0x8100_u16.to_be_bytes(), &vlan.to_be_bytes(), &frame[12..]].concat()
}

#[test]
fn each_exchange_is_answered_on_the_guests_device_with_its_tag() {
    namespace::run("each_exchange_is_answered_on_the_guests_device_with_its_tag", || {
        let (_, end) = cable("tap0", "guest0");
        let leases = file("leases.toml", LEASES);
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_counter("devices", 1);
        let mut ear = ear(end);
        let guest = Guest::new(1);
        let solicit = guest.dhcp(1, &[client_id(&guest), ia_na(1, &[]), ia_pd(2, &[])].concat());
        let ping = guest.icmp(ROUTER, 255, 128, 0, &[0, 1, 0, 1, b'h', b'i']);
        for (question, kind) in [(guest.rs(), 134), (guest.ns(ROUTER), 136), (ping, 129), (solicit, 2)] {
            ear.socket().send(&[&question]);
            let (vlan, octets) = answer(&mut ear, kind);
            assert_eq!((vlan, &octets[..6]), (0, &guest.mac[..]));
        }
        ear.socket().send(&[&tagged(&Guest::new(0x11).rs(), 101)]);
        let (vlan, octets) = answer(&mut ear, 134);
        assert_eq!((vlan, &octets[..6]), (101, &Guest::new(0x11).mac[..]));
        let counters = daemon.counters();
        for name in ["neighbor-advertisement", "echo-reply", "dhcpv6-advertise"] {
            assert_eq!(counters.get(name), Some(&1), "{counters:?}");
        }
        assert_eq!(counters.get("router-advertisement"), Some(&2), "{counters:?}");
    });
}

/// IP-024: a counter for each reason, and no line of the log for each frame.
#[test]
fn strangers_get_silence_and_a_reason() {
    namespace::run("strangers_get_silence_and_a_reason", || {
        let (_, end) = cable("tap0", "guest0");
        let leases = file("leases.toml", LEASES);
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_counter("devices", 1);
        let mut ear = ear(end);
        // An unknown MAC, a port pinned to another device, a known MAC on another VLAN.
        let strangers = [Guest::new(0x77).rs(), Guest::new(4).rs(), tagged(&Guest::new(1).rs(), 9)];
        ear.socket().send(&strangers.each_ref().map(Vec::as_slice));
        daemon.wait_for_counter("frames-received", 3);
        let counters = daemon.counters();
        assert_eq!((counters.get("unknown-mac"), counters.get("wrong-device")), (Some(&2), Some(&1)));
        // Whatever was sent are RAs to ports that may be anywhere, at their own MACs.
        let sent: Vec<_> = std::iter::from_fn(|| next(&mut ear)).map(|(_, octets)| octets).collect();
        let strangers = [Guest::new(0x77).mac, Guest::new(4).mac];
        let to_stranger = |octets: &Vec<u8>| strangers.iter().any(|mac| octets[..6] == *mac);
        assert!(sent.iter().all(|octets| is_unsolicited(octets) && !to_stranger(octets)), "{sent:x?}");
        assert!(!daemon.log().iter().any(|line| line.contains("fa:16:3e:00:00")), "a log line per frame");
    });
}

#[test]
fn a_reload_changes_answers_and_what_the_kernel_hands_up() {
    namespace::run("a_reload_changes_answers_and_what_the_kernel_hands_up", || {
        let (_, end) = cable("tap0", "guest0");
        let leases = file("leases.toml", LEASES);
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_counter("devices", 1);
        let mut ear = ear(end);
        let guest = Guest::new(1);
        // Not ours yet, so the kernel keeps it: it is not even received.
        ear.socket().send(&[&guest.ns("2001:db8:1::abcd"), &guest.ns("2001:db8:1::1")]);
        answer(&mut ear, 136);
        daemon.wait_for_counter("frames-received", 1);

        let moved = LEASES.replace("gateway_ip = \"2001:db8:1::1\"", "gateway_ip = \"2001:db8:1::abcd\"");
        assert_ne!(moved, LEASES);
        std::fs::write(&leases, moved).expect("written");
        daemon.signal("HUP");
        daemon.wait_for_log("reloaded");
        ear.socket().send(&[&guest.ns("2001:db8:1::abcd")]);
        let (_, octets) = answer(&mut ear, 136);
        assert!(octets.windows(2).any(|pair| pair == [0xab, 0xcd]));

        std::fs::write(&leases, "version = 1\nnonsense = true\n").expect("written");
        daemon.signal("HUP");
        daemon.wait_for_log("the table stays as it was");
        ear.socket().send(&[&guest.rs()]);
        answer(&mut ear, 134);
    });
}

/// RFC 4861 §6.2.4: the first unsolicited RA comes by itself once a guest's device is there.
#[test]
fn a_pinned_port_is_advertised_to_when_its_device_appears() {
    namespace::run("a_pinned_port_is_advertised_to_when_its_device_appears", || {
        let leases = file("leases.toml", &all_pinned());
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_log("no device matches now");
        let (_, end) = cable("tap-pinned", "guest0");
        let mut ear = ear(end);
        // RFC 6085: unicast on the wire.
        unsolicited(&mut ear, &Guest::new(4));
        assert!(daemon.counters()["unsolicited-router-advertisement"] >= 1);
    });
}

/// A tap is made before its guest runs: what was sent while nobody could hear it is sent again.
#[test]
fn the_first_ras_are_sent_again_when_a_cable_is_plugged_in() {
    namespace::run("the_first_ras_are_sent_again_when_a_cable_is_plugged_in", || {
        let leases = file("leases.toml", &all_pinned());
        let (_, end) = cable("tap-pinned", "guest0");
        ip("link set tap-pinned down");
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_counter("unsolicited-router-advertisement", 1);
        daemon.wait_for_counter("frames-unsent", 1);
        let mut ear = ear(end);
        let plugged = std::time::Instant::now();
        ip("link set tap-pinned up");
        unsolicited(&mut ear, &Guest::new(4));
        // The next one of the lost burst would come after 16 s.
        assert!(plugged.elapsed() < std::time::Duration::from_secs(8), "{:?}", plugged.elapsed());
    });
}

#[test]
fn reg_009_what_guests_tell_of_their_addresses_is_logged() {
    namespace::run("reg_009_what_guests_tell_of_their_addresses_is_logged", || {
        let (_, end) = cable("tap0", "guest0");
        let leases = file("leases.toml", LEASES);
        let daemon = Daemon::start(&["--leases", argument(&leases), "--attach", "tap*"]);
        daemon.wait_for_counter("devices", 1);
        let mut ear = ear(end);
        let guest = Guest::new(1);
        let made = guest.at("2001:db8:1::abcd");
        let lifetimes = [1800_u32.to_be_bytes(), 3600_u32.to_be_bytes()].concat();
        let iaaddr = option(5, &[made.address.octets().as_slice(), &lifetimes].concat());
        ear.socket().send(&[&made.dhcp(36, &[client_id(&guest), iaaddr].concat())]);
        let line = daemon.wait_for_log("address-registered");
        for part in
            ["fa:16:3e:00:00:01", "2001:db8:1::abcd", "preferred=1800", "valid=3600", "00030001fa163e000001"]
        {
            assert!(line.contains(part), "{part} in {line}");
        }
        let declined = [client_id(&guest), server_id(), ia_na(1, &["2001:db8:1::4"])].concat();
        ear.socket().send(&[&guest.dhcp(9, &declined)]);
        let line = daemon.wait_for_log("address-declined");
        assert!(line.contains("WARN") && line.contains("2001:db8:1::4"), "DHCP-115: {line}");
        let answered = [answer(&mut ear, 37), answer(&mut ear, 7)];
        assert!(answered.iter().all(|(_, octets)| octets[..6] == guest.mac));
    });
}
