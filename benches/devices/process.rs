//! What the kernel says of the dataplane's process.

use std::fs;

const KIB: f64 = 1024.0;

/// Resident memory, and the part of it that is receive rings, in MiB.
pub(crate) fn memory(pid: u32) -> (f64, f64) {
    let resident = status(&format!("/proc/{pid}/status"), "VmRSS:") / KIB;
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a process");
    let mut rings = 0.0;
    let mut is_ring = false;
    for line in maps.lines() {
        let first = line.split(' ').next().unwrap_or_default();
        if !first.ends_with(':') {
            is_ring = line.contains("socket:[");
        } else if is_ring && first == "Rss:" {
            rings += number(line);
        }
    }
    (resident, rings / KIB)
}

/// How often the threads of a process have gone to sleep so far: as often as they were woken.
pub(crate) fn sleeps(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten();
    tasks.map(|task| status(&task.path().join("status").to_string_lossy(), "voluntary_ctxt_switches:")).sum()
}

fn status(path: &str, field: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().find(|line| line.starts_with(field)).map_or(0.0, number)
}

/// The number in a line behind its field's name.
fn number(line: &str) -> f64 {
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
