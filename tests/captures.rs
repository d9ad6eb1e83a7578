//! Frames that nobody here made: every capture of `pcaps/` through the library, judged by Wireshark's tools.
//!
//! `pcaps/third-party/EXPECTED.tsv` was made without this program: tshark read the fields of every frame that asks for
//! something, and the rules of the standards gave its verdict for the table of `leases.toml`.

#[path = "support/tshark.rs"]
mod tshark;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontdesk::answer::Verdict;
use frontdesk::io::capture::{Capture, CaptureError, Direction, LinkType, Writer};
use frontdesk::io::replay::{Outcome, Settings, Step, replay};
use frontdesk::lease::{LeaseTable, load};

/// One line of the table of expected verdicts.
struct Expected {
    file: String,
    frame: u64,
    message: String,
    verdict: String,
    rule: String,
}

fn pcaps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps")
}

fn third_party() -> PathBuf {
    pcaps().join("third-party")
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("pcaps is part of the repository") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn captures() -> Vec<PathBuf> {
    let is_capture = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng")
    };
    let captures: Vec<PathBuf> = files(&pcaps()).into_iter().filter(is_capture).collect();
    assert!(captures.len() >= 119, "captures are missing: only {} found", captures.len());
    captures
}

fn table() -> Arc<LeaseTable> {
    let path = third_party().join("leases.toml");
    let loaded = load("leases.toml", fs::read(path).expect("part of the repository"));
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    Arc::new(loaded.table)
}

fn steps(path: &Path, table: &Arc<LeaseTable>) -> Vec<Step> {
    let capture = Capture::open(path).unwrap_or_else(|error| panic!("{error}"));
    let steps = replay(capture, table.clone(), Settings::default());
    steps.map(|step| step.unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn expected() -> Vec<Expected> {
    let text = fs::read_to_string(third_party().join("EXPECTED.tsv")).expect("part of the repository");
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [file, frame, message, verdict, rule]: [&str; 5] = line
            .split('\t')
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!("not five columns: {line}"));
        Expected {
            file: file.to_owned(),
            frame: frame.parse().expect("a frame number"),
            message: message.to_owned(),
            verdict: verdict.to_owned(),
            rule: rule.to_owned(),
        }
    });
    rows.collect()
}

/// Packets and octets of every file, as capinfos counts them.
#[test]
fn every_capture_is_read_to_its_end_and_to_its_last_octet() {
    let captures = captures();
    let names: Vec<&str> = captures.iter().map(|path| path.to_str().expect("UTF-8")).collect();
    let report = tshark::run("capinfos", &[["-T", "-r", "-M", "-c", "-d"].as_slice(), &names].concat());
    let mut rows = 0;
    for row in report.lines() {
        let [name, packets, octets] = row
            .split('\t')
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!("not three columns: {row}"));
        let read: Vec<_> = Capture::open(Path::new(name))
            .and_then(Iterator::collect::<Result<_, _>>)
            .unwrap_or_else(|error| panic!("{error}"));
        let length: usize = read.iter().map(|frame| frame.length).sum();
        assert_eq!(
            (read.len().to_string().as_str(), length.to_string().as_str()),
            (packets, octets),
            "{name}"
        );
        rows += 1;
    }
    assert_eq!(rows, captures.len());
}

#[test]
fn every_capture_replays_twice_to_the_same_verdicts_and_octets() {
    let table = table();
    let (mut frames, mut answers) = (0, 0);
    for path in captures() {
        let once = steps(&path, &table);
        assert!(once == steps(&path, &table), "{}: two replays differ", path.display());
        frames += once.len();
        answers += once.iter().filter(|step| !step.answer.is_empty()).count();
    }
    assert!(frames > 2500 && answers > 80, "{frames} frames, {answers} answers");
}

/// A frame without Ethernet shows no MAC, so nobody may be answered (IP-001).
#[test]
fn ip_001_frames_without_ethernet_are_skipped() {
    let table = table();
    let mut links = BTreeSet::new();
    for step in captures().iter().flat_map(|path| steps(path, &table)) {
        if let Outcome::Skipped(link) = step.outcome {
            assert_ne!(link, LinkType::ETHERNET);
            assert!(step.answer.is_empty());
            links.insert(link.0);
        }
    }
    assert_eq!(links, BTreeSet::from([0, 8, 101, 113, 229]));
}

