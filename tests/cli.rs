//! The command line as an operator and a script meet it: help, exit codes, what is printed where.

#[path = "support/tshark.rs"]
mod tshark;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SUBCOMMANDS: [&str; 8] = ["check", "compile", "run", "replay", "explain", "probe", "demo", "bench"];

fn frontdesk(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_frontdesk");
    Command::new(program).args(arguments).output().expect("the program that cargo built")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn of_repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    path.to_str().expect("UTF-8").to_owned()
}

fn leases() -> String {
    of_repository("pcaps/third-party/leases.toml")
}

/// Two Solicits, two Requests for another server, and what that server said.
fn capture() -> String {
    of_repository("pcaps/third-party/the-tcpdump-group__tcpdump/tests/dhcpv6-ia-na.pcap")
}

/// A folder for one test, below cargo's own for integration tests.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn file(folder: &Path, name: &str, octets: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, octets).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn help_and_version_are_no_errors() {
    let help = frontdesk(&["--help"]);
    assert_eq!((code(&help), err(&help)), (0, String::new()));
    for subcommand in SUBCOMMANDS {
        assert!(out(&help).contains(&format!("\n  {subcommand} ")), "{subcommand} is not in the help");
        let own = frontdesk(&[subcommand, "--help"]);
        assert_eq!((code(&own), err(&own)), (0, String::new()), "{subcommand}");
        assert!(out(&own).contains(&format!("Usage: frontdesk {subcommand}")), "{}", out(&own));
        let (_, after) = out(&own)
            .split_once("Exit codes: 0 ")
            .map(|(before, after)| (before.to_owned(), after.to_owned()))
            .unwrap_or_else(|| panic!("{subcommand}: no exit codes"));
        let example = after.split_once("Example").map(|(_, example)| example.to_owned());
        let example = example.unwrap_or_else(|| panic!("{subcommand}: no example"));
        assert!(example.contains(&format!("  frontdesk {subcommand} ")), "{example}");
    }
    let version = frontdesk(&["--version"]);
    assert_eq!(code(&version), 0);
    assert_eq!(out(&version), concat!("frontdesk ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// What is not built is not promised: the registry's line and the help's first are the same.
#[test]
fn the_description_is_the_first_line_of_the_help() {
    let help = out(&frontdesk(&["--help"]));
    assert_eq!(help.lines().next(), Some(env!("CARGO_PKG_DESCRIPTION")));
}

/// Every exit code that the help promises is one that a script can tell from the others.
#[test]
fn the_help_lists_the_exit_codes() {
    let help = out(&frontdesk(&["--help"])).split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = help.split_once("Exit codes: ").expect("a list of exit codes").1;
    for promised in
        ["0 done", "1 a guest", "64 usage", "65 bad data", "66 no such file", "73 a file", "77 not permitted"]
    {
        assert!(codes.contains(promised), "{promised}: {codes}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64() {
    let wrong: [&[&str]; 13] = [
        &[],
        &["bench"],
        &["bench", "--pair", "tap0"],
        &["bench", "--pair", "--rate", "10", "--window", "10"],
        &["bench", "--pair", "--rate", "0"],
        &["bench", "--pair", "--base", "33:33:00:00:00:00"],
        &["bench", "--pair", "--guests", "20", "--server-ports", "10"],
        &["bench", "tap0", "--server-ports", "10"],
        &["serve"],
        &["check"],
        &["replay", "a.pcap"],
        &["compile", "a.toml"],
        &["run", "--attach", "tap*"],
    ];
    for arguments in wrong {
        let output = frontdesk(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}: {}", err(&output));
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{arguments:?}");
    }
    for subcommand in SUBCOMMANDS {
        let output = frontdesk(&[subcommand, "--no-such-flag"]);
        assert_eq!(code(&output), 64, "{subcommand}: {}", err(&output));
        assert!(err(&output).contains("--no-such-flag"), "{}", err(&output));
    }
}

#[test]
fn a_file_that_is_not_there_ends_with_66_and_its_name() {
    let missing = folder("missing").join("nothing.here");
    let missing = missing.to_str().expect("UTF-8");
    let (leases, capture) = (leases(), capture());
    let commands: [&[&str]; 5] = [
        &["check", missing],
        &["compile", missing, "-o", missing],
        &["run", "--leases", missing, "--attach", "no-such-device"],
        &["replay", missing, "--leases", &leases],
        &["replay", &capture, "--leases", missing],
    ];
    for arguments in commands {
        let output = frontdesk(arguments);
        assert_eq!(code(&output), 66, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(missing), "{arguments:?}: {}", err(&output));
    }
    let output = frontdesk(&["run", "--config", missing]);
    assert_eq!(code(&output), 78, "{}", err(&output));
    assert!(err(&output).contains(missing), "{}", err(&output));
}

#[test]
fn bad_leases_end_with_65_and_every_problem() {
    let folder = folder("bad-leases");
    let bad = file(&folder, "bad.toml", b"version = 1\nserver = { cloud = 1 }\nnetwork = {}\n");
    let table = folder.join("bad.table");
    let table = table.to_str().expect("UTF-8");
    let capture = capture();
    let commands: [&[&str]; 4] = [
        &["check", &bad],
        &["compile", &bad, "-o", table],
        &["run", "--leases", &bad, "--attach", "no-such-device"],
        &["replay", &capture, "--leases", &bad],
    ];
    for arguments in commands {
        let output = frontdesk(arguments);
        assert_eq!(code(&output), 65, "{arguments:?}: {}", err(&output));
        let text = out(&output) + &err(&output);
        assert!(text.contains("bad.toml:2") && text.contains("bad.toml:3"), "{arguments:?}: {text}");
    }
    assert!(!Path::new(table).exists(), "a table was written");
}

/// A table never takes the place of a FIFO, a socket or a directory; a symbolic link stays one.
#[test]
fn compile_replaces_what_a_link_points_at_and_nothing_but_files() {
    use std::os::unix::fs::{FileTypeExt, symlink};

    let folder = folder("targets");
    fs::remove_dir_all(&folder).expect("removed");
    fs::create_dir_all(folder.join("tables")).expect("a folder");
    let compile = |name: &str| {
        let path = folder.join(name);
        frontdesk(&["compile", &leases(), "-o", path.to_str().expect("UTF-8")])
    };
    let made = Command::new("mkfifo").arg(folder.join("fifo")).status().expect("mkfifo runs");
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("bound");
    symlink("fifo", folder.join("link-to-fifo")).expect("a link");
    for (name, what) in
        [("fifo", "a FIFO"), ("link-to-fifo", "a FIFO"), ("socket", "a socket"), ("tables", "a directory")]
    {
        let output = compile(name);
        assert_eq!(code(&output), 73, "{name}: {}", err(&output));
        assert!(err(&output).contains(what) && err(&output).contains(name), "{}", err(&output));
    }
    assert!(fs::metadata(folder.join("fifo")).expect("there").file_type().is_fifo());
    assert!(fs::metadata(folder.join("socket")).expect("there").file_type().is_socket());

    fs::write(folder.join("tables/old"), b"old").expect("written");
    symlink("tables/old", folder.join("inner")).expect("a link");
    symlink("inner", folder.join("outer")).expect("a link");
    symlink("tables/new", folder.join("dangling")).expect("a link");
    for (link, table) in [("outer", "tables/old"), ("dangling", "tables/new")] {
        let output = compile(link);
        assert_eq!(code(&output), 0, "{link}: {}", err(&output));
        let there = fs::symlink_metadata(folder.join(link)).expect("there");
        assert!(there.is_symlink(), "{link} was replaced");
        let table = folder.join(table);
        assert_eq!(code(&frontdesk(&["check", table.to_str().expect("UTF-8")])), 0);
    }
}

#[test]
fn replay_prints_a_line_per_frame_and_sums_up_on_standard_error() {
    let output = frontdesk(&["replay", &capture(), "--leases", &leases()]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    let solicit = "1 1353944094.978692 00:01:02:03:04:05→33:33:00:01:00:02 dhcpv6-solicit dhcpv6-advertise ";
    assert!(
        lines[0].strip_prefix(solicit).is_some_and(|length| length.parse::<usize>().is_ok()),
        "{}",
        lines[0]
    );
    assert_eq!(
        lines[2],
        "3 1353944096.018625 00:01:02:03:04:05→33:33:00:01:00:02 dhcpv6-request other-server"
    );
    let sum = err(&output);
    assert!(sum.contains("4 frames, 1 answered") && sum.contains("       1 dhcpv6-advertise"), "{sum}");
}

#[test]
fn replay_prints_one_json_object_per_line() {
    let output = frontdesk(&["replay", &capture(), "--leases", &leases(), "--json", "--device", "tap0"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let text = out(&output);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["verdict"], "answer");
    assert_eq!(lines[0]["name"], "dhcpv6-advertise");
    assert_eq!(lines[0]["what"], "dhcpv6-solicit");
    assert_eq!(lines[0]["device"], "tap0");
    assert_eq!(lines[0]["time"], "1353944094.978692");
    assert_eq!(lines[0]["source"], "00:01:02:03:04:05");
    let answer = lines[0]["answer"].as_str().expect("the answer's octets");
    assert_eq!(answer.len() as u64, 2 * lines[0]["length"].as_u64().expect("a length"));
    // To the asker, IPv6, from the router of the lease source.
    assert!(answer.starts_with("00010203040502005e10000186dd6"), "{answer}");
    assert_eq!((&lines[2]["verdict"], &lines[2]["name"]), (&"drop".into(), &"other-server".into()));
    assert!(lines[2].get("answer").is_none());
}

/// tshark reads the output without a word on standard error, in the order question, answer.
#[test]
fn replay_writes_a_capture_of_questions_and_answers() {
    let path = folder("output").join("out.pcapng");
    let name = path.to_str().expect("UTF-8");
    let output = frontdesk(&["replay", &capture(), "--leases", &leases(), "--device", "tap0", "-o", name]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let rows = tshark::fields(&path, "frame", &["dhcpv6.msgtype", "frame.interface_name", "frame.comment"]);
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
    let expected = [
        ["1", "tap0", "frame 1: dhcpv6-advertise"],
        ["2", "tap0", "answer to frame 1: dhcpv6-advertise"],
        ["2", "tap0", "frame 2: rogue-server-message"],
        ["3", "tap0", "frame 3: other-server"],
        ["7", "tap0", "frame 4: rogue-server-message"],
    ];
    assert_eq!(rows, expected);
    let report = tshark::run("capinfos", &["-T", "-r", "-M", "-t", "-c", name]);
    assert!(report.contains("pcapng\t5"), "{report}");
}

#[test]
fn replay_never_writes_over_what_it_reads() {
    let folder = folder("same");
    let original = fs::read(capture()).expect("a capture");
    let copy = file(&folder, "copy.pcap", &original);
    let output = frontdesk(&["replay", &copy, "--leases", &leases(), "-o", &copy]);
    assert_eq!(code(&output), 73, "{}", err(&output));
    assert_eq!(fs::read(&copy).expect("a capture"), original);
    let source = file(&folder, "leases.toml", &fs::read(leases()).expect("leases"));
    let link = folder.join("linked.toml");
    let _ = fs::remove_file(&link);
    fs::hard_link(&source, &link).expect("a second name");
    for output in [&source, link.to_str().expect("UTF-8")] {
        let output = frontdesk(&["replay", &copy, "--leases", &source, "-o", output]);
        assert_eq!(code(&output), 73, "{}", err(&output));
        assert!(err(&output).contains("--leases"), "{}", err(&output));
        assert_eq!(fs::read(&source).expect("there"), fs::read(leases()).expect("there"));
    }
    let nowhere = folder.join("no-such-folder").join("out.pcapng");
    let output = frontdesk(&["replay", &copy, "--leases", &leases(), "-o", nowhere.to_str().expect("UTF-8")]);
    assert_eq!(code(&output), 73, "{}", err(&output));
}

#[test]
fn a_capture_that_breaks_off_ends_with_65_behind_its_verdicts() {
    let whole = fs::read(capture()).expect("a capture");
    let cut = file(&folder("broken"), "cut.pcap", &whole[..whole.len() - 1]);
    let output = frontdesk(&["replay", &cut, "--leases", &leases()]);
    assert_eq!(code(&output), 65, "{}", err(&output));
    assert_eq!(out(&output).lines().count(), 3);
    assert!(err(&output).contains("cut.pcap is broken behind frame 3"), "{}", err(&output));

    let text = of_repository("README.md");
    let output = frontdesk(&["replay", &text, "--leases", &leases()]);
    assert_eq!(code(&output), 65, "{}", err(&output));
    assert!(err(&output).contains("README.md is not a capture"), "{}", err(&output));
}

/// Exit code and standard error of a command line whose standard output goes where the shell says.
fn piped(command: &str) -> (i32, String) {
    let program = env!("CARGO_BIN_EXE_frontdesk");
    let script = format!("frontdesk() {{ '{program}' \"$@\"; }}\n{command}");
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &script]).output().expect("bash");
    (code(&output), err(&output))
}

fn printing() -> [String; 6] {
    let (leases, capture) = (leases(), capture());
    [
        format!("frontdesk check '{leases}'"),
        format!("frontdesk check --json '{leases}'"),
        format!("frontdesk explain '{capture}' --frame 1 --leases '{leases}'"),
        format!("frontdesk explain '{capture}' --frame 1 --leases '{leases}' --json"),
        format!("frontdesk replay '{capture}' --leases '{leases}' 2>/dev/null"),
        "frontdesk demo --show-leases".to_owned(),
    ]
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    for command in printing() {
        // The reader is gone before anything is printed.
        let outcome = piped(&format!("{{ sleep 0.2; {command}; }} | true"));
        assert_eq!(outcome, (0, String::new()), "{command}");
    }
}

#[test]
fn output_that_cannot_be_printed_ends_with_71() {
    let table = folder("full").join("full.table");
    let compile = format!("frontdesk compile '{}' -o '{}'", leases(), table.display());
    for command in printing().into_iter().chain([compile]) {
        let (code, text) = piped(&format!("{command} >/dev/full"));
        assert_eq!(code, 71, "{command}: {text}");
        assert!(command.contains("2>") || text.contains("No space left"), "{command}: {text}");
    }
    // Nobody can be told that standard error is full.
    assert_eq!(piped("frontdesk check /nonexistent 2>/dev/full").0, 66);
}

/// The README's lease source is one that compiles, and every command that it names exists.
#[test]
fn the_readme_is_true_of_the_program() {
    let readme = fs::read_to_string(of_repository("README.md")).expect("a README");
    let source = readme
        .split_once("```toml\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("a lease source")
        .0;
    let leases = file(&folder("readme"), "readme.toml", source.as_bytes());
    let output = frontdesk(&["check", &leases]);
    assert_eq!(code(&output), 0, "{}", out(&output));
    assert!(!out(&output).contains("warning:"), "{}", out(&output));
    for subcommand in SUBCOMMANDS {
        assert!(readme.contains(&format!("| `frontdesk {subcommand}")), "{subcommand} is not in the README");
    }
    let help = out(&frontdesk(&["--help"])).split_whitespace().collect::<Vec<_>>().join(" ");
    let codes =
        readme.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")?.0.parse::<u8>().ok());
    let codes: Vec<u8> = codes.collect();
    assert_eq!(codes.len(), 10);
    for code in codes {
        assert!(help.contains(&format!(" {code} ")), "exit code {code} is not in the help");
    }
}
