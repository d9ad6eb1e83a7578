//! What guests send, written by libraries and layouts that are not the crate's own, and what each answer must be.

use etherparse::PacketBuilder;
use frontdesk::lease::LeaseTable;

use crate::support::mac;

#[path = "../../tests/support/frames.rs"]
mod guests;

use guests::{Guest, client_id, ia_na, ia_pd, option, oro};

/// Types of messages (RFC 4861 §4, RFC 9915 §7.3).
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const REPLY: u8 = 7;

/// Protocols by their next header, and where the type of a message is: behind the headers of Ethernet and IPv6, and of UDP.
const ICMP: (u8, usize) = (58, 14 + 40);
const DHCP: (u8, usize) = (17, 14 + 40 + 8);
/// Where the next header is.
const PROTOCOL: usize = 14 + 6;

/// A question and its answer.
#[derive(Clone)]
pub(crate) struct Step {
    /// The frame of each guest.
    pub(crate) frames: Vec<Vec<u8>>,
    protocol: (u8, usize),
    /// The type of the answer.
    answer: u8,
    /// The type of the question, which a responder that swaps addresses gives back.
    question: u8,
}

impl Step {
    /// Whether a frame is the answer; `None` for one of another protocol, as an unsolicited RA in the midst of DHCPv6.
    pub(crate) fn is_answer(&self, frame: &[u8]) -> Option<bool> {
        let (protocol, at) = self.protocol;
        (frame.get(PROTOCOL) == Some(&protocol)).then(|| frame.get(at) == Some(&self.answer))
    }
}

/// What a guest and the server say to each other, one step behind the other.
#[derive(Clone)]
pub(crate) struct Conversation {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

impl Conversation {
    pub(crate) fn all(table: &LeaseTable, guests: u32) -> [Self; 3] {
        let server = option(2, table.server_duid());
        let step = |(protocol, question, answer), write: &dyn Fn(&Guest) -> Vec<u8>| Step {
            frames: (0..guests).map(|guest| write(&Guest::with_mac(mac(guest).0))).collect(),
            protocol,
            answer,
            question,
        };
        let identity = [ia_na(1, &[]), ia_pd(2, &[]), oro(&[23, 24])].concat();
        let dhcp = |guest: &Guest, kind, server: &[u8]| {
            guest.dhcp(kind, &[&client_id(guest), server, &identity].concat())
        };
        let rs = step((ICMP, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT), &solicitation);
        let solicit = step((DHCP, SOLICIT, ADVERTISE), &|guest| dhcp(guest, SOLICIT, &[]));
        let request = step((DHCP, REQUEST, REPLY), &|guest| dhcp(guest, REQUEST, &server));
        [
            Self { name: "rs", steps: vec![rs] },
            Self { name: "solicit", steps: vec![solicit.clone()] },
            Self { name: "exchange", steps: vec![solicit, request] },
        ]
    }

    /// The same, with one who swaps addresses: the answer is the question.
    pub(crate) fn swapped(&self) -> Self {
        let swap = |step: &Step| Step { answer: step.question, ..step.clone() };
        Self { name: self.name, steps: self.steps.iter().map(swap).collect() }
    }
}

/// A Router Solicitation with the guest's link-layer address.
fn solicitation(guest: &Guest) -> Vec<u8> {
    let option = [&[1, 1][..], &guest.mac].concat();
    let routers = guests::ip("ff02::2").octets();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(guest.mac, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(guest.address.octets(), routers, 255)
        .icmpv6_raw(ROUTER_SOLICITATION, 0, [0; 4])
        .write(&mut frame, &option)
        .expect("room");
    frame
}
