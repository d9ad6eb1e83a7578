//! `frontdesk run` starts, reloads, counts and stops as it is told.

mod namespace;

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Output};

use namespace::daemon::{Daemon, argument, file, leases, parse};
use namespace::{cable, port, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_frontdesk");

fn refused(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("run").args(arguments).output().expect("it starts")
}

fn assert_refused(arguments: &[&str], code: i32, words: &[&str]) {
    let output = refused(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: no {word:?} in: {text}");
    }
}

#[test]
fn hangup_reloads_good_leases_and_keeps_the_table_over_bad_ones() {
    namespace::run("hangup_reloads_good_leases_and_keeps_the_table_over_bad_ones", || {
        let path = file("leases.toml", &leases(3));
        let daemon = Daemon::start(&["--leases", argument(&path), "--attach", "tap*"]);
        daemon.wait_for_counter("table-ports", 3);
        std::fs::write(&path, leases(5)).expect("written");
        daemon.signal("HUP");
        daemon.wait_for_log("reloaded");
        assert_eq!(daemon.counters()["table-ports"], 5);

        let bad = leases(7).replace("version = 1\n", "version = 99\n");
        std::fs::write(&path, bad).expect("written");
        daemon.signal("HUP");
        daemon.wait_for_log("the table stays as it was");
        assert!(daemon.log().iter().any(|line| line.contains("ERROR") && line.contains("version")));
        assert_eq!(daemon.counters()["table-ports"], 5);

        std::fs::remove_file(&path).expect("removed");
        daemon.signal("HUP");
        daemon.wait_for_log("cannot be read");
        std::fs::write(&path, leases(2)).expect("written");
        daemon.signal("HUP");
        daemon.wait_for_counter("table-ports", 2);
    });
}

#[test]
fn both_signals_stop_cleanly_with_the_counters_printed() {
    namespace::run("both_signals_stop_cleanly_with_the_counters_printed", || {
        let path = file("leases.toml", &leases(1));
        for signal in ["TERM", "INT"] {
            let daemon = Daemon::start(&["--leases", argument(&path), "--attach", "tap*"]);
            daemon.wait_for_log("no device matches now");
            let (status, log, counters) = daemon.end(signal);
            assert_eq!(status.code(), Some(0), "{log:?}");
            assert_eq!(parse(&counters)["table-ports"], 1);
        }
    });
}

/// RA-025: a restart must not cost guests their default route.
#[test]
fn ra_025_nothing_is_sent_when_it_stops() {
    namespace::run("ra_025_nothing_is_sent_when_it_stops", || {
        let (_, guest) = cable("tap0", "guest0");
        let path = file("leases.toml", &leases(10));
        let ear = port(guest, 32);
        let daemon = Daemon::start(&["--leases", argument(&path), "--attach", "tap0"]);
        daemon.wait_for_counter("devices", 1);
        let _ = ear.socket().take_statistics();
        let (status, _, counters) = daemon.end("TERM");
        assert_eq!((status.code(), parse(&counters)["frames-sent"]), (Some(0), 0));
        assert_eq!(ear.socket().take_statistics(), (0, 0));
    });
}

#[test]
fn log_and_counters_are_json_when_asked() {
    namespace::run("log_and_counters_are_json_when_asked", || {
        let path = file("leases.toml", &leases(4));
        let config = file("run.toml", "attach = ['tap*']\nlog_format = 'json'\nlog_level = 'debug'\n");
        let arguments = ["--config", argument(&config), "--leases", argument(&path)];
        let daemon = Daemon::start(&arguments);
        daemon.wait_for_log("no device matches now");
        let (status, log, counters) = daemon.end("TERM");
        assert_eq!(status.code(), Some(0));
        for line in &log {
            let object: serde_json::Value = serde_json::from_str(line).expect("an object per line");
            assert!(object["message"].is_string() && object["level"].is_string(), "{line}");
        }
        let object: serde_json::Value = serde_json::from_str(&counters.concat()).expect("one object");
        assert_eq!(object["table-ports"], 4);
    });
}

#[test]
fn the_service_manager_is_told() {
    namespace::run("the_service_manager_is_told", || {
        let path = file("leases.toml", &leases(1));
        let address = namespace::scratch("notify");
        let _ = std::fs::remove_file(&address);
        let manager = UnixDatagram::bind(&address).expect("bound");
        manager.set_read_timeout(Some(namespace::PATIENCE)).expect("set");
        let hear = || {
            let mut text = [0; 256];
            let length = manager.recv(&mut text).expect("a notification");
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        let mut command = Command::new(PROGRAM);
        command.args(["run", "--leases", argument(&path), "--attach", "tap*"]).env("NOTIFY_SOCKET", &address);
        let daemon = Daemon::start_with(&mut command);
        assert_eq!(hear(), "READY=1");
        daemon.signal("HUP");
        assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(hear(), "READY=1");
        daemon.end("TERM");
        assert_eq!(hear(), "STOPPING=1");
    });
}

#[test]
fn what_cannot_start_says_why_with_its_exit_code() {
    namespace::run("what_cannot_start_says_why_with_its_exit_code", || {
        let good = file("good.toml", &leases(1));
        let bad = file("bad.toml", "versio = 1\n");
        let config = file("config.toml", "attach = 'tap*'\nring_frames = 33\n");
        let (good, bad, config) = (argument(&good), argument(&bad), argument(&config));
        assert_refused(&["--attach", "tap*"], 64, &["--leases"]);
        assert_refused(&["--leases", good], 64, &["--attach"]);
        assert_refused(&["--leases", good, "--attach", "tap["], 64, &["tap["]);
        assert_refused(&["--leases", good, "--attach", "tap*", "--ring-frames", "33"], 64, &["power of two"]);
        assert_refused(&["--leases", bad, "--attach", "tap*"], 65, &[bad]);
        assert_refused(&["--leases", "/nonexistent", "--attach", "tap*"], 66, &["/nonexistent"]);
        assert_refused(&["--config", config, "--leases", good], 78, &[":1: attach", ":2: ring_frames"]);
        assert_refused(&["--config", "/nonexistent"], 78, &["/nonexistent"]);
    });
}

#[test]
fn without_the_capability_it_says_what_is_missing() {
    namespace::run("without_the_capability_it_says_what_is_missing", || {
        let good = file("good.toml", &leases(1));
        let output = Command::new("setpriv")
            .args(["--bounding-set=-net_raw", "--inh-caps=-net_raw", PROGRAM, "run"])
            .args(["--leases", argument(&good), "--attach", "tap*"])
            .output()
            .expect("setpriv runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(77), "{text}");
        for word in ["root", "CAP_NET_RAW", "setcap", "AmbientCapabilities"] {
            assert!(text.contains(word), "no {word} in: {text}");
        }
    });
}

#[test]
fn hangups_in_a_row_are_reloads() {
    namespace::run("hangups_in_a_row_are_reloads", || {
        let path = file("leases.toml", &leases(1));
        let daemon = Daemon::start(&["--leases", argument(&path), "--attach", "tap*"]);
        (0..20).for_each(|_| daemon.signal("HUP"));
        wait("a reload", || daemon.log().iter().any(|line| line.contains("reloaded")).then_some(()));
        assert_eq!(daemon.end("TERM").0.code(), Some(0));
    });
}
