//! A hypervisor without a kernel: the engine, devices and guests that send frames built by etherparse.

use std::sync::Arc;

use dhcproto::v6::{DhcpOption, IAAddr, IANA, IAPD, IAPrefix, Message, StatusCode};
use dhcproto::{Decodable, Decoder};
use frontdesk::answer::{Ingress, Notes, Reason, Verdict, answer};
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease::{self, LeaseTable};
use frontdesk::types::{Instant, MacAddr, limits::MAX_FRAME};

pub use crate::frames::*;
pub use crate::reading::Answer;
use crate::tape::Tape;

pub struct World {
    pub engine: Engine,
    pub now: Instant,
    tape: Option<Tape>,
}

pub fn table(source: &str) -> Arc<LeaseTable> {
    match lease::load("leases.toml", source.as_bytes().to_vec()) {
        Ok(loaded) => Arc::new(loaded.table),
        Err(error) => panic!("{error}"),
    }
}

impl World {
    /// The world of [`LEASES`] with devices `tap1` (1), `tap2` (2) and `tap-pinned` (3).
    pub fn new() -> Self {
        Self::with(LEASES)
    }

    pub fn with(source: &str) -> Self {
        Self { tape: Some(Tape::of_this_test()), ..Self::without_tape(table(source)) }
    }

    /// The world of [`LEASES`] without a capture, for laws that show thousands of frames. The table is compiled once.
    pub fn quiet() -> Self {
        static TABLE: std::sync::LazyLock<Arc<LeaseTable>> = std::sync::LazyLock::new(|| table(LEASES));
        Self::without_tape(TABLE.clone())
    }

    fn without_tape(table: Arc<LeaseTable>) -> Self {
        let mut engine = Engine::new(table, 1);
        for (number, name) in [(1, "tap1"), (2, "tap2"), (3, "tap-pinned")] {
            engine.attach(number, name, MacAddr([0xfe, 0, 0, 0, 0, number as u8]), Instant(0));
        }
        Self { engine, now: Instant(0), tape: None }
    }

    /// Shows a frame to the engine: the verdict, and the answer's octets.
    pub fn show(&mut self, guest: &Guest, frame: &[u8]) -> (Verdict, Vec<u8>) {
        self.show_with(guest, frame, Checksum::Unknown)
    }

    pub fn show_with(&mut self, guest: &Guest, frame: &[u8], checksum: Checksum) -> (Verdict, Vec<u8>) {
        // Poisoned, so that a field that nobody writes shows.
        let mut out = vec![0xa5; MAX_FRAME];
        let rx =
            RxFrame { device: guest.device, vlan: guest.vlan, checksum, length: frame.len(), octets: frame };
        let explained = self.explained(&rx);
        let verdict = self.engine.frame(self.now, rx, &mut out);
        assert!(explained == (verdict, out.clone()), "what is explained is not what is sent");
        out.truncate(if let Verdict::Answer { length, .. } = verdict { length } else { 0 });
        for octets in [frame, out.as_slice()].into_iter().filter(|octets| !octets.is_empty()) {
            if let Some(tape) = &mut self.tape {
                tape.write(octets);
            }
        }
        (verdict, out)
    }

    /// Verdict and buffer when somebody reads the reasons, as `explain` does.
    fn explained(&self, rx: &RxFrame<'_>) -> (Verdict, Vec<u8>) {
        let table = self.engine.table();
        let name = ["tap1", "tap2", "tap-pinned"].get(rx.device as usize - 1);
        let ingress = Ingress {
            device: name.and_then(|name| table.device(name)),
            vlan: rx.vlan,
            checksum: rx.checksum,
            length: rx.length,
            octets: rx.octets,
        };
        let (mut out, mut notes) = (vec![0xa5; MAX_FRAME], Notes::default());
        let verdict = answer(table, &ingress, &mut out, &mut notes).verdict;
        if let Verdict::Answer { kind, .. } = verdict {
            assert!(
                !notes.0.is_empty() && notes.0.iter().all(|note| !note.is_empty()),
                "{kind:?} without a reason"
            );
        }
        (verdict, out)
    }

    /// The answer to a frame, which there must be; it goes to the asker and has right checksums.
    pub fn ask(&mut self, guest: &Guest, frame: &[u8]) -> Answer {
        let (verdict, octets) = self.show(guest, frame);
        assert!(matches!(verdict, Verdict::Answer { .. }), "{verdict:?}");
        let answer = Answer::parse(&octets);
        assert_eq!(answer.destination_mac, guest.mac, "answers go to the MAC that asked");
        assert_eq!(answer.hop_limit, 255);
        answer
    }

