//! `frontdesk replay`: Run a capture through the dataplane and print every frame's verdict.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::print::{self, Printer};
use super::{Failure, exit, leases};
use crate::answer::{Reason, Verdict};
use crate::engine::Checksum;
use crate::io::capture::{Capture, CaptureError, Direction, Writer};
use crate::io::label::label;
use crate::io::replay::{self, Outcome, Replay, Settings, Step};
use crate::types::MacAddr;

const AFTER: &str = "\
Exit codes: 0 every frame was read; 65 the capture or the leases have errors; 66 a file cannot be read; 71 the verdicts \
cannot be printed; 73 the output cannot be written.

Example:
  frontdesk replay guests.pcapng --leases leases.toml -o answers.pcapng";

/// Run a capture through the dataplane and print every frame's verdict.
///
/// One line per frame: number, time, source MAC → destination MAC, what it is, and the verdict: an answer with its
/// length in octets, a drop reason, `metadata` for a segment of a connection to the metadata service (which a replay does
/// not answer), `pass` for what is not for us, `skipped` for a link that is not Ethernet. Needs
/// no privileges and sends nothing. Exits with 65 when the capture breaks off, after the verdicts of the frames before.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// Capture to read: pcap or pcapng
    capture: PathBuf,
    /// Lease source (TOML or JSON) or compiled table
    #[arg(long, value_name = "LEASES")]
    leases: PathBuf,
    /// Device that every frame came in on [default: the interface name that a pcapng gives, or none]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Capture to write: each Ethernet frame, followed by its answer
    #[arg(short, long, value_name = "OUT.pcapng")]
    output: Option<PathBuf>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Do not verify checksums: for captures from a tap or veth, where they are still partial
    #[arg(long)]
    trust_checksums: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let table = leases::load(&args.leases)?;
    let capture = Capture::open(&args.capture).map_err(|error| unreadable(&error))?;
    let checksum = if args.trust_checksums { Checksum::Partial } else { Checksum::Unknown };
    let settings = Settings { device: args.device.clone(), checksum };
    let output = args.output.as_deref();
    let output = output.map(|path| Output::create(path, &args.capture, &args.leases));
    let mut output = output.transpose()?;

    let replay = replay::replay(capture, table, settings);
    let (summary, broken) = steps(replay, args.json, output.as_mut())?;
    if let Some(output) = output {
        output.finish()?;
    }
    summary.print(&args.capture.display().to_string());
    broken.map_or(Ok(exit::OK), |error| Err(unreadable(&error)))
}

/// Replays to the end and prints every step and the summary.
pub(super) fn print_all(replay: Replay) -> Result<(), Failure> {
    let name = replay.name().to_owned();
    let (summary, broken) = steps(replay, false, None)?;
    summary.print(&name);
    broken.map_or(Ok(()), |error| Err(unreadable(&error)))
}

/// Prints every step; the error is the one that ended the capture early.
fn steps(
    replay: Replay,
    as_json: bool,
    mut output: Option<&mut Output>,
) -> Result<(Summary, Option<CaptureError>), Failure> {
    let mut out = Printer::new();
    let mut summary = Summary::default();
    let mut broken = None;
    for step in replay {
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                broken = Some(error);
                break;
            }
        };
        let line = if as_json { in_json(&step) } else { in_text(&step) };
        // A capture is written to its end, whoever reads the lines.
        if !out.print(format_args!("{line}\n"))? && output.is_none() {
            break;
        }
        summary.count(&step);
        if let Some(output) = output.as_deref_mut() {
            output.step(&step)?;
        }
    }
    out.finish()?;
    Ok((summary, broken))
}

fn in_text(step: &Step) -> String {
    let frame = &step.frame;
    let (source, destination) = addresses(&frame.octets);
    let time = replay::seconds(frame.time);
    let Outcome::Verdict(verdict) = step.outcome else {
        return format!("{} {time} - skipped: {}", frame.number, skipped(step.outcome));
    };
    let what = label(&frame.octets);
    let name = step.outcome.name();
    let length = match verdict {
        Verdict::Answer { length, .. } => format!(" {length}"),
        Verdict::Metadata | Verdict::Pass | Verdict::Drop(_) => String::new(),
    };
    format!("{} {time} {source}→{destination} {what} {name}{length}", frame.number)
}

fn in_json(step: &Step) -> String {
    let frame = &step.frame;
    let (source, destination) = addresses(&frame.octets);
    let kind = match step.outcome {
        Outcome::Verdict(Verdict::Answer { .. }) => "answer",
        Outcome::Verdict(Verdict::Metadata) => "metadata",
        Outcome::Verdict(Verdict::Pass) => "pass",
        Outcome::Verdict(Verdict::Drop(_)) => "drop",
        Outcome::Skipped(_) => "skipped",
    };
    let mut line = json!({
        "frame": frame.number,
        "time": replay::seconds(frame.time),
        "device": &*step.device,
        "verdict": kind,
        "name": step.outcome.name(),
    });
    let more = match step.outcome {
        Outcome::Skipped(link) => json!({ "link_type": link.0 }),
        Outcome::Verdict(_) => json!({
            "source": source,
            "destination": destination,
            "what": label(&frame.octets),
        }),
    };
    merge(&mut line, more);
    if !step.answer.is_empty() {
        merge(&mut line, json!({ "length": step.answer.len(), "answer": hex(&step.answer) }));
    }
    line.to_string()
}

