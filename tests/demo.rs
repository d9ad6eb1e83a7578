//! `frontdesk demo` as a user sees it, and the dataplane seen by the probe on a tagged wire.

mod support;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use frontdesk::io::child::Server;
use frontdesk::io::netns;
use frontdesk::io::probe::{self, Options, Wanted};
use serde_json::Value;
use support::netns::{Lan, alone};

const FRONTDESK: &str = env!("CARGO_BIN_EXE_frontdesk");

fn demo(before: &[&str], arguments: &[&str]) -> Output {
    let words: Vec<&str> = [before, &[FRONTDESK, "demo"], arguments].concat();
    let (program, rest) = words.split_first().expect("a program");
    Command::new(program).args(rest).output().expect("the program")
}

/// True when this machine lets the test make namespaces; required when `CI=true`.
fn namespaces() -> bool {
    let mut probe = Command::new("true");
    netns::isolate_command(&mut probe);
    let allowed = probe.status().is_ok_and(|status| status.success());
    assert!(allowed || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "namespaces are forbidden");
    allowed
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|one| one.as_str().expect("a text")).collect()
}

/// The README's first command, as a user without any privilege: every guest has exactly what its lease says.
#[test]
fn the_demo_configures_every_guest_without_root() {
    if !namespaces() {
        return;
    }
    let output = demo(&["unshare", "--user", "--map-user=1000", "--map-group=1000"], &["--json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let guests: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let [slaac, stateless, stateful] = guests.as_array().expect("a list").as_slice() else {
        panic!("three guests")
    };
    for guest in [slaac, stateless, stateful] {
        assert_eq!(guest["problems"], Value::Array(Vec::new()));
        assert!(guest["configured_after_ms"].as_u64().expect("a time") < 10_000);
    }
    // EUI-64 of the MACs in their prefixes, as RFC 4291 appendix A makes it.
    assert_eq!(slaac["addresses"][0]["address"], "2001:db8:cafe:0:f816:3eff:fe79:5acc");
    assert_eq!(stateless["addresses"][0]["address"], "2001:db8:cafe:2:f816:3eff:fefe:d157");
    assert_eq!((slaac["mtu"].as_u64(), stateless["mtu"].as_u64()), (Some(1450), Some(1400)));
    assert_eq!(slaac["probe"]["information"], Value::Null);
    assert_eq!(texts(&stateless["probe"]["information"]["domains"]), ["stateless.example.com"]);
    for (guest, uuid, hostname, user_data) in [
        (slaac, "1c1d4a0e-6f0b-4d0a-8a40-79a1c0ffee01", "vm1.slaac.example.com", "#cloud-config\n"),
        (stateless, "2c1d4a0e-6f0b-4d0a-8a40-79a1c0ffee02", "vm2.stateless.example.com", "#!/bin/sh\n"),
        (stateful, "3c1d4a0e-6f0b-4d0a-8a40-79a1c0ffee03", "vm3.stateful.example.com", "#cloud-config\n"),
    ] {
        assert_eq!(
            (&guest["instance"]["uuid"], &guest["instance"]["hostname"]),
            (&uuid.into(), &hostname.into())
        );
        let ada = guest["instance"]["public_keys"]["ada"].as_str().expect("a key");
        assert!(ada.starts_with("ssh-ed25519 AAAA") && ada.ends_with(" ada@example.com"), "{ada}");
        assert!(guest["user_data"].as_str().expect("user data").starts_with(user_data));
        assert_eq!(guest["probe"]["metadata"]["address"], "fe80::a9fe:a9fe");
    }
    let keys = stateful["instance"]["public_keys"].as_object().expect("keys");
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["ada", "grace"]);
    let mut leased: Vec<_> =
        stateful["addresses"].as_array().expect("a list").iter().map(|a| &a["address"]).collect();
    leased.sort_by_key(ToString::to_string);
    assert_eq!(leased, ["2001:db8:cafe:1::1004", "2001:db8:cafe:1::4"]);
    assert!(
        stateful["addresses"]
            .as_array()
            .expect("a list")
            .iter()
            .all(|a| a["by"] == "dhcpv6" && a["length"] == 128)
    );
    assert_eq!(texts(&stateful["dns"]), ["2001:db8:cafe:a::e", "2001:db8:cafe:a::f"]);
    let delegated: Vec<_> =
        stateful["delegated"].as_array().expect("a list").iter().map(|d| &d["prefix"]).collect();
    assert_eq!(delegated, ["2001:db8:face:2ff2::/64", "2001:db8:face:3000::/60"]);
    let default =
        stateful["routes"].as_array().expect("a list").iter().find(|route| route["to"] == "default");
    assert_eq!(default.expect("a default route")["via"], "fe80::1");
}

#[test]
fn the_demo_is_short_and_ends_with_its_verdict() {
    if !namespaces() {
        return;
    }
    let output = demo(&[], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.lines().count() < 60, "{text}");
    assert_eq!(text.matches("  SSH key    ada: ssh-ed25519 AAAA").count(), 3, "{text}");
    assert_eq!(text.matches("  user data  #cloud-config\n").count(), 2, "{text}");
    assert!(text.ends_with("All 3 guests have exactly what their leases say.\n"), "{text}");
}

#[test]
fn where_namespaces_are_forbidden_the_demo_names_the_setting_and_replays() {
    if !namespaces() {
        return;
    }
    // The limit holds inside the user namespace that it is set in, and nowhere else.
    let forbid = "echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"";
    let output = demo(&["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"], &[]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{message}");
    assert!(message.contains("user.max_net_namespaces"), "{message}");
    assert!(message.contains("19 frames, 14 answered"), "{message}");
    let text = String::from_utf8_lossy(&output.stdout);
    for answer in ["router-advertisement", "dhcpv6-advertise", "dhcpv6-reply-to-information-request"] {
        assert!(text.contains(answer), "the recorded frames are answered: {text}");
    }
}

/// A port of a network with a VLAN id is served inside that VLAN only.
#[test]
fn a_tagged_guest_is_served_on_its_vlan_only() {
    alone("a_tagged_guest_is_served_on_its_vlan_only", || {
        let lan = Lan::new(true);
        let guest = lan.plug("tap0", "fa:16:3e:22:38:6b");
        guest.up();
        let leases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/leases.example.toml");
        let mut command = Command::new(FRONTDESK);
        command.args(["run", "--attach", "tap0", "--leases"]).arg(leases);
        let _server = Server::start(command, Duration::from_secs(10)).expect("the dataplane");
        let ask = |vlan| {
            let wanted = Wanted { ra: true, stateful: true, pd: true, stateless: false };
            let timeout = Duration::from_secs(2);
            let options = Options { vlan, wanted: Some(wanted), timeout, ..Options::new("eth0") };
            guest.netns.run(|| probe::run(&options)).expect("the namespace").expect("a device to speak on")
        };
        let tagged = ask(101);
        assert_eq!((tagged.missing.as_slice(), tagged.faults.as_slice()), (&[][..], &[][..]));
        let lease = tagged.lease.expect("a lease");
        let mut addresses: Vec<_> = lease.addresses().map(|lease| lease.address.to_string()).collect();
        addresses.sort();
        assert_eq!(addresses, ["2001:db8:cafe:1::1004", "2001:db8:cafe:1::4"]);
        for vlan in [0, 102] {
            let other = ask(vlan);
            assert_eq!((other.routers.len(), other.lease.is_none()), (0, true), "VLAN {vlan}");
        }
    });
}
