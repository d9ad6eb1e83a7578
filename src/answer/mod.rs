//! The pure function: one frame and the lease table in, the octets of the answer out.
//!
//! It has no clock, no randomness, no state and no socket; the same frame and table give the same octets. What it
//! decides, and where:
//!
//! | frame | file | answer |
//! |---|---|---|
//! | Router Solicitation | `router.rs` | the network's RA, to the asker; to ff02::1 when it has no address yet |
//! | Neighbor Solicitation for an address of ours | `neighbor.rs` | Neighbor Advertisement |
//! | echo request to an address of ours | `echo.rs` | echo reply |
//! | DHCPv6 to ff02::1:2 | `dhcp6/` | Advertise or Reply |
//! | TCP to a metadata service | `tcp.rs` | [`Verdict::Metadata`]: the guest's stack has the word |
//! | anything else | – | [`Verdict::Pass`] |
//!
//! Who asks is decided by `guard.rs`: source MAC, VLAN and device of the frame, nothing inside the packet (IP-001).
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects
    )
)]

mod dhcp6;
mod echo;
mod event;
mod guard;
mod neighbor;
mod reason;
mod router;
mod tcp;
mod trace;

pub use event::{Event, Happening};
pub use reason::{AnswerKind, Reason, Verdict};
pub use router::unsolicited;
pub use trace::{Notes, Silent, Trace};

use crate::lease::{DeviceId, LeaseTable, PortId};
use crate::wire::checksum::Checksum;
use crate::wire::frame::{Frame, ICMP6, Refusal, TCP, UDP, Udp, may_be_ours};
use crate::wire::{Full, dhcp6 as dhcp, ndp};
use guard::Asker;

/// One received frame and what the port said about it.
#[derive(Clone, Copy, Debug)]
pub struct Ingress<'a> {
    /// The table's number of the device that it came in on; `None` when no port is pinned to that device.
    pub device: Option<DeviceId>,
    /// VLAN id of a tag that the kernel has taken out of the octets; 0 when there was none.
    pub vlan: u16,
    /// What is known of its checksum.
    pub checksum: Checksum,
    /// Octets of the frame before the capture cut it off; equal to `octets.len()` when it was not cut.
    pub length: usize,
    /// The octets, from the destination MAC on; a VLAN tag may still be inside.
    pub octets: &'a [u8],
}

/// What became of a frame, and which port sent it if that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What is done with the frame.
    pub verdict: Verdict,
    /// The port whose guest sent it.
    pub port: Option<PortId>,
}

/// Outcome of one exchange: the kind and length of the answer, or why there is none.
type Outcome = Result<(AnswerKind, usize), Reason>;

impl From<Full> for Reason {
    fn from(_: Full) -> Self {
        Self::AnswerTooLong
    }
}

/// What a frame of our protocols asks for.
#[derive(Clone, Copy, Debug)]
enum Question<'f> {
    Router,
    Neighbor,
    Echo,
    Dhcp(Udp<'f>),
    /// Sent by routers only.
    RogueRouter,
    /// Sent by DHCPv6 servers only.
    RogueServer,
    BadUdp,
}

