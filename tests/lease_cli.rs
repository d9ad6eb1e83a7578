//! `frontdesk check` and `frontdesk compile` as a shell sees them: exit codes, standard output, standard error, files.

use std::path::Path;
use std::process::{Command, Output};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/leases.example.toml");

fn frontdesk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frontdesk")).args(arguments).output().expect("the program runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

fn broken(directory: &Path) -> String {
    let path = directory.join("broken.toml");
    std::fs::write(&path, "version = 1\n[server]\ncloud = \"c\"\n[networks.n]\nmtu = 9\nvlan = 0\n")
        .expect("written");
    path.display().to_string()
}

#[test]
fn check_prints_a_summary_and_exits_0() {
    let output = frontdesk(&["check", EXAMPLE]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    assert!(said.contains(": lease source, no errors, 1 warning\n"), "{said}");
    for line in [
        "networks                    3",
        "ports                       3",
        "DHCPv6 addresses            2",
        "delegated prefixes          2",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
}

#[test]
fn check_prints_every_problem_and_exits_65() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = broken(directory.path());
    let output = frontdesk(&["check", &path]);
    assert_eq!(output.status.code(), Some(65));
    let expected = format!(
        "{path}:5: error: networks.n.mtu: is out of range (9); write an integer from 1280 to 65535\n\
         {path}:6: error: networks.n.vlan: is out of range (0); write an integer from 1 to 4094\n\
         {path}: 2 errors, no warnings\n"
    );
    assert_eq!(text(&output.stdout), expected);
    let json = frontdesk(&["check", "--json", &path]);
    assert_eq!(json.status.code(), Some(65));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["valid"], &json["form"]), (&false.into(), &"source".into()));
    assert_eq!(json["problems"][1]["line"], 6);
    assert_eq!(json["problems"][1]["severity"], "error");
    assert_eq!(json["problems"][1]["field"], "networks.n.vlan");
}

#[test]
fn a_file_that_is_not_there_exits_66() {
    for command in [
        &["check", "/nonexistent/leases.toml"][..],
        &["compile", "/nonexistent/leases.toml", "-o", "/nonexistent/t"],
    ] {
        let output = frontdesk(command);
        assert_eq!(output.status.code(), Some(66));
        let said = text(&output.stderr);
        assert!(said.contains("/nonexistent/leases.toml: cannot read the lease source or table: "), "{said}");
    }
}

#[test]
fn compile_writes_a_table_that_check_knows() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = directory.path().join("leases.table").display().to_string();
    let output = frontdesk(&["compile", EXAMPLE, "-o", &table]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let length = std::fs::metadata(&table).expect("written").len();
    let said = text(&output.stdout);
    assert!(said.starts_with(&format!("{table}: 3 ports on 3 networks, {length} octets, ")), "{said}");
    assert!(text(&output.stderr).contains("advertise_interval.max"), "the warning is printed");
    let checked = frontdesk(&["check", &table]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked.stdout).starts_with(&format!("{table}: compiled table, no errors, no warnings\n")));
    let again = frontdesk(&["compile", &table, "-o", &table]);
    assert_eq!(again.status.code(), Some(65));
    let mut octets = std::fs::read(&table).expect("there");
    octets.pop();
    std::fs::write(&table, octets).expect("written");
    let cut = frontdesk(&["check", &table]);
    assert_eq!(cut.status.code(), Some(65));
    assert!(text(&cut.stdout).contains("the table is cut off"), "{}", text(&cut.stdout));
    let json: serde_json::Value =
        serde_json::from_slice(&frontdesk(&["check", "--json", &table]).stdout).expect("JSON");
    assert!(json["refused"].as_str().is_some_and(|why| why.contains("cut off")));
}

#[test]
fn compile_writes_nothing_when_it_fails() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = directory.path().join("leases.table");
    std::fs::write(&table, "old").expect("written");
    let output = frontdesk(&["compile", &broken(directory.path()), "-o", &table.display().to_string()]);
    assert_eq!(output.status.code(), Some(65));
    let said = text(&output.stderr);
    assert!(
        said.contains("2 errors, no warnings, no table is written\n")
            && said.contains(":6: error: networks.n.vlan"),
        "{said}"
    );
    assert_eq!(std::fs::read(&table).expect("there"), b"old");
    let nowhere = directory.path().join("no/such/directory/table").display().to_string();
    let output = frontdesk(&["compile", EXAMPLE, "-o", &nowhere]);
    assert_eq!(output.status.code(), Some(73));
    assert!(text(&output.stderr).contains("cannot write the table: "));
}
