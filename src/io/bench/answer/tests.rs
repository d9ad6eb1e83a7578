//! The light reader beside `dhcproto` and `etherparse`, and what it makes of damage.

use dhcproto::v6::{
    DhcpOption, DhcpOptions, Encodable, Encoder, IAAddr, IANA, IAPD, IAPrefix, Message as Theirs,
    MessageType, Status, StatusCode,
};
use etherparse::PacketBuilder;

use super::*;

const TO: MacAddr = MacAddr([2, 0xfd, 0, 0, 0, 7]);
const FROM: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// A Reply with everything that is read, written by `dhcproto`.
fn reply() -> Vec<u8> {
    let mut message = Theirs::new_with_id(MessageType::Reply, [1, 2, 3]);
    let address = |text| {
        let (preferred_life, valid_life, opts) = (60, 120, DhcpOptions::new());
        DhcpOption::IAAddr(IAAddr { addr: ip(text), preferred_life, valid_life, opts })
    };
    let prefix = IAPrefix {
        preferred_lifetime: 60,
        valid_lifetime: 120,
        prefix_len: 56,
        prefix_ip: ip("2001:db8:f00::"),
        opts: DhcpOptions::new(),
    };
    let status = StatusCode { status: Status::NoPrefixAvail, msg: "none left".into() };
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 2, 0xfd, 0, 0, 0, 7]));
    options.insert(DhcpOption::ServerId(vec![0, 2, 0, 0, 0x22, 0xb8, 9]));
    options.insert(DhcpOption::DomainNameServers(vec![ip("2001:db8::53")]));
    let na = [address("2001:db8::1"), address("2001:db8::2")].into_iter().collect();
    options.insert(DhcpOption::IANA(IANA { id: 5, t1: 30, t2: 48, opts: na }));
    let pd = [DhcpOption::IAPrefix(prefix), DhcpOption::StatusCode(status)].into_iter().collect();
    options.insert(DhcpOption::IAPD(IAPD { id: 6, t1: 30, t2: 48, opts: pd }));
    let mut out = Vec::new();
    message.encode(&mut Encoder::new(&mut out)).expect("a message");
    out
}

fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(FROM.0, TO.0)
        .ipv6(ip("fe80::1").octets(), ip("fe80::7").octets(), 64)
        .udp(547, port)
        .write(&mut frame, payload)
        .expect("room");
    frame
}

fn icmp(kind: u8, hops: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(FROM.0, TO.0)
        .ipv6(ip("fe80::1").octets(), ip("fe80::7").octets(), hops)
        .icmpv6_raw(kind, 0, word)
        .write(&mut frame, body)
        .expect("room");
    frame
}

fn heard(frame: &[u8]) -> Heard<'_> {
    read(frame, Checksum::Unknown).expect("one of ours")
}

fn assert_is_reply(message: &Message<'_>) {
    assert_eq!((message.kind, message.xid, message.status), (REPLY, [1, 2, 3], 0));
    assert_eq!(message.client, Some(&[0, 3, 0, 1, 2, 0xfd, 0, 0, 0, 7][..]));
    assert_eq!(message.server, Some(&[0, 2, 0, 0, 0x22, 0xb8, 9][..]));
    let na = message.addresses.expect("an IA_NA");
    assert_eq!((na.iaid, na.status), ([0, 0, 0, 5], 0));
    let addresses: Vec<Ipv6Addr> = na.addresses().map(Ipv6Addr::from).collect();
    assert_eq!(addresses, [ip("2001:db8::1"), ip("2001:db8::2")]);
    let pd = message.prefixes.expect("an IA_PD");
    assert_eq!((pd.iaid, pd.status), ([0, 0, 0, 6], 6));
    let prefixes: Vec<_> = pd.prefixes().map(|(prefix, length)| (Ipv6Addr::from(prefix), length)).collect();
    assert_eq!(prefixes, [(ip("2001:db8:f00::"), 56)]);
}

#[test]
fn a_message_of_dhcproto_is_read_whole() {
    let frame = datagram(546, &reply());
    let heard = heard(&frame);
    assert_eq!((heard.to, heard.from, heard.fault), (TO, FROM, None));
    assert_eq!((heard.source, heard.destination), (ip("fe80::1"), ip("fe80::7")));
    let Said::Dhcp(message) = heard.said else { panic!("DHCPv6, not {:?}", heard.said) };
    assert_is_reply(&message);
}

