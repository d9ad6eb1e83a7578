//! What templates write, read by `etherparse` and `dhcproto`: the samples never show.

use dhcproto::v6::{Decodable, Decoder, DhcpOption, Message, MessageType, OptionCode, RelayMessage};
use etherparse::{NetSlice, SlicedPacket, TransportSlice, UdpHeader};

use super::*;
use crate::types::limits::MAX_FRAME;

const GUEST: MacAddr = MacAddr([2, 0xfd, 0, 1, 2, 3]);
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0xfd, 0, 1, 2, 3];
const SERVER: [u8; 14] = [0, 1, 0, 1, 0x1c, 0x38, 0x26, 0x2d, 8, 0, 0x27, 0xfe, 0x8f, 0x95];
const DIRECT: Path = Path { vlan: 0, relay: None };

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn fill() -> Fill<'static> {
    Fill {
        mac: GUEST,
        link_local: ip("fe80::fd:ff:fe01:203"),
        xid: [7, 8, 9],
        duid: &DUID,
        iaid: [0, 1, 2, 3],
        address: ip("2001:db8::1:2"),
        prefix: (ip("2001:db8:f00::"), 56),
        elapsed: 123,
    }
}

fn frame(workload: Workload, step: Step, path: Path) -> Vec<u8> {
    let template =
        Template::new(workload, step, path, DUID.len(), &SERVER, ip("fe80::1")).expect("a template");
    let mut out = [0; MAX_FRAME];
    let length = template.write(&fill(), &mut out).expect("room");
    assert_eq!(template.write(&fill(), &mut [0; 20]), None, "no room");
    out[..length].to_vec()
}

/// The frame as `etherparse` sees it: source MAC, addresses, hop limit and payload; its checksum holds.
fn opened(frame: &[u8]) -> (MacAddr, Ipv6Addr, Ipv6Addr, u8, Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let ethernet = packet
        .link
        .as_ref()
        .and_then(etherparse::LinkSlice::to_header)
        .and_then(etherparse::LinkHeader::ethernet2)
        .expect("Ethernet");
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("IPv6") };
    let (source, destination) = (ip.header().source(), ip.header().destination());
    assert_eq!(ethernet.destination, ip6::group_mac(destination.into()).0);
    let payload = match packet.transport.as_ref().expect("a transport") {
        TransportSlice::Icmpv6(icmp) => {
            assert!(icmp.is_checksum_valid(source, destination));
            icmp.slice().to_vec()
        }
        TransportSlice::Udp(udp) => {
            let zeroed = UdpHeader { checksum: 0, ..udp.to_header() };
            let right = zeroed.calc_checksum_ipv6_raw(source, destination, udp.payload()).expect("a sum");
            assert_eq!(udp.checksum(), right);
            udp.payload().to_vec()
        }
        _ => panic!("ICMPv6 or UDP"),
    };
    (MacAddr(ethernet.source), source.into(), destination.into(), ip.header().hop_limit(), payload)
}

fn message(octets: &[u8]) -> Message {
    Message::decode(&mut Decoder::new(octets)).expect("a message")
}

#[test]
fn a_solicit_is_the_guests_own() {
    let (mac, source, destination, _, payload) = opened(&frame(Workload::Exchange, Step::Solicit, DIRECT));
    assert_eq!((mac, source, destination), (GUEST, fill().link_local, ip6::ALL_DHCP_AGENTS));
    let solicit = message(&payload);
    assert_eq!((solicit.msg_type(), solicit.xid()), (MessageType::Solicit, [7, 8, 9]));
    let options = solicit.opts();
    assert_eq!(options.get(OptionCode::ClientId), Some(&DhcpOption::ClientId(DUID.to_vec())));
    assert_eq!(options.get(OptionCode::ElapsedTime), Some(&DhcpOption::ElapsedTime(123)));
    let Some(DhcpOption::IANA(ia)) = options.get(OptionCode::IANA) else { panic!("an IA_NA") };
    assert_eq!((ia.id, ia.opts.iter().count()), (0x0001_0203, 0));
    assert_eq!(options.get(OptionCode::RapidCommit), None);
    let rapid = opened(&frame(Workload::RapidCommit, Step::Solicit, DIRECT)).4;
    assert!(message(&rapid).opts().get(OptionCode::RapidCommit).is_some());
}

#[test]
fn a_request_names_the_server_and_what_it_offered() {
    let address = message(&opened(&frame(Workload::Boot, Step::Request, DIRECT)).4);
    assert_eq!(address.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(SERVER.to_vec())));
    let Some(DhcpOption::IANA(ia)) = address.opts().get(OptionCode::IANA) else { panic!("an IA_NA") };
    let Some(DhcpOption::IAAddr(lease)) = ia.opts.get(OptionCode::IAAddr) else { panic!("an address") };
    assert_eq!(lease.addr, fill().address);

    let prefix = message(&opened(&frame(Workload::Pd, Step::Request, DIRECT)).4);
    assert_eq!(prefix.opts().get(OptionCode::IANA), None);
    let Some(DhcpOption::IAPD(ia)) = prefix.opts().get(OptionCode::IAPD) else { panic!("an IA_PD") };
    let Some(DhcpOption::IAPrefix(lease)) = ia.opts.get(OptionCode::IAPrefix) else { panic!("a prefix") };
    assert_eq!((lease.prefix_ip, lease.prefix_len), fill().prefix);
}