/// Answers one frame into `out`, which should hold [`MAX_FRAME`](crate::types::limits::MAX_FRAME) octets; a shorter
/// buffer only makes long answers impossible.
pub fn answer<T: Trace>(
    table: &LeaseTable,
    ingress: &Ingress<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Answered {
    let stranger = |verdict| Answered { verdict, port: None };
    if !may_be_ours(ingress.octets) {
        trace.note(|| "the byte pre-test: neither ICMPv6 of ours nor DHCPv6 nor TCP".into());
        return stranger(Verdict::Pass);
    }
    let frame = match Frame::parse(ingress.octets, ingress.vlan, ingress.length) {
        Ok(frame) => frame,
        Err(Refusal::NotOurs) => return stranger(Verdict::Pass),
        Err(refusal) => return stranger(Verdict::Drop(refusal.into())),
    };
    if frame.next_header == TCP {
        return tcp::answer(table, &frame, ingress, out, trace);
    }
    let Some(question) = question(&frame) else {
        trace.note(|| "no protocol of ours inside".into());
        return stranger(Verdict::Pass);
    };
    if let Question::Dhcp(udp) = question
        && let Some(relay) = dhcp6::relay::trusted(table, &frame, &udp, ingress.device)
    {
        let (outcome, port) = match check(&frame, question, ingress.checksum) {
            Ok(()) => dhcp6::relay::answer(table, &relay, &frame, &udp, out, trace),
            Err(reason) => (Err(reason), None),
        };
        return Answered { verdict: verdict(outcome), port };
    }
    if let (Question::Neighbor, Some(device)) = (question, ingress.device)
        && let Some(relay) = table.relay().filter(|relay| relay.trusts(device))
        && let Some(outcome) = neighbor::for_relay(&relay, &frame, out, trace)
    {
        let outcome = check(&frame, question, ingress.checksum).and(outcome);
        return stranger(verdict(outcome));
    }
    let asker = match Asker::find(table, &frame, ingress.device, trace) {
        Ok(asker) => asker,
        Err(reason) => return stranger(Verdict::Drop(reason)),
    };
    let outcome = check(&frame, question, ingress.checksum).and_then(|()| ask(&asker, question, out, trace));
    Answered { verdict: verdict(outcome), port: Some(asker.port.id()) }
}

fn verdict(outcome: Outcome) -> Verdict {
    match outcome {
        Ok((kind, length)) => Verdict::Answer { kind, length },
        Err(reason) => Verdict::Drop(reason),
    }
}

fn question<'f>(frame: &Frame<'f>) -> Option<Question<'f>> {
    match (frame.next_header, frame.message.first()) {
        (ICMP6, Some(&ndp::ROUTER_SOLICITATION)) => Some(Question::Router),
        (ICMP6, Some(&ndp::NEIGHBOR_SOLICITATION)) => Some(Question::Neighbor),
        (ICMP6, Some(&ndp::ECHO_REQUEST)) => Some(Question::Echo),
        (ICMP6, Some(&(ndp::ROUTER_ADVERTISEMENT | ndp::REDIRECT))) => Some(Question::RogueRouter),
        (UDP, _) => {
            let port = frame.message.get(2..4).and_then(|p| p.try_into().ok()).map(u16::from_be_bytes);
            match (port, Udp::parse(frame.message)) {
                (Some(dhcp::SERVER_PORT), Ok(udp)) => Some(Question::Dhcp(udp)),
                (Some(dhcp::CLIENT_PORT), Ok(_)) => Some(Question::RogueServer),
                (Some(dhcp::SERVER_PORT | dhcp::CLIENT_PORT), Err(_)) => Some(Question::BadUdp),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Refuses what no guest should send, and what was damaged on its way.
fn check(frame: &Frame<'_>, question: Question<'_>, checksum: Checksum) -> Result<(), Reason> {
    match question {
        Question::RogueRouter => return Err(Reason::RogueRouter),
        Question::RogueServer => return Err(Reason::RogueServer),
        Question::BadUdp => return Err(Reason::BadUdp),
        // RFC 8200 §8.1: a UDP datagram without a checksum is discarded (IP-006).
        Question::Dhcp(udp) if udp.checksum == 0 => return Err(Reason::BadChecksum),
        _ => {}
    }
    if frame.is_checksum_right(checksum) { Ok(()) } else { Err(Reason::BadChecksum) }
}

fn ask<T: Trace>(asker: &Asker<'_, '_>, question: Question<'_>, out: &mut [u8], trace: &mut T) -> Outcome {
    match question {
        Question::Router => router::answer(asker, out, trace),
        Question::Neighbor => neighbor::answer(asker, out, trace),
        Question::Echo => echo::answer(asker, out, trace),
        Question::Dhcp(udp) => dhcp6::answer(asker, udp.payload, out, trace),
        Question::RogueRouter => Err(Reason::RogueRouter),
        Question::RogueServer => Err(Reason::RogueServer),
        Question::BadUdp => Err(Reason::BadUdp),
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotOurs | Refusal::Truncated => Self::Truncated,
            Refusal::Oversized => Self::Oversized,
            Refusal::StackedVlan => Self::StackedVlan,
            Refusal::ForeignTag => Self::ForeignTag,
            Refusal::BadSourceMac => Self::BadSourceMac,
            Refusal::BadIpv6 => Self::BadIpv6,
            Refusal::BadExtensionHeader => Self::BadExtensionHeader,
            Refusal::Fragment => Self::Fragment,
        }
    }
}