    /// The reason why a frame is dropped, which it must be.
    pub fn refuse(&mut self, guest: &Guest, frame: &[u8]) -> Reason {
        match self.show(guest, frame) {
            (Verdict::Drop(reason), _) => reason,
            (verdict, _) => panic!("{verdict:?}"),
        }
    }

    /// The DHCPv6 answer to options of a message type from a guest.
    pub fn dhcp(&mut self, guest: &Guest, kind: u8, options: &[Vec<u8>]) -> Dhcp {
        let answer = self.ask(guest, &guest.dhcp(kind, &options.concat()));
        assert_eq!(answer.ports, Some((547, 546)));
        Dhcp::parse(&answer.message)
    }

    /// Why a DHCPv6 message is dropped.
    pub fn no_dhcp(&mut self, guest: &Guest, kind: u8, options: &[Vec<u8>]) -> Reason {
        self.refuse(guest, &guest.dhcp(kind, &options.concat()))
    }
}

/// A DHCPv6 answer as dhcproto reads it.
pub struct Dhcp {
    pub message: Message,
    /// Codes of the top level in the order of the octets (dhcproto sorts them).
    pub codes: Vec<u16>,
    pub octets: Vec<u8>,
}

/// An identity association of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct IaSeen {
    pub iaid: u32,
    pub t1: u32,
    pub t2: u32,
    /// Address or prefix, preferred and valid lifetime.
    pub leases: Vec<(String, u32, u32)>,
    pub status: Option<u16>,
}

impl Dhcp {
    pub fn parse(octets: &[u8]) -> Self {
        let message = Message::decode(&mut Decoder::new(octets)).expect("dhcproto reads it");
        let mut codes = Vec::new();
        let mut rest = &octets[4..];
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            codes.push(u16::from_be_bytes([head[0], head[1]]));
            rest = tail.get(usize::from(u16::from_be_bytes([head[2], head[3]]))..).expect("whole options");
        }
        assert!(rest.is_empty(), "nothing behind the last option");
        Self { message, codes, octets: octets.to_vec() }
    }

    pub fn kind(&self) -> u8 {
        self.octets[0]
    }

    /// The value of a top-level option, from the octets themselves.
    pub fn value(&self, code: u16) -> Option<&[u8]> {
        let mut rest = &self.octets[4..];
        while let Some((head, tail)) = rest.split_first_chunk::<4>() {
            let (value, next) = tail.split_at(usize::from(u16::from_be_bytes([head[2], head[3]])));
            if u16::from_be_bytes([head[0], head[1]]) == code {
                return Some(value);
            }
            rest = next;
        }
        None
    }

    /// The message's own status.
    pub fn status(&self) -> Option<u16> {
        self.message.opts().iter().find_map(status_of)
    }

    pub fn ia_na(&self) -> Vec<IaSeen> {
        self.message
            .opts()
            .iter()
            .filter_map(|o| {
                if let DhcpOption::IANA(IANA { id, t1, t2, opts }) = o {
                    let leases = opts.iter().filter_map(|o| match o {
                        DhcpOption::IAAddr(IAAddr { addr, preferred_life, valid_life, .. }) => {
                            Some((addr.to_string(), *preferred_life, *valid_life))
                        }
                        _ => None,
                    });
                    let (leases, status) = (leases.collect(), opts.iter().find_map(status_of));
                    Some(IaSeen { iaid: *id, t1: *t1, t2: *t2, leases, status })
                } else {
                    None
                }
            })
            .collect()
    }

    pub fn ia_pd(&self) -> Vec<IaSeen> {
        self.message
            .opts()
            .iter()
            .filter_map(|o| {
                if let DhcpOption::IAPD(IAPD { id, t1, t2, opts }) = o {
                    let leases = opts.iter().filter_map(|o| match o {
                        DhcpOption::IAPrefix(IAPrefix {
                            preferred_lifetime,
                            valid_lifetime,
                            prefix_len,
                            prefix_ip,
                            ..
                        }) => {
                            Some((format!("{prefix_ip}/{prefix_len}"), *preferred_lifetime, *valid_lifetime))
                        }
                        _ => None,
                    });
                    let (leases, status) = (leases.collect(), opts.iter().find_map(status_of));
                    Some(IaSeen { iaid: *id, t1: *t1, t2: *t2, leases, status })
                } else {
                    None
                }
            })
            .collect()
    }

    /// Addresses of the only IA_NA.
    pub fn addresses(&self) -> Vec<String> {
        let ias = self.ia_na();
        assert_eq!(ias.len(), 1);
        ias.into_iter().flat_map(|ia| ia.leases).map(|lease| lease.0).collect()
    }
}

fn status_of(option: &DhcpOption) -> Option<u16> {
    match option {
        DhcpOption::StatusCode(StatusCode { status, .. }) => Some(u16::from(*status)),
        _ => None,
    }
}
