//! DHCPv6 messages of a sample guest, written by `dhcproto`; templates are cut from them.

use std::net::Ipv6Addr;

use dhcproto::v6::{
    Decodable, Decoder, DhcpOption, DhcpOptions, Encodable, Encoder, IAAddr, IANA, IAPD, IAPrefix, Message,
    MessageType, ORO, OptionCode, RelayMessage, UnknownOption,
};

use super::workload::{Step, Workload};

/// The guest that messages are written for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) xid: [u8; 3],
    pub(super) duid: &'a [u8],
    pub(super) iaid: [u8; 4],
    pub(super) address: Ipv6Addr,
    pub(super) prefix: (Ipv6Addr, u8),
    pub(super) elapsed: u16,
}

/// Options asked for in every message: DNS, search list, NTP and SOL_MAX_RT, as systemd-networkd and dhclient do
/// (RFC 9915 §21.7).
const REQUESTED: [u16; 4] = [23, 24, 56, 82];

/// The same for Information-request: INF_MAX_RT instead, and the refresh time (RFC 9915 §18.2.6).
const REQUESTED_STATELESS: [u16; 5] = [23, 24, 32, 56, 83];

/// What the relay calls the guests' link; the server must send it back (RFC 9915 §21.18).
pub(super) const INTERFACE_ID: &[u8] = b"bench";

/// Hardware type of Ethernet, before the MAC in a Client Link-Layer Address (RFC 6939 §4).
const ETHERNET: [u8; 2] = [0, 1];

/// The message of a step; `server` is the DUID of the one asked by a Request. `None` for steps that are not DHCPv6.
pub(super) fn client(workload: Workload, step: Step, sample: &Sample<'_>, server: &[u8]) -> Option<Vec<u8>> {
    let (kind, requested) = match step {
        Step::Solicit => (MessageType::Solicit, &REQUESTED[..]),
        Step::Request => (MessageType::Request, &REQUESTED[..]),
        Step::InformationRequest => (MessageType::InformationRequest, &REQUESTED_STATELESS[..]),
        _ => return None,
    };
    let mut message = Message::new_with_id(kind, sample.xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(sample.duid.to_vec()));
    options.insert(DhcpOption::ElapsedTime(sample.elapsed));
    options.insert(DhcpOption::ORO(ORO { opts: requested.iter().copied().map(OptionCode::from).collect() }));
    if step == Step::Solicit && workload == Workload::RapidCommit {
        options.insert(DhcpOption::RapidCommit);
    }
    if step == Step::Request {
        options.insert(DhcpOption::ServerId(server.to_vec()));
    }
    if step != Step::InformationRequest {
        associations(options, workload, sample, step == Step::Request);
    }
    octets(&message)
}

/// The associations that a workload asks for; a Request names the lease that was offered.
fn associations(options: &mut DhcpOptions, workload: Workload, sample: &Sample<'_>, offered: bool) {
    let (id, t1, t2) = (u32::from_be_bytes(sample.iaid), 0, 0);
    let inside = |lease| offered.then_some(lease).into_iter().collect();
    if workload.wants_address() {
        let (addr, preferred_life, valid_life) = (sample.address, 0, 0);
        let lease = IAAddr { addr, preferred_life, valid_life, opts: DhcpOptions::new() };
        options.insert(DhcpOption::IANA(IANA { id, t1, t2, opts: inside(DhcpOption::IAAddr(lease)) }));
    }
    if workload.wants_prefix() {
        let (prefix_ip, prefix_len) = sample.prefix;
        let (preferred_lifetime, valid_lifetime, opts) = (0, 0, DhcpOptions::new());
        let lease = IAPrefix { preferred_lifetime, valid_lifetime, prefix_len, prefix_ip, opts };
        options.insert(DhcpOption::IAPD(IAPD { id, t1, t2, opts: inside(DhcpOption::IAPrefix(lease)) }));
    }
}

/// A Relay-forward around a client's message (RFC 9915 §19.1), with the client's MAC as RFC 6939 has it.
pub(super) fn relayed(link: Ipv6Addr, peer: Ipv6Addr, mac: [u8; 6], message: &[u8]) -> Option<Vec<u8>> {
    let header = [&[12, 0][..], &link.octets(), &peer.octets()].concat();
    let mut relay = RelayMessage::decode(&mut Decoder::new(&header)).ok()?;
    let raw =
        |code: u16, data: Vec<u8>| DhcpOption::Unknown(UnknownOption::new(OptionCode::from(code), data));
    let options = relay.opts_mut();
    // As octets: `dhcproto` takes what is relayed for another relay's message always.
    options.insert(raw(9, message.to_vec()));
    options.insert(DhcpOption::InterfaceId(INTERFACE_ID.to_vec()));
    options.insert(raw(79, [&ETHERNET[..], &mac].concat()));
    octets(&relay)
}

fn octets(message: &impl Encodable) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).ok()?;
    Some(out)
}
