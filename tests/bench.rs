//! `frontdesk bench` end to end: the pair, a server that gives wrong leases, servers that others wrote, and what it
//! refuses to do. How fast anything is, is judged nowhere.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use frontdesk::io::child::Server;
use serde_json::Value;
use support::netns::{Guest, Lan, Process, alone, installed, wait_until};

const FRONTDESK: &str = env!("CARGO_BIN_EXE_frontdesk");
const WORKLOADS: [&str; 9] =
    ["rs", "ns", "solicit", "exchange", "rapid-commit", "inform", "pd", "relay", "boot"];

/// Short enough for a test, long enough for an answer on a busy machine.
const BRIEF: [&str; 4] = ["--time", "0.3", "--warm-up", "0.1"];

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(FRONTDESK);
    command.arg("bench").args(arguments).stdin(Stdio::null());
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn reports(output: &Output) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {:?}: {}", output.status, errors(output)));
    all.as_array().expect("an array").clone()
}

/// What the pair came to; `None` where namespaces are forbidden.
fn pair(arguments: &[&str]) -> Option<(Option<i32>, Vec<Value>)> {
    let output = bench(&[&["--pair", "--json", "--max-loss", "10"], arguments].concat()).output();
    let output = output.expect("the program that cargo built");
    if output.status.code() == Some(69) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{}", errors(&output));
        eprintln!("skipped: {}", errors(&output));
        return None;
    }
    Some((output.status.code(), reports(&output)))
}

/// Everything was answered rightly, but for what a busy machine may lose.
fn assert_good(report: &Value) {
    assert!(report["exchanges"].as_u64().is_some_and(|exchanges| exchanges > 0), "{report:#}");
    for nothing in ["wrong", "refused"] {
        assert_eq!(report[nothing], Value::Object(serde_json::Map::new()), "{report:#}");
    }
    assert!(report["loss_percent"].as_f64().is_some_and(|loss| loss <= 10.0), "{report:#}");
    let latency = &report["latency_us"];
    let at = |quantile: &str| latency[quantile].as_f64().expect("a number");
    assert!(0.0 < at("p50") && at("p50") <= at("p99") && at("p99") <= at("p999") && at("p999") <= at("max"));
}

