//! Runs the frames of a capture through the engine as the live worker does, with the capture's own clock.
//!
//! Needs no privileges, sends nothing and keeps no frame. Only frames of Ethernet interfaces are asked about: a
//! cooked or raw capture does not show the source MAC and destination that an answer depends on, so its frames are
//! skipped and said to be. Unsolicited RAs are not made: a capture is a list of questions.

use std::sync::Arc;
use std::time::Duration;

use super::capture::{Capture, CaptureError, Frame, LinkType};
use crate::answer::{Silent, Trace, Verdict};
use crate::engine::{Checksum, Engine, RxFrame};
use crate::lease::LeaseTable;
use crate::types::limits::MAX_FRAME;
use crate::types::{Instant, MacAddr};

/// How a capture is to be understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The device that every frame came in on; `None` for the names that the capture gives, if it does.
    pub device: Option<String>,
    /// What is known of the frames' checksums: `Partial` for a capture from a tap or veth, where the sender left
    /// them to hardware that is not there.
    pub checksum: Checksum,
}

impl Default for Settings {
    /// Devices as the capture names them; checksums are verified.
    fn default() -> Self {
        Self { device: None, checksum: Checksum::Unknown }
    }
}

/// What became of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The engine's verdict.
    Verdict(Verdict),
    /// Not Ethernet: the engine was not asked.
    Skipped(LinkType),
}

/// One frame, what became of it, and the answer's octets, empty when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The frame.
    pub frame: Frame,
    /// The device that it came in on; empty when nobody says.
    pub device: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
    /// The whole Ethernet frame that would be sent.
    pub answer: Vec<u8>,
}

/// A replay under way: an iterator over the steps that ends with the capture or its first error.
#[derive(Debug)]
pub struct Replay {
    capture: Capture,
    settings: Settings,
    engine: Engine,
    /// Names of the attached devices; the engine's number of a device is its place here plus one.
    devices: Vec<Arc<str>>,
    now: Instant,
    out: Box<[u8]>,
}

impl Outcome {
    /// The name that is printed and counted: an answer kind, a drop reason, `pass` or `skipped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict(Verdict::Answer { kind, .. }) => kind.name(),
            Self::Verdict(Verdict::Pass) => "pass",
            Self::Verdict(Verdict::Metadata) => "metadata",
            Self::Verdict(Verdict::Drop(reason)) => reason.name(),
            Self::Skipped(_) => "skipped",
        }
    }
}

/// Starts the replay of a capture against a table.
#[must_use]
pub fn replay(capture: Capture, table: Arc<LeaseTable>, settings: Settings) -> Replay {
    Replay {
        capture,
        settings,
        engine: Engine::new(table, 0),
        devices: Vec::new(),
        now: Instant::default(),
        out: vec![0; MAX_FRAME].into_boxed_slice(),
    }
}

impl Replay {
    /// The capture's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.capture.name()
    }

    /// The next step, with a reader for the reasons of its verdict.
    pub fn next_traced<T: Trace>(&mut self, trace: &mut T) -> Option<Result<Step, CaptureError>> {
        Some(self.capture.next()?.map(|frame| self.step(frame, trace)))
    }

    fn step<T: Trace>(&mut self, frame: Frame, trace: &mut T) -> Step {
        // The engine's time never goes back; captures merged from several machines do.
        self.now = self.now.max(Instant(u64::try_from(frame.time.as_micros()).unwrap_or(u64::MAX)));
        let (number, device) = self.device(frame.interface);
        let link = self.capture.interfaces().get(frame.interface).map_or(LinkType(u16::MAX), |i| i.link);
        if link != LinkType::ETHERNET {
            return Step { frame, device, outcome: Outcome::Skipped(link), answer: Vec::new() };
        }
        let received = RxFrame {
            device: number,
            vlan: 0,
            checksum: self.settings.checksum,
            length: frame.length,
            octets: &frame.octets,
        };
        let verdict = self.engine.frame_traced(self.now, received, &mut self.out, trace);
        let answer = match verdict {
            Verdict::Answer { length, .. } => self.out.get(..length).unwrap_or(&self.out).to_vec(),
            _ => Vec::new(),
        };
        Step { frame, device, outcome: Outcome::Verdict(verdict), answer }
    }

    /// The engine's number and the name of an interface's device; attached when it is met first.
    fn device(&mut self, interface: usize) -> (u32, Arc<str>) {
        let interface = if self.settings.device.is_some() { 0 } else { interface };
        while self.devices.len() <= interface {
            let place = self.devices.len();
            let of_capture = self.capture.interfaces().get(place).and_then(|i| i.name.as_deref());
            let name: Arc<str> = self.settings.device.as_deref().or(of_capture).unwrap_or("").into();
            self.engine.attach(device_number(place), &name, MacAddr::default(), self.now);
            self.devices.push(name);
        }
        let name = self.devices.get(interface).cloned().unwrap_or_else(|| "".into());
        (device_number(interface), name)
    }
}

fn device_number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
}

impl Iterator for Replay {
    type Item = Result<Step, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_traced(&mut Silent)
    }
}

/// A moment of a capture as seconds and microseconds, `1510931281.123456`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}