#[test]
fn padding_of_ethernet_is_no_part_of_the_packet() {
    let mut frame = datagram(546, &reply());
    frame.extend([0; 11]);
    assert_eq!(heard(&frame).fault, None);
    assert!(matches!(heard(&frame).said, Said::Dhcp(_)));
}

#[test]
fn a_relayed_message_is_read_if_the_relay_could_send_it_on() {
    let relay = |interface: &[u8]| {
        let header = [&[13, 0][..], &ip("2001:db8::").octets(), &ip("fe80::7").octets()].concat();
        let option = |code: u8, data: &[u8]| {
            let length = u16::try_from(data.len()).expect("short").to_be_bytes();
            [&[0, code][..], &length, data].concat()
        };
        datagram(547, &[header, option(18, interface), option(9, &reply())].concat())
    };
    let frame = relay(b"bench");
    let Said::Relayed(peer, message) = heard(&frame).said else { panic!("a Relay-reply") };
    assert_eq!(peer, ip("fe80::7"));
    assert_is_reply(&message);
    assert!(matches!(heard(&relay(b"other")).said, Said::Garbled));
    // What guests and relays say to servers is not for us.
    assert!(read(&datagram(547, &[1, 0, 0, 1]), Checksum::Unknown).is_none());
}

#[test]
fn neighbor_discovery_is_read() {
    let ra = |flags, options: &[u8]| icmp(134, 255, [64, flags, 7, 8], &[&[0; 8][..], options].concat());
    for (octet, flags) in
        [(0, Flags::Neither), (0x40, Flags::Other), (0x80, Flags::Managed), (0xc8, Flags::Managed)]
    {
        let frame = ra(octet, &[1, 1, 2, 0, 0, 0, 0, 1]);
        assert!(
            matches!(heard(&frame).said, Said::RouterAdvertisement(found) if found == flags),
            "{octet:x}"
        );
    }
    for bad in [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[1, 2, 0, 0, 0, 0, 0, 0], &[1]] {
        assert!(matches!(heard(&ra(0, bad)).said, Said::Garbled), "{bad:?}");
    }
    let target = ip("fe80::9");
    let frame = icmp(136, 255, [0x60, 0, 0, 0], &target.octets());
    assert!(matches!(heard(&frame).said, Said::NeighborAdvertisement(found, true) if found == target));
    let frame = icmp(135, 255, [0; 4], &target.octets());
    assert!(matches!(heard(&frame).said, Said::NeighborSolicitation(found) if found == target));
    assert!(read(&icmp(128, 64, [0; 4], &[0; 16]), Checksum::Unknown).is_none(), "echo is not ours");
}

#[test]
fn faults_of_the_envelope_are_told() {
    let far = icmp(136, 254, [0x40, 0, 0, 0], &ip("fe80::9").octets());
    assert_eq!(heard(&far).fault, Some(Wrong::HopLimit));
    let mut frame = datagram(546, &reply());
    let last = frame.len() - 1;
    frame[last] ^= 1;
    assert_eq!(heard(&frame).fault, Some(Wrong::Checksum));
    // A local sender leaves the sum to hardware: it is not looked at.
    for known in [Checksum::Partial, Checksum::Verified] {
        assert_eq!(read(&frame, known).expect("one of ours").fault, None);
    }
}

/// Every octet cut off, and every octet changed: nothing panics, and lengths that lie are found.
#[test]
fn damage_is_survived() {
    let message = reply();
    for length in 0..message.len() {
        let frame = datagram(546, message.get(..length).expect("shorter"));
        if let Some(heard) = read(&frame, Checksum::Partial)
            && let Said::Dhcp(message) = heard.said
        {
            for ia in [message.addresses, message.prefixes].into_iter().flatten() {
                assert!(ia.addresses().count() + ia.prefixes().count() <= 2);
            }
        }
    }
    let frame = datagram(546, &message);
    for place in 0..frame.len() {
        for bit in 0..8 {
            let mut damaged = frame.clone();
            damaged[place] ^= 1 << bit;
            let _ = read(&damaged, Checksum::Unknown);
        }
    }
    for bad in [
        &[7, 1, 2][..],
        &[7, 1, 2, 3, 0, 1, 0, 9, 0],
        &[7, 1, 2, 3, 0, 3, 0, 4, 0, 0, 0, 1],
        &[7, 1, 2, 3, 0],
    ] {
        assert!(matches!(heard(&datagram(546, bad)).said, Said::Garbled), "{bad:?}");
    }
}