#[test]
fn the_pair_answers_every_workload_rightly() {
    let Some((code, reports)) = pair(&[&BRIEF[..], &["--guests", "200"]].concat()) else { return };
    let names: Vec<&str> = reports.iter().filter_map(|report| report["workload"].as_str()).collect();
    assert_eq!(names, WORKLOADS);
    for report in &reports {
        assert_good(report);
        assert!(report["server_cpu_us_per_exchange"].as_f64().is_some_and(|cpu| cpu > 0.0), "{report:#}");
        let (exchanges, messages) = (report["exchanges"].as_u64(), report["messages"].as_u64());
        assert!(messages >= exchanges, "{report:#}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn guests_without_a_trace_of_their_mac_are_answered_too() {
    let arguments = [
        "--link-local",
        "opaque",
        "--duid",
        "uuid",
        "--guests",
        "100",
        "--server-ports",
        "300",
        "--window",
        "8",
    ];
    let Some((code, reports)) = pair(&[&BRIEF[..], &arguments].concat()) else { return };
    reports.iter().for_each(assert_good);
    assert_eq!((code, reports.len()), (Some(0), WORKLOADS.len()));
}

#[test]
fn in_a_storm_every_guest_is_bound() {
    let Some((code, reports)) = pair(&["--workload", "boot", "--storm", "0.2", "--guests", "300"]) else {
        return;
    };
    let [report] = &*reports else { panic!("one report: {reports:?}") };
    assert_eq!(report["storm"]["bound"], 300, "{report:#}");
    assert!(report["storm"]["all_bound_after_seconds"].as_f64().is_some(), "{report:#}");
    assert_eq!((report["exchanges"].as_u64(), code), (Some(300), Some(0)));
}

#[test]
fn at_a_fixed_rate_no_more_begin_than_are_due() {
    let arguments = ["--workload", "rs", "--rate", "400", "--time", "0.5", "--warm-up", "0"];
    let start = Instant::now();
    let Some((_, reports)) = pair(&arguments) else { return };
    let whole = start.elapsed().as_secs_f64();
    let [report] = &*reports else { panic!("one report: {reports:?}") };
    let begun = report["messages"].as_u64().expect("a number");
    assert!((1..=(400.0 * whole) as u64 + 1).contains(&begun), "in {whole} s: {report:#}");
    assert_eq!((&report["skipped"], &report["pace"]["rate"]), (&Value::from(0), &Value::from(400.0)));
}

/// A lease source for guests 02:fd:00:00:00:00 to …:09 with addresses that begin with `start`.
fn leases(start: &str) -> String {
    let network = "version = 1\n[server]\ncloud = \"bench\"\n[networks.one]\n\
        router = { mac_address = \"02:fe:00:00:00:01\" }\n[[networks.one.subnets]]\ncidr = \"2001:db8:1::/64\"\n\
        ipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"\n";
    let port = |n: u32| {
        format!(
            "[[ports]]\nmac_address = \"02:fd:00:00:00:0{n}\"\nnetwork = \"one\"\n\
             fixed_ips = [\"2001:db8:1::{start}:{n}\"]\ndelegated_prefixes = [\"2001:db8:{start}:{n}::/64\"]\n"
        )
    };
    (0..10).fold(network.to_owned(), |text, n| text + &port(n))
}

fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

fn play(guest: &Guest, arguments: &[&str]) -> Output {
    guest.output(bench(&[&["eth0", "--json"], &BRIEF[..], arguments].concat()))
}

#[test]
fn leases_that_are_not_the_guests_own_are_wrong() {
    alone("leases_that_are_not_the_guests_own_are_wrong", || {
        let lan = Lan::new(false);
        let guest = lan.plug("tap0", "02:fe:00:00:00:09");
        guest.up();
        let home = tempfile::tempdir().expect("a temporary directory");
        let (given, promised) = (
            write(home.path(), "given.toml", &leases("a")),
            write(home.path(), "promised.toml", &leases("b")),
        );
        let mut server = Command::new(FRONTDESK);
        server.args(["run", "--attach", "tap0", "--leases", &given]);
        let _server = Server::start(server, Duration::from_secs(20)).expect("the dataplane");

        let judged = |leases: &str, workload: &str| {
            let arguments = ["--guests", "10", "--workload", workload, "--leases", leases];
            let output = play(&guest, &arguments);
            (output.status.code(), reports(&output).remove(0))
        };
        for (workload, kind) in [("exchange", "address"), ("rapid-commit", "address"), ("pd", "prefix")] {
            let (code, report) = judged(&promised, workload);
            assert_eq!((code, report["exchanges"].as_u64()), (Some(1), Some(0)), "{report:#}");
            let wrong = report["wrong"].as_object().expect("counts");
            assert!(wrong.len() == 1 && wrong[kind].as_u64() > Some(0), "{report:#}");
            let (code, report) = judged(&given, workload);
            assert_good(&report);
            assert_eq!(code, Some(0), "{report:#}");
        }
        // An eleventh guest that no lease is for: nothing is sent.
        let output = play(&guest, &["--guests", "11", "--leases", &given]);
        assert_eq!(output.status.code(), Some(65), "{}", errors(&output));
        assert!(errors(&output).contains("02:fd:00:00:00:0a"), "{}", errors(&output));
    });
}

#[test]
fn guests_of_a_vlan_are_answered_inside_it() {
    alone("guests_of_a_vlan_are_answered_inside_it", || {
        let lan = Lan::new(false);
        let guest = lan.plug("tap0", "02:fe:00:00:00:09");
        guest.up();
        let home = tempfile::tempdir().expect("a temporary directory");
        let text = leases("a").replace("[networks.one]\n", "[networks.one]\nvlan = 101\n");
        let leases = write(home.path(), "leases.toml", &text);
        let mut server = Command::new(FRONTDESK);
        server.args(["run", "--attach", "tap0", "--leases", &leases]);
        let _server = Server::start(server, Duration::from_secs(20)).expect("the dataplane");
        let inside = ["--guests", "10", "--workload", "ns,boot,pd", "--vlan", "101", "--leases", &leases];
        let output = play(&guest, &inside);
        reports(&output).iter().for_each(assert_good);
        assert_eq!(output.status.code(), Some(0));
        let output = play(&guest, &["--guests", "10", "--workload", "rs", "--vlan", "102"]);
        assert_eq!(reports(&output).remove(0)["exchanges"], 0);
    });
}

/// A bridge with a server's address, and the generator's end of a cable to it.
fn lan() -> (Lan, Guest) {
    let lan = Lan::new(false);
    lan.set_bridge_address("2001:db8:cafe:1::1");
    let guest = lan.plug("tap0", "02:fe:00:00:00:09");
    guest.set_conf("disable_ipv6", "1");
    guest.up();
    (lan, guest)
}

fn start(program: &str, arguments: &[&str], home: &Path) -> Process {
    let log = fs::File::create(home.join("log")).expect("a log");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
    for name in ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR"] {
        command.env(name, home);
    }
    Process::start(&mut command)
}

/// Plays workloads until the server has come up and answers all of them rightly.
fn assert_answered(guest: &Guest, workloads: &[&str]) {
    for workload in workloads {
        let arguments = [
            "--workload",
            workload,
            "--guests",
            "50",
            "--window",
            "4",
            "--link-address",
            "2001:db8:cafe:1::1",
            "--max-loss",
            "10",
        ];
        let mut last = Value::Null;
        wait_until(workload, Duration::from_secs(30), || {
            let output = play(guest, &arguments);
            last = reports(&output).remove(0);
            assert_eq!(last["wrong"], Value::Object(serde_json::Map::new()), "{last:#}");
            output.status.code() == Some(0)
        });
        assert_good(&last);
    }
}

#[test]
fn kea_answers_every_dhcpv6_workload() {
    alone("kea_answers_every_dhcpv6_workload", || {
        if !installed("kea-dhcp6") {
            return;
        }
        let (_lan, guest) = lan();
        let home = tempfile::tempdir().expect("a temporary directory");
        let file = write(home.path(), "kea.json", KEA);
        let _kea = start("kea-dhcp6", &["-c", &file], home.path());
        let workloads = ["solicit", "exchange", "rapid-commit", "inform", "pd", "relay"];
        assert_answered(&guest, &workloads);
    });
}

const KEA: &str = r#"{ "Dhcp6": {
  "interfaces-config": { "interfaces": ["br0"] },
  "lease-database": { "type": "memfile", "persist": false },
  "server-id": { "type": "EN", "enterprise-id": 8888, "identifier": "3bc82226", "persist": false },
  "loggers": [ { "name": "kea-dhcp6", "severity": "WARN" } ],
  "subnet6": [ { "id": 1, "subnet": "2001:db8:cafe:1::/64", "interface": "br0", "rapid-commit": true,
    "pools": [ { "pool": "2001:db8:cafe:1::1000-2001:db8:cafe:1::1fff" } ],
    "pd-pools": [ { "prefix": "2001:db8:face::", "prefix-len": 48, "delegated-len": 64 } ] } ] } }"#;

