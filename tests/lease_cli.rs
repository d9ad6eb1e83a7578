//! `frontdesk check` and `frontdesk compile` as a shell sees them: exit codes, standard output, standard error, files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
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

/// A source with a pool, a first and a second port of it.
const POOLED: &str = "version = 1\nserver = { cloud = \"c\" }\n[networks.n]\nprefix_pools = [{ pool = \"2001:db8::/40\", length = 60 }]\n";
const FIRST: &str = "[[ports]]\nmac_address = \"02:00:00:00:00:01\"\nnetwork = \"n\"\ndelegate = 1\n";
const SECOND: &str = "[[ports]]\nmac_address = \"02:00:00:00:00:02\"\nnetwork = \"n\"\ndelegate = 1\n";

#[test]
fn the_lock_file_is_made_by_compile_and_kept_by_all_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (source, lock, table) = (path("leases.toml"), path("leases.lock"), path("leases.table"));
    std::fs::write(&source, [POOLED, FIRST, SECOND].concat()).expect("written");
    let missing =
        format!("{lock}:1: error: 2 allocations are missing; run `frontdesk compile` on the lease source");
    let checked = frontdesk(&["check", &source]);
    assert_eq!(checked.status.code(), Some(65));
    assert!(text(&checked.stdout).starts_with(&missing), "{}", text(&checked.stdout));
    let json = frontdesk(&["check", "--json", &source]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["valid"], &json["problems"][0]["file"]), (&false.into(), &lock.as_str().into()));
    let locked = frontdesk(&["compile", "--locked", &source, "-o", &table]);
    assert_eq!(locked.status.code(), Some(65));
    assert!(text(&locked.stderr).contains(&missing), "{}", text(&locked.stderr));
    let run = frontdesk(&["run", "--leases", &source, "--attach", "nothing*"]);
    assert_eq!(run.status.code(), Some(65), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains(&missing), "{}", text(&run.stderr));
    assert!(!Path::new(&lock).exists() && !Path::new(&table).exists(), "nobody else writes");

    let compiled = frontdesk(&["compile", &source, "-o", &table]);
    assert_eq!(compiled.status.code(), Some(0), "{}", text(&compiled.stderr));
    assert!(text(&compiled.stdout).starts_with(&format!("{lock}: 2 allocations added, 0 pruned\n{table}: ")));
    let first = std::fs::read(&lock).expect("written");
    assert_eq!(frontdesk(&["check", &source]).status.code(), Some(0));
    let again = frontdesk(&["compile", "--locked", &source, "-o", &table]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(text(&again.stdout).starts_with(&format!("{table}: ")), "no word of the lock file");

    std::fs::write(&source, [POOLED, SECOND].concat()).expect("written");
    assert_eq!(frontdesk(&["compile", &source, "-o", &table]).status.code(), Some(0));
    assert_eq!(std::fs::read(&lock).expect("there"), first, "who is gone stays listed");
    let both = frontdesk(&["compile", "--locked", "--prune", &source, "-o", &table]);
    assert_eq!(both.status.code(), Some(64), "one or the other");
    let pruned = frontdesk(&["compile", "--prune", &source, "-o", &table]);
    assert!(text(&pruned.stdout).starts_with(&format!("{lock}: 0 allocations added, 1 pruned\n")));
    assert!(!text(&std::fs::read(&lock).expect("there")).contains("02:00:00:00:00:01"));
    assert!(text(&std::fs::read(&lock).expect("there")).contains("2001:db8:0:10::/60"), "nobody moved");
}

#[test]
fn a_source_with_an_error_leaves_the_lock_file_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (source, lock, table) = (path("leases.toml"), path("leases.lock"), path("leases.table"));
    std::fs::write(&source, [POOLED, FIRST, "[[ports]]\n"].concat()).expect("written");
    assert_eq!(frontdesk(&["compile", &source, "-o", &table]).status.code(), Some(65));
    assert!(!Path::new(&lock).exists() && !Path::new(&table).exists());
    std::fs::write(&source, [POOLED, FIRST].concat()).expect("written");
    std::fs::create_dir(&lock).expect("made");
    let output = frontdesk(&["compile", &source, "-o", &table]);
    assert_eq!(output.status.code(), Some(66), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("cannot read the lock file"), "{}", text(&output.stderr));
}

#[test]
fn a_new_lock_file_is_read_by_whom_the_umask_lets_and_a_table_by_its_owner() {
    for (umask, new) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let mode = |name: &str| path(name).metadata().expect("there").permissions().mode() & 0o777;
        let compile = |ports: &str| {
            std::fs::write(path("leases.toml"), [POOLED, ports].concat()).expect("written");
            let script = format!("umask {umask}; exec \"$0\" compile leases.toml -o leases.table");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_frontdesk")]).current_dir(directory.path());
            assert!(shell.output().expect("a shell").status.success());
        };
        compile(FIRST);
        assert_eq!((mode("leases.lock"), mode("leases.table")), (new, 0o600), "umask {umask}");
        std::fs::set_permissions(path("leases.lock"), Permissions::from_mode(0o664)).expect("allowed");
        compile(&[FIRST, SECOND].concat());
        assert_eq!(mode("leases.lock"), 0o664, "one that was there keeps its mode");
    }
}