#[test]
fn what_is_no_capture_is_refused_by_name() {
    let texts: Vec<PathBuf> =
        files(&pcaps()).into_iter().filter(|path| path.extension().is_some_and(|e| e == "dat")).collect();
    assert_eq!(texts.len(), 10);
    for path in texts {
        let error = Capture::open(&path).expect_err("hexadecimal text");
        assert!(matches!(error, CaptureError::NotACapture { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().expect("UTF-8")), "{error}");
    }
}

#[test]
fn every_frame_that_asks_gets_the_verdict_of_the_standards() {
    let (table, expected) = (table(), expected());
    assert_eq!(expected.len(), 255, "rows of EXPECTED.tsv");
    let mut by_file: BTreeMap<&str, Vec<&Expected>> = BTreeMap::new();
    for row in &expected {
        by_file.entry(&row.file).or_default().push(row);
    }
    let mut wrong = Vec::new();
    for (file, rows) in by_file {
        let steps = steps(&third_party().join(file), &table);
        for row in rows {
            let step = steps.iter().find(|step| step.frame.number == row.frame);
            let verdict = step.map_or("no such frame", |step| step.outcome.name());
            if verdict != row.verdict {
                let Expected { file, frame, message, verdict: wanted, rule } = row;
                wrong.push(format!("{file} frame {frame}, {message}: {wanted} by {rule}, but was {verdict}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), expected.len(), wrong.join("\n"));
}

/// What is not in the table of expected verdicts asks for nothing, so it gets nothing.
#[test]
fn no_other_frame_is_answered() {
    let (table, expected) = (table(), expected());
    let asking: BTreeSet<(PathBuf, u64)> =
        expected.iter().map(|row| (third_party().join(&row.file), row.frame)).collect();
    for path in captures() {
        for step in steps(&path, &table) {
            let asks = asking.contains(&(path.clone(), step.frame.number));
            assert!(asks || step.answer.is_empty(), "{} frame {}", path.display(), step.frame.number);
        }
    }
}

/// All answers to all captures, and where each came from.
fn answers(damage: fn(&mut Vec<u8>)) -> (tempfile::NamedTempFile, Vec<String>) {
    let table = table();
    let out = tempfile::NamedTempFile::with_suffix(".pcapng").expect("a temporary file");
    let mut writer = Writer::new(File::create(out.path()).expect("a temporary file")).expect("written");
    let interface = writer.interface(Some("tap0")).expect("written");
    let mut origins = Vec::new();
    for path in captures() {
        for step in steps(&path, &table).iter_mut().filter(|step| !step.answer.is_empty()) {
            let Outcome::Verdict(Verdict::Answer { kind, length }) = step.outcome else {
                panic!("octets without an answer: {} frame {}", path.display(), step.frame.number);
            };
            assert_eq!(length, step.answer.len());
            origins.push(format!("{} frame {}: {}", path.display(), step.frame.number, kind.name()));
            damage(&mut step.answer);
            let (time, octets) = (step.frame.time, &step.answer);
            writer.frame(interface, Direction::Outbound, time, length, octets, None).expect("written");
        }
    }
    writer.finish().expect("written");
    (out, origins)
}

/// Frames that tshark calls malformed or warns of: severities of warnings and errors, and checksums that do not match.
const COMPLAINTS: &str = "_ws.malformed || _ws.expert.severity >= 0x00600000 \
     || (icmpv6 && icmpv6.checksum.status != 1) || (udp && udp.checksum.status != 1)";

#[test]
fn every_answer_dissects_in_tshark_without_a_complaint() {
    let (out, origins) = answers(|_| ());
    let protocols = tshark::fields(
        out.path(),
        "icmpv6.nd.na.flag || icmpv6.type in {129, 134} || dhcpv6",
        &["frame.number", "_ws.col.Info"],
    );
    assert_eq!(protocols.len(), origins.len(), "every answer is one of ours to tshark too");
    let complaints = tshark::fields(out.path(), COMPLAINTS, &["frame.number", "_ws.expert.message"]);
    let named = complaints.iter().map(|row| {
        let number: usize = row[0].parse().expect("a frame number");
        format!("{}: {}", origins[number - 1], row[1])
    });
    let named: Vec<String> = named.collect();
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// The check above is one that can fail: an octet of damage in every answer, and tshark complains of every one.
#[test]
fn tshark_complains_of_every_damaged_answer() {
    let (out, origins) = answers(|octets| {
        if let Some(last) = octets.last_mut() {
            *last ^= 1;
        }
    });
    let complaints = tshark::fields(out.path(), COMPLAINTS, &["frame.number"]);
    assert_eq!(complaints.len(), origins.len());
}
