//! `frontdesk explain`: say why one frame of a capture is answered as it is.

use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::{Failure, exit, leases, print};
use crate::answer::{Notes, Silent, Verdict};
use crate::engine::Checksum;
use crate::io::capture::Capture;
use crate::io::label::label;
use crate::io::replay::{self, Outcome, Settings, Step};
use crate::lease::{LeaseTable, Lookup, Port};
use crate::types::MacAddr;
use crate::wire::frame::Frame;

const AFTER: &str = "\
Exit codes: 0 explained; 65 the capture or the leases have errors, or there is no such frame; 66 a file cannot be read; \
71 the text cannot be printed.

Example:
  frontdesk explain guests.pcapng --frame 7 --leases leases.toml";

/// Say why one frame of a capture is answered as it is.
///
/// Prints what the frame is, whose lease it meets and what that lease holds, every rule that decided, where each option
/// of the answer was written in the lease source, and the octets of the answer. The frames before it are replayed
/// first, as `frontdesk replay` does. Needs no privileges and sends nothing.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Args {
    /// Capture to read: pcap or pcapng
    capture: PathBuf,
    /// Number of the frame, from 1, as Wireshark counts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frame: u64,
    /// Lease source (TOML or JSON) or compiled table
    #[arg(long, value_name = "LEASES")]
    leases: PathBuf,
    /// Device that every frame came in on [default: the interface name that a pcapng gives, or none]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Do not verify checksums: for captures from a tap or veth, where they are still partial
    #[arg(long)]
    trust_checksums: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let table = leases::load(&args.leases)?;
    let capture = Capture::open(&args.capture).map_err(|error| super::replay::unreadable(&error))?;
    let checksum = if args.trust_checksums { Checksum::Partial } else { Checksum::Unknown };
    let settings = Settings { device: args.device.clone(), checksum };
    let (step, notes) = step(args, replay::replay(capture, Arc::clone(&table), settings))?;
    let lease = lease(&table, &step);
    if args.json {
        print::text(format_args!("{}\n", in_json(&step, lease.as_ref(), &notes)))?;
    } else {
        print::text(in_text(&step, lease.as_ref(), &notes))?;
    }
    Ok(exit::OK)
}

/// Replays up to the frame and keeps the reasons of that one.
fn step(args: &Args, mut replay: replay::Replay) -> Result<(Step, Vec<String>), Failure> {
    for number in 1..=args.frame {
        let mut notes = Notes::default();
        let next = if number == args.frame {
            replay.next_traced(&mut notes)
        } else {
            replay.next_traced(&mut Silent)
        };
        let Some(step) = next else {
            let name = args.capture.display();
            let have = number - 1;
            let message = format!("{name}: has {have} frames, so there is no frame {}", args.frame);
            return Err(Failure::new(exit::DATA, message));
        };
        let step = step.map_err(|error| super::replay::unreadable(&error))?;
        if number == args.frame {
            return Ok((step, notes.0));
        }
    }
    Err(Failure::new(exit::USAGE, "frames are counted from 1"))
}

/// What the lease of a frame's sender holds, by the names of the lease source.
struct Lease {
    port: u32,
    fields: Vec<(&'static str, String)>,
}

fn lease(table: &LeaseTable, step: &Step) -> Option<Lease> {
    let frame = Frame::parse(&step.frame.octets, 0, step.frame.length).ok()?;
    match table.find(frame.vlan, frame.source_mac, table.device(&step.device)) {
        Lookup::Found(id) => table.port(id).map(|port| describe(table, &port)),
        Lookup::WrongDevice | Lookup::Unknown => None,
    }
}

fn describe(table: &LeaseTable, port: &Port<'_>) -> Lease {
    let network = port.network();
    let list = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(" ") };
    let address = |octets: &[u8; 16]| Ipv6Addr::from_octets(*octets).to_string();
    let mut fields = vec![
        ("mac_address", port.mac().to_string()),
        ("network", network.name().to_owned()),
        ("vlan", if port.vlan() == 0 { "untagged".to_owned() } else { port.vlan().to_string() }),
        ("device", port.device().map_or_else(|| "any".to_owned(), |d| table.device_name(d).to_owned())),
        ("addresses by DHCPv6", list(port.addresses().iter().map(address).collect())),
        ("addresses by SLAAC", list(port.slaac_addresses().map(|a| a.to_string()).collect())),
        (
            "delegated_prefixes",
            list(port.prefixes().iter().map(|p| format!("{}/{}", address(&p.prefix), p.length)).collect()),
        ),
        ("answered for", list(network.own_addresses().iter().map(address).collect())),
    ];
    fields.retain(|(_, value)| !value.is_empty());
    Lease { port: port.id().0, fields }
}

fn in_text(step: &Step, lease: Option<&Lease>, notes: &[String]) -> String {
    let mut text = String::new();
    let frame = &step.frame;
    let device = if step.device.is_empty() { String::new() } else { format!(" on {}", step.device) };
    let what = label(&frame.octets);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "frame {}{device}: {what}, {} octets", frame.number, frame.length);
    if let [d @ .., _, _, _, _, _, _] = frame.octets.get(..12).unwrap_or(&[])
        && let (Ok(to), Some(from)) = (<[u8; 6]>::try_from(d), frame.octets.get(6..12))
        && let Ok(from) = <[u8; 6]>::try_from(from)
    {
        let _ = writeln!(text, "  from {} to {}", MacAddr(from), MacAddr(to));
    }
    match lease {
        Some(lease) => {
            let _ = writeln!(text, "lease: ports[{}]", lease.port);
            for (name, value) in &lease.fields {
                let _ = writeln!(text, "  {name}: {value}");
            }
        }
        None => text.push_str("lease: none for this MAC, VLAN and device\n"),
    }
    text.push_str("why:\n");
    for note in notes {
        let _ = writeln!(text, "  {note}");
    }
    let _ = match step.outcome {
        Outcome::Verdict(Verdict::Answer { length, .. }) => {
            writeln!(text, "verdict: answered by {}, {length} octets", step.outcome.name())
        }
        Outcome::Verdict(Verdict::Pass) => writeln!(text, "verdict: pass, it is not for us"),
        Outcome::Verdict(Verdict::Metadata) => {
            writeln!(text, "verdict: metadata, the guest's TCP stack has the word")
        }
        Outcome::Verdict(Verdict::Drop(reason)) => {
            writeln!(text, "verdict: dropped, {}: {}", reason.name(), reason.remark())
        }
        Outcome::Skipped(link) => writeln!(text, "verdict: skipped, link type {link} shows no MAC"),
    };
    for (line, octets) in step.answer.chunks(16).enumerate() {
        let hex: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let _ = writeln!(text, "  {:04x}  {}", line * 16, hex.join(" "));
    }
    text
}

fn in_json(step: &Step, lease: Option<&Lease>, notes: &[String]) -> serde_json::Value {
    let fields = lease.map(|lease| {
        let fields: serde_json::Map<_, _> =
            lease.fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ "port": lease.port, "fields": fields })
    });
    json!({
        "frame": step.frame.number,
        "device": &*step.device,
        "what": label(&step.frame.octets),
        "lease": fields,
        "why": notes,
        "verdict": step.outcome.name(),
        "answer": step.answer.iter().map(|octet| format!("{octet:02x}")).collect::<String>(),
    })
}