/// The NAs are the kernel's, the RAs and the leases dnsmasq's.
#[test]
fn guests_boot_with_dnsmasq() {
    alone("guests_boot_with_dnsmasq", || {
        if !installed("dnsmasq") {
            return;
        }
        let (_lan, guest) = lan();
        let home = tempfile::tempdir().expect("a temporary directory");
        let leases = format!("--dhcp-leasefile={}", home.path().join("leases").display());
        let arguments = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--interface=br0",
            "--enable-ra",
            "--user=root",
            "--group=root",
            "--log-facility=-",
            "--dhcp-range=2001:db8:cafe:1::100,2001:db8:cafe:1::1ff,64,1h",
            &leases,
        ];
        let _dnsmasq = start("dnsmasq", &arguments, home.path());
        assert_answered(&guest, &["rs", "ns", "boot"]);
    });
}

#[test]
fn silence_is_loss() {
    alone("silence_is_loss", || {
        let (_lan, guest) = lan();
        let output = play(&guest, &["--workload", "exchange,inform", "--timeout", "100"]);
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        let reports = reports(&output);
        for (report, message) in reports.iter().zip(["solicit", "information-request"]) {
            assert_eq!((&report["exchanges"], &report["loss_percent"]), (&0.into(), &100.0.into()));
            assert!(report["lost"][message].as_u64() >= Some(64), "{report:#}");
        }
        let storm =
            ["--workload", "solicit", "--storm", "0", "--guests", "20", "--time", "2.4", "--warm-up", "0"];
        let mut command = bench(&["eth0", "--json"]);
        command.args(storm);
        let report = self::reports(&guest.output(command)).remove(0);
        // Everybody's first wait is 1 to 1.1 s, the second longer (RFC 9915 §15, §18.2.1).
        assert_eq!((&report["retransmissions"], &report["messages"]), (&20.into(), &40.into()), "{report:#}");
        assert_eq!(report["storm"]["bound"], 0);
        // Nobody to solicit for the workload ns, and none was named.
        let output = play(&guest, &["--workload", "ns"]);
        assert_eq!(output.status.code(), Some(69), "{}", errors(&output));
    });
}

#[test]
fn it_says_why_it_does_not_begin() {
    alone("it_says_why_it_does_not_begin", || {
        let lan = Lan::new(true);
        let guest = lan.plug("tap0", "02:fe:00:00:00:09");
        let refused = |before: &[&str], arguments: &[&str]| {
            let words: Vec<&str> = [before, &[FRONTDESK, "bench", "--time", "0.1"], arguments].concat();
            let (program, arguments) = words.split_first().expect("a program");
            let output = Command::new(program).args(arguments).output().expect("the program");
            (output.status.code(), errors(&output))
        };
        assert_eq!(refused(&[], &["nosuch"]).0, Some(69));
        assert_eq!(refused(&[], &["tap0", "--workload", "relay"]).0, Some(64), "no link-address");
        lan.netlink.set_up(lan.bridge).expect("the bridge up");
        lan.netlink.set_up(lan.netlink.link("tap0").expect("tap0").index).expect("tap0 up");
        // The guest's end is down, so there is no carrier.
        assert_eq!(refused(&[], &["tap0"]).0, Some(69));
        guest.up();
        let (code, message) = refused(&[], &["br0"]);
        assert_eq!(code, Some(64), "a bridge may have a NIC");
        assert!(message.contains("--yes-this-device"), "{message}");
        assert_eq!(refused(&[], &["br0", "--yes-this-device"]).0, Some(1), "nobody answers there");
        let no_process = u32::MAX.to_string();
        let (code, message) = refused(&[], &["tap0", "--server-pid", &no_process]);
        assert_eq!(code, Some(69), "{message}");
        assert!(message.contains(&no_process), "{message}");
        let (code, message) = refused(&["unshare", "--user"], &["tap0"]);
        assert_eq!(code, Some(77), "{message}");
        assert!(message.contains("CAP_NET_RAW"), "{message}");
    });
}