#[test]
fn an_information_request_asks_for_no_lease() {
    let inform = message(&opened(&frame(Workload::Inform, Step::InformationRequest, DIRECT)).4);
    assert_eq!(inform.msg_type(), MessageType::InformationRequest);
    assert_eq!(inform.opts().iter().count(), 3, "Client Identifier, Elapsed Time and Option Request");
}

#[test]
fn a_relay_tells_the_guests_mac_and_link() {
    let relay = (MacAddr([2, 0xfe, 0, 0, 0, 2]), ip("2001:db8:be9c::"));
    let path = Path { vlan: 0, relay: Some(relay) };
    let (mac, source, _, _, payload) = opened(&frame(Workload::Relay, Step::Solicit, path));
    assert_eq!((mac, source), (relay.0, ip6::link_local(relay.0)));
    // Header by hand: `dhcproto` reads what is inside as another relay's message.
    assert_eq!(payload.get(..2), Some(&[12, 0][..]));
    let header =
        RelayMessage::decode(&mut Decoder::new(payload.get(..34).expect("a header"))).expect("a header");
    assert_eq!((header.link_addr(), header.peer_addr()), (relay.1, fill().link_local));
    let rest = payload.get(34..).expect("options");
    let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    let inside = message(rest.get(4..4 + length).expect("the message"));
    assert_eq!((inside.msg_type(), inside.xid()), (MessageType::Solicit, [7, 8, 9]));
    let behind = rest.get(4 + length..).expect("options");
    let expected = [&[0, 18, 0, 5][..], b"bench", &[0, 79, 0, 8, 0, 1], &GUEST.0].concat();
    assert_eq!(behind, expected);
}

#[test]
fn solicitations_name_the_guest_and_whom_they_are_for() {
    let (mac, source, destination, hops, octets) =
        opened(&frame(Workload::Rs, Step::RouterSolicitation, DIRECT));
    assert_eq!((mac, source, destination, hops), (GUEST, fill().link_local, ip6::ALL_ROUTERS, 255));
    assert_eq!(octets.get(4..), Some(&[&[0, 0, 0, 0, 1, 1][..], &GUEST.0].concat()[..]));

    let (_, source, destination, _, octets) = opened(&frame(Workload::Boot, Step::ClaimLinkLocal, DIRECT));
    assert_eq!((source, destination), (Ipv6Addr::UNSPECIFIED, ip6::solicited_node(fill().link_local)));
    assert_eq!(octets.get(8..), Some(&fill().link_local.octets()[..]), "and no option");

    let (_, source, destination, _, octets) = opened(&frame(Workload::Boot, Step::ClaimAddress, DIRECT));
    assert_eq!((source, destination), (Ipv6Addr::UNSPECIFIED, ip6::solicited_node(fill().address)));
    assert_eq!(octets.get(8..), Some(&fill().address.octets()[..]));

    let (_, source, destination, _, octets) =
        opened(&frame(Workload::Ns, Step::NeighborSolicitation, DIRECT));
    assert_eq!((source, destination), (fill().link_local, ip6::solicited_node(ip("fe80::1"))));
    assert_eq!(octets.get(8..24), Some(&ip("fe80::1").octets()[..]));
}

#[test]
fn tagged_frames_differ_by_their_tag_only() {
    for (workload, step) in [(Workload::Rs, Step::RouterSolicitation), (Workload::Pd, Step::Request)] {
        let (plain, tagged) =
            (frame(workload, step, DIRECT), frame(workload, step, Path { vlan: 5, relay: None }));
        assert_eq!(tagged.get(12..16), Some(&[0x81, 0, 0, 5][..]));
        assert_eq!([&tagged[..12], &tagged[16..]].concat(), plain);
    }
}

/// A server's DUID is the server's to choose: the sample's values in it stay as they are.
#[test]
fn a_servers_duid_is_never_patched() {
    let evil = [&SAMPLE_XID[..], &SAMPLE_ELAPSED.to_be_bytes(), &SAMPLE_XID].concat();
    let template = Template::new(Workload::Exchange, Step::Request, DIRECT, DUID.len(), &evil, ip("::"));
    let mut out = [0; MAX_FRAME];
    let length = template.expect("a template").write(&fill(), &mut out).expect("room");
    let request = message(&opened(&out[..length]).4);
    assert_eq!(request.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(evil)));
}

#[test]
fn a_guest_advertises_itself() {
    let own = (GUEST, ip("fe80::fd:ff:fe01:203"));
    let asker = (MacAddr([2, 0, 0, 0, 0, 9]), ip("fe80::9"));
    let frame = advertisement(0, own, asker).expect("a frame");
    assert_eq!(frame.get(..12), Some(&[asker.0.0, GUEST.0].concat()[..]));
    let packet = SlicedPacket::from_ethernet(&frame).expect("a frame");
    let Some(TransportSlice::Icmpv6(icmp)) = &packet.transport else { panic!("ICMPv6") };
    assert!(icmp.is_checksum_valid(own.1.octets(), asker.1.octets()));
    let expected = [&[0x60, 0, 0, 0][..], &own.1.octets(), &[2, 1], &GUEST.0].concat();
    assert_eq!((icmp.type_u8(), icmp.slice().get(4..)), (136, Some(&expected[..])));
}
