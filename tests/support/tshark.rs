//! Wireshark's command line tools as a second opinion. Where they are missing the test fails and names the package.
#![allow(dead_code, reason = "every test uses its part")]

use std::path::Path;
use std::process::Command;

/// Standard output of one of the tools.
pub fn run(tool: &str, arguments: &[&str]) -> String {
    let output = match Command::new(tool).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {tool}: {error}; install it with: apt-get install tshark"),
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {}: {complaints}", output.status);
    String::from_utf8(output.stdout).expect("the tools print UTF-8")
}

/// The named fields of every frame that `filter` lets through, one row per frame; checksums are verified.
pub fn fields(capture: &Path, filter: &str, names: &[&str]) -> Vec<Vec<String>> {
    let capture = capture.to_str().expect("a UTF-8 path");
    let mut arguments = vec!["-n", "-o", "udp.check_checksum:TRUE", "-r", capture, "-Y", filter];
    arguments.extend(["-T", "fields", "-E", "separator=/t"]);
    arguments.extend(names.iter().flat_map(|name| ["-e", name]));
    let rows = run("tshark", &arguments);
    rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
}
