//! The captures of `pcaps/clients`: what real clients sent is sent again, and must meet the verdict that stands beside.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontdesk::engine::Checksum;
use frontdesk::io::capture::Capture;
use frontdesk::io::replay::{Settings, replay};
use frontdesk::lease::LeaseTable;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn table() -> Arc<LeaseTable> {
    let source = fs::read(project("fixtures/clients.toml")).expect("the leases");
    let loaded =
        frontdesk::lease::load("clients.toml", source).unwrap_or_else(|problems| panic!("{problems}"));
    Arc::new(loaded.table)
}

/// Number and verdict of every frame that the guest with this MAC sent on this device, one per line.
fn verdicts(capture: &Path, mac: &str, device: &str) -> String {
    let octets: Vec<u8> = mac.split(':').map(|two| u8::from_str_radix(two, 16).expect("a MAC")).collect();
    // Guests leave checksums to a device that is none, so the captures hold partial ones.
    let settings = Settings { device: Some(device.into()), checksum: Checksum::Partial };
    let steps = replay(Capture::open(capture).expect("a capture"), table(), settings);
    let steps = steps.map(|step| step.expect("a whole capture"));
    let of_guest = steps.filter(|step| step.frame.octets.get(6..12) == Some(&octets));
    of_guest.map(|step| format!("{} {}\n", step.frame.number, step.outcome.name())).collect()
}

/// The captures, in the order of their names.
fn captures() -> Vec<PathBuf> {
    let files = fs::read_dir(project("pcaps/clients")).expect("pcaps/clients");
    let paths = files.map(|file| file.expect("a file").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|is| is == "pcap")).collect();
    paths.sort();
    paths
}

#[test]
fn every_recorded_frame_meets_the_verdict_that_stands_beside_it() {
    let captures = captures();
    assert!(captures.len() >= 47, "only {} captures", captures.len());
    for capture in captures {
        let expected = fs::read_to_string(capture.with_extension("verdicts")).unwrap_or_default();
        let name = capture.display();
        let (guest, expected) = expected.split_once('\n').unwrap_or_else(|| panic!("{name}: no verdicts"));
        let guest = guest.trim_start_matches("guest ");
        let (mac, device) = guest.split_once(" on ").unwrap_or((guest, "tap0"));
        let found = verdicts(&capture, mac, device);
        assert_eq!(found, expected, "{name}: {mac}: found\n{found}");
    }
}

#[test]
fn every_capture_stands_in_the_index() {
    let index = fs::read_to_string(project("pcaps/clients/INDEX.md")).expect("an index");
    for capture in captures() {
        let name = capture.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(index.contains(&format!("| {name} |")), "{name} is not in INDEX.md");
    }
}