fn merge(line: &mut serde_json::Value, more: serde_json::Value) {
    if let (Some(line), serde_json::Value::Object(more)) = (line.as_object_mut(), more) {
        line.extend(more);
    }
}

fn skipped(outcome: Outcome) -> String {
    match outcome {
        Outcome::Skipped(link) => format!("link type {link} does not show the guest's MAC"),
        Outcome::Verdict(_) => String::new(),
    }
}

/// Source and destination MAC; a dash for one that was not captured.
fn addresses(octets: &[u8]) -> (String, String) {
    let at = |first: usize| {
        let octets = octets.get(first..).and_then(|rest| rest.first_chunk::<6>());
        octets.map_or_else(|| "-".to_owned(), |octets| MacAddr(*octets).to_string())
    };
    (at(6), at(0))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// How many frames met which fate.
#[derive(Default)]
struct Summary {
    frames: u64,
    answered: u64,
    by_name: BTreeMap<&'static str, u64>,
}

impl Summary {
    fn count(&mut self, step: &Step) {
        self.frames += 1;
        self.answered += u64::from(!step.answer.is_empty());
        *self.by_name.entry(step.outcome.name()).or_default() += 1;
    }

    fn print(&self, name: &str) {
        print::note(format_args!("{name}: {} frames, {} answered", self.frames, self.answered));
        for (name, count) in &self.by_name {
            print::note(format_args!("{count:>8} {name}"));
        }
        if self.by_name.contains_key(Reason::WrongDevice.name()) {
            print::note("ports pinned to a device were met on another one: name theirs with --device");
        }
        if self.by_name.contains_key(Reason::BadChecksum.name()) {
            print::note(
                "if the capture is from a tap or veth, checksums may be partial: see --trust-checksums",
            );
        }
    }
}

/// The capture of questions and answers.
struct Output {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    /// Names of the interfaces written; their number is their place.
    interfaces: Vec<String>,
}

impl Output {
    fn create(path: &Path, capture: &Path, leases: &Path) -> Result<Self, Failure> {
        for (input, what) in [(capture, "the capture to read"), (leases, "the file of --leases")] {
            if same(path, input) {
                let message = format!("{} is {what}; choose another --output", path.display());
                return Err(Failure::new(exit::CANNOT_CREATE, message));
            }
        }
        let writer = File::create(path).and_then(|file| Writer::new(BufWriter::new(file)));
        let writer = writer.map_err(|error| cannot_write(path, &error))?;
        Ok(Self { path: path.to_owned(), writer, interfaces: Vec::new() })
    }

    fn step(&mut self, step: &Step) -> Result<(), Failure> {
        if matches!(step.outcome, Outcome::Skipped(_)) {
            return Ok(());
        }
        self.write(step).map_err(|error| cannot_write(&self.path, &error))
    }

    fn write(&mut self, step: &Step) -> io::Result<()> {
        let place = match self.interfaces.iter().position(|name| **name == *step.device) {
            Some(place) => u32::try_from(place).unwrap_or(u32::MAX),
            None => {
                self.interfaces.push(step.device.to_string());
                self.writer.interface(Some(&*step.device).filter(|name| !name.is_empty()))?
            }
        };
        let frame = &step.frame;
        let comment = format!("frame {}: {}", frame.number, step.outcome.name());
        let (question, answer) = (Direction::Inbound, Direction::Outbound);
        self.writer.frame(place, question, frame.time, frame.length, &frame.octets, Some(&comment))?;
        if step.answer.is_empty() {
            return Ok(());
        }
        let comment = format!("answer to frame {}: {}", frame.number, step.outcome.name());
        self.writer.frame(place, answer, frame.time, step.answer.len(), &step.answer, Some(&comment))
    }

    fn finish(self) -> Result<(), Failure> {
        self.writer.finish().map(|_| ()).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Two names of one file.
fn same(a: &Path, b: &Path) -> bool {
    let inode = |path: &Path| {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some((file.dev(), file.ino()))
    };
    inode(a).is_some_and(|a| inode(b) == Some(a))
}

pub(super) fn unreadable(error: &CaptureError) -> Failure {
    let code = match error {
        CaptureError::Read { .. } => exit::NO_INPUT,
        CaptureError::NotACapture { .. } | CaptureError::Broken { .. } => exit::DATA,
    };
    Failure::new(code, error.to_string())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(exit::CANNOT_CREATE, format!("cannot write {}: {error}", path.display()))
}
