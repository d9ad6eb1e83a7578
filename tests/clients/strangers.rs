//! Who is not in the lease table, or not where it says, gets nothing at all: not on another tap, not in another VLAN.

use serde_json::Value;

use crate::house::{Guest, House, house, need};
use crate::leases::{Port, STATEFUL, STATEFUL_PORT};

/// Runs dhclient and rdisc6 for a few seconds: nothing must come back, and `reason` must be counted.
fn assert_ignored(house: &House, guest: &Guest, reason: &str) {
    need("dhclient", "isc-dhcp-client");
    need("rdisc6", "ndisc6");
    guest.record_events("etc/dhcp/dhclient-exit-hooks.d/record");
    guest.up();
    let rdisc6 = guest.try_run("rdisc6", &["-1", "-r", "2", "-w", "500", "eth0"]);
    assert_eq!(rdisc6.status.code(), Some(2), "{}", String::from_utf8_lossy(&rdisc6.stdout));
    // Three Solicits fit in: at once, after one second and after three.
    let flags = [
        "4",
        "dhclient",
        "-6",
        "-d",
        "-v",
        "-N",
        "-P",
        "-lf",
        "/var/lib/dhcp/leases",
        "-pf",
        "/run/pid",
        "eth0",
    ];
    let dhclient = guest.try_run("timeout", &flags);
    assert_eq!(dhclient.status.code(), Some(124), "{}", String::from_utf8_lossy(&dhclient.stderr));
    assert_eq!(guest.events("BOUND6").len(), 0);
    assert!(!guest.read("lib/dhcp/leases").contains("lease6"));
    assert_eq!(guest.addresses("eth0"), []);
    assert!(guest.routes().iter().all(|route| route["dst"] == "fe80::/64"), "{:?}", guest.routes());
    let counters = house.daemon().counters();
    // Solicitations of the kernel, of rdisc6 and of dhclient.
    assert!(counters.get(reason).is_some_and(|count| *count >= 4), "{counters:?}");
    // Ports that may be anywhere are advertised to here too, at their own MACs; nothing else was sent.
    let unsolicited = counters.get("unsolicited-router-advertisement").copied().unwrap_or(0);
    assert_eq!(counters["frames-sent"], unsolicited, "{counters:?}");
    assert!(house.daemon().log().iter().all(|line| !line.contains("WARN") && !line.contains("ERROR")));
}

#[test]
fn an_unknown_mac_gets_nothing() {
    house("strangers::an_unknown_mac_gets_nothing", |house| {
        let guest = house.guest_with_mac("tap0", "fa:16:3e:00:be:ef", &STATEFUL_PORT);
        assert_ignored(house, &guest, "unknown-mac");
    });
}

const ELSEWHERE_PORT: Port =
    Port { mac: "fa:16:3e:31:38:8b", network: &STATEFUL, addresses: &["2001:db8:cafe:1::8"], prefixes: &[] };

#[test]
fn a_known_mac_on_another_tap_gets_nothing() {
    house("strangers::a_known_mac_on_another_tap_gets_nothing", |house| {
        let guest = house.guest("tap0", &ELSEWHERE_PORT);
        assert_ignored(house, &guest, "wrong-device");
    });
}

/// This machine's kernel may have no VLAN devices, so the guest's frames are tagged by `frontdesk probe`.
#[test]
fn a_tagged_guest_is_served_inside_its_vlan_only() {
    house("strangers::a_tagged_guest_is_served_inside_its_vlan_only", |house| {
        let guest = house.guest("tap0", &TAGGED_PORT);
        guest.up();
        let ask = |more: &[&str]| {
            let fixed = [
                "probe",
                "eth0",
                "--what",
                "ra",
                "--what",
                "stateful",
                "--what",
                "pd",
                "--json",
                "--timeout",
            ];
            guest.try_run(env!("CARGO_BIN_EXE_frontdesk"), &[&fixed, more].concat())
        };
        let inside = ask(&["10", "--vlan", "101"]);
        let report: Value = serde_json::from_slice(&inside.stdout).expect("JSON");
        assert_eq!(
            (inside.status.code(), &report["faults"]),
            (Some(0), &Value::Array(Vec::new())),
            "{report:#}"
        );
        assert_eq!(report["routers"][0]["router"], "fe80::1");
        let associations = report["lease"]["associations"].as_array().expect("associations");
        let texts: Vec<String> = associations.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(
            texts[0].contains("\"2001:db8:cafe:4::4\"") && texts[1].contains("\"2001:db8:face:6000::\""),
            "{texts:?}"
        );
        for outside in [&["1"][..], &["1", "--vlan", "102"]] {
            assert_eq!(ask(outside).status.code(), Some(1), "{outside:?}");
        }
        assert!(house.count("unknown-mac") >= 2);
    });
}

const TAGGED_PORT: Port = Port {
    mac: "fa:16:3e:31:38:9b",
    network: &STATEFUL,
    addresses: &["2001:db8:cafe:4::4"],
    prefixes: &["2001:db8:face:6000::/60"],
};
