//! Faulty and sound answers, byte by byte. Router Advertisements come from the test captures of tcpdump
//! (`icmpv6_opt24.pcap`, `icmpv6-ra-pref64.pcap`, `icmpv6.pcap`) and Zeek (`icmp_nd_dnssl.pcap`); what is expected of
//! them is what tcpdump 4.99 prints. DHCPv6 messages are built by `dhcproto`.

use std::net::Ipv6Addr;

use dhcproto::v6::{
    DhcpOption, DhcpOptions, Encodable, Encoder, IAAddr, IANA, IATA, Message, MessageType, UnknownOption,
};

use super::advert;
use super::converse::is_sound;
use super::envelope::{self, Speaker, Upper};
use super::faults::Faults;
use super::message::Client;
use super::reply::{self, Answer, Question};
use super::report::RouterAdvert;
use crate::io::netns::Preference;
use crate::types::{MacAddr, ip6};

const OPT24: &str = "33330000000114cf928723d686dd6000000000783afffe8000000000000016cf92fffe8723d6ff02000000000000000000\
    00000000018600688200c000000000000000000000010114cf928723d605010000000005dc030440c000001c200000070800000000fd8d4fb35\
    b2e000000000000000000001802300000001c20fd8d4fb35b2e00001903000000000708fd8d4fb35b2e000000000000000000011f0200000000\
    0708036c616e00000000";
const PREF64: &str = "333300000001e21581b4b94586dd6009fc7200483afffe80000000000000e01581fffeb4b945ff0200000000000000000\
    00000000001860015f0504001f400000000000000000101e21581b4b9450304408000000e10000007080000000020010db800cc00dd00000000\
    000000002602fff820010db800000064ff9b0000";
const PREF64_CODE_6: &str = "333300000001e21581b4b94586dd6009fc7200483afffe80000000000000e01581fffeb4b945ff0200000000000\
    0000000000000000186000edb504001f400000000000000000101e21581b4b9450304408000000e10000007080000000020010db800cc00dd00\
    000000000000002602070e20010db800000064ff9b0000";
const MOBILE: &str = "333300000001b09928c8d66c86dd6000000000b03afffe80000000000000b29928fffec8d66cff0200000000000000000\
    00000000001860024014020000f0000000000000000030448c000278d0000093a80000000002222333344445555660000000000000019050000\
    00000005abcd000000000000000000000000efef123456780000000000000000000000011f07000000000005076578616d706c6503636f6d000\
    76578616d706c65036f72670004646f6d3104646f6d3203746c64000000000000000005010000000000640101b09928c8d66c07010000000013\
    8808010000c351000f";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|two| two.iter().fold(0, |sum, c| sum * 16 + c.to_digit(16).expect("hex") as u8))
        .collect()
}

fn me() -> Speaker {
    let mac = MacAddr([0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b]);
    Speaker { mac, address: ip6::link_local(mac), vlan: 0 }
}

/// What a host makes of a frame, and what is wrong with it.
fn hear(frame: &[u8]) -> (Option<RouterAdvert>, Vec<String>) {
    let mut faults = Faults::default();
    let heard = envelope::read(frame, &me(), false).expect("a frame for this host");
    let Upper::RouterAdvertisement(icmp) = heard.upper else { panic!("a Router Advertisement") };
    let advert = is_sound(&heard, "Router Advertisement", &mut faults)
        .then(|| advert::read(icmp, heard.source, heard.source_mac, &mut faults));
    (advert.flatten(), faults.0.into_iter().map(|fault| fault.what).collect())
}

/// The octets with the checksum made right again, as a sender with that fault would send them.
fn resealed(mut frame: Vec<u8>) -> Vec<u8> {
    frame[56..58].fill(0);
    let (source, destination) = (frame[22..38].to_vec(), frame[38..54].to_vec());
    let length = u32::try_from(frame.len() - 54).expect("small").to_be_bytes();
    let pseudo = [source.as_slice(), &destination, &length, &[0, 0, 0, 58], &frame[54..]].concat();
    let mut sum: u32 =
        pseudo.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).copied().map_or(0, u32::from)).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    frame[56..58].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    frame
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

#[test]
fn a_captured_advertisement_reads_as_tcpdump_prints_it() {
    let (advert, faults) = hear(&octets(OPT24));
    assert_eq!(faults, [] as [&str; 0]);
    let advert = advert.expect("a sound one");
    assert!(advert.managed && advert.other);
    assert_eq!((advert.preference, advert.lifetime, advert.hop_limit), (Preference::Medium, 0, 0));
    assert_eq!(
        (advert.mtu, advert.link_layer),
        (Some(1500), Some(MacAddr([0x14, 0xcf, 0x92, 0x87, 0x23, 0xd6])))
    );
    let prefix = &advert.prefixes[0];
    assert_eq!((prefix.prefix, prefix.length), (ip("fd8d:4fb3:5b2e::"), 64));
    assert_eq!(
        (prefix.on_link, prefix.autonomous, prefix.valid.0, prefix.preferred.0),
        (true, true, 7200, 1800)
    );
    let route = &advert.routes[0];
    assert_eq!((route.prefix, route.length, route.lifetime.0), (ip("fd8d:4fb3:5b2e::"), 48, 7200));
    assert_eq!(
        (advert.dns[0].lifetime.0, advert.dns[0].servers.as_slice()),
        (1800, &[ip("fd8d:4fb3:5b2e::1")][..])
    );
    assert_eq!(
        (advert.search[0].lifetime.0, advert.search[0].domains.as_slice()),
        (1800, &["lan".to_owned()][..])
    );
}

/// RFC 8781 §4: 13 bits of lifetime in eights of seconds, and six lengths.
#[test]
fn pref64_lifetimes_are_scaled_and_unknown_lengths_are_refused() {
    let (advert, faults) = hear(&octets(PREF64));
    let nat64 = &advert.expect("a sound one").nat64[0];
    assert_eq!((nat64.prefix, nat64.length, nat64.lifetime), (ip("2001:db8:0:64:ff9b::"), 96, 65528));
    assert_eq!(faults, [] as [&str; 0]);
    let (advert, faults) = hear(&octets(PREF64_CODE_6));
    assert_eq!(advert.expect("the rest is sound").nat64, []);
    assert_eq!(faults, ["option 38 is malformed: 070e20010db800000064ff9b0000"]);
}

#[test]
fn odd_options_are_reported_and_unknown_ones_kept() {
    let (advert, faults) = hear(&octets(MOBILE));
    let advert = advert.expect("a host takes it");
    assert_eq!(
        faults,
        [
            "prefix 2222:3333:4444:5555:6600::/72 is for SLAAC and not 64 bits long",
            "the MTU is 100, less than 1280"
        ]
    );
    assert_eq!(advert.mtu, None);
    assert_eq!(advert.search[0].domains, ["example.com", "example.org", "dom1.dom2.tld"]);
    assert_eq!(advert.unknown.iter().map(|option| option.code).collect::<Vec<_>>(), [7, 8]);
}

/// RFC 4861 §6.1.2: hop limit 255, link-local source, right checksum, code 0, no option of length 0.
#[test]
fn what_a_host_must_discard_is_discarded_and_reported() {
    let good = octets(OPT24);
    let broken = |at: usize, value: u8, seal: bool| {
        let mut frame = good.clone();
        frame[at] = value;
        hear(&if seal { resealed(frame) } else { frame })
    };
    for (at, value, seal, fault) in [
        (60, 1, false, "its checksum is wrong"),
        (21, 64, true, "its hop limit is 64, not 255"),
        (23, 0, true, "its source fe00::16cf:92ff:fe87:23d6 is not link-local"),
        (55, 1, true, "its ICMP code is 1, not 0"),
        (71, 0, true, "option 1 has length 0"),
        (71, 255, true, "option 1 is longer than the message"),
    ] {
        assert_eq!(broken(at, value, seal), (None, vec![fault.to_owned()]), "octet {at}");
    }
}

/// A local sender leaves the checksum to its NIC, which a virtual one never finishes: not a fault.
#[test]
fn a_partial_checksum_is_not_verified() {
    let mut frame = octets(OPT24);
    frame[60] = 1;
    assert!(envelope::read(&frame, &me(), true).expect("a frame for this host").checksum_holds);
}

const XID: [u8; 3] = [0xaa, 0xbb, 0xcc];
const SERVER: [u8; 4] = [0, 2, 3, 4];

fn client() -> Client {
    Client { duid: vec![0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b], iaid: 7 }
}

fn ia(id: u32, (t1, t2): (u32, u32), (preferred_life, valid_life): (u32, u32)) -> DhcpOption {
    let addr = ip("2001:db8::4");
    let opts: DhcpOptions =
        [DhcpOption::IAAddr(IAAddr { addr, preferred_life, valid_life, opts: DhcpOptions::new() })]
            .into_iter()
            .collect();
    DhcpOption::IANA(IANA { id, t1, t2, opts })
}

/// A Reply as a good server sends it, changed by `change`.
fn answer(change: impl FnOnce(&mut Message)) -> (Option<Answer>, Vec<String>) {
    let mut message = Message::new_with_id(MessageType::Reply, XID);
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(client().duid));
    options.insert(DhcpOption::ServerId(SERVER.to_vec()));
    options.insert(ia(7, (1800, 2880), (3600, 7200)));
    change(&mut message);
    let mut octets = Vec::new();
    message.encode(&mut Encoder::new(&mut octets)).expect("it encodes");
    let client = client();
    let question = Question {
        client: &client,
        xid: XID,
        earlier: &[[1, 1, 1]],
        server: Some(&SERVER),
        stateless: false,
    };
    let mut faults = Faults::default();
    let answer = reply::read(&octets, ip("fe80::1"), &question, &mut faults);
    (answer, faults.0.into_iter().map(|fault| fault.what).collect())
}

#[test]
fn a_good_reply_has_no_fault() {
    let (got, faults) = answer(|_| {});
    assert_eq!(faults, [] as [&str; 0]);
    assert_eq!(got.expect("an answer").associations[0].leases[0].address, ip("2001:db8::4"));
}

/// RFC 9915 §16.3, §16.10: an answer to somebody else, or of somebody else, is discarded.
#[test]
fn answers_that_are_not_ours_are_discarded_and_reported() {
    type Change = fn(&mut Message);
    let cases: [(&str, Change); 6] = [
        ("its transaction id is not that of the client's message", |m| {
            m.set_xid([9, 9, 9]);
        }),
        ("type 10 is not for clients", |m| {
            m.set_msg_type(MessageType::Reconfigure);
        }),
        ("its Client Identifier is another client's", |m| {
            m.opts_mut().remove(dhcproto::v6::OptionCode::ClientId);
            m.opts_mut().insert(DhcpOption::ClientId(vec![0, 3, 0]));
        }),
        ("it has no Client Identifier", |m| drop(m.opts_mut().remove(dhcproto::v6::OptionCode::ClientId))),
        ("it has no Server Identifier", |m| drop(m.opts_mut().remove(dhcproto::v6::OptionCode::ServerId))),
        ("its Server Identifier is not that of the server asked", |m| {
            m.opts_mut().remove(dhcproto::v6::OptionCode::ServerId);
            m.opts_mut().insert(DhcpOption::ServerId(vec![0, 2, 9, 9]));
        }),
    ];
    for (fault, change) in cases {
        let (got, faults) = answer(change);
        assert!(got.is_none(), "{fault}");
        assert_eq!(faults, [fault]);
    }
    let (late, faults) = answer(|m| {
        m.set_xid([1, 1, 1]);
    });
    assert!(late.is_none() && faults.is_empty(), "an answer to an earlier message is late, not wrong");
}

/// RFC 9915 §21.4, §21.6, §21.21: such associations and addresses are left out by a client.
#[test]
fn leases_that_a_client_must_ignore_are_left_out_and_reported() {
    let only = |option: DhcpOption| {
        let (got, faults) = answer(|m| {
            m.opts_mut().remove(dhcproto::v6::OptionCode::IANA);
            m.opts_mut().insert(option);
        });
        (got.expect("an answer").associations.iter().map(|ia| ia.leases.len()).sum::<usize>(), faults)
    };
    assert_eq!(only(ia(8, (1, 2), (3, 4))), (0, vec!["association 8 was not asked for".to_owned()]));
    assert_eq!(only(ia(7, (3, 2), (3, 4))), (0, vec!["T1 3 s is after T2 2 s in association 7".to_owned()]));
    assert_eq!(
        only(ia(7, (1, 2), (5, 4))),
        (0, vec!["2001:db8::4/128 is preferred for longer than it is valid".to_owned()])
    );
    let obsolete = DhcpOption::IATA(IATA { id: 7, opts: DhcpOptions::new() });
    assert_eq!(only(obsolete), (0, vec!["it has the obsolete option IA_TA".to_owned()]));
    let refresh = DhcpOption::Unknown(UnknownOption::new(32_u16.into(), vec![0, 0, 0, 1]));
    let (_, faults) = only(refresh);
    assert_eq!(faults, ["Information Refresh Time is for Information-request only"]);
}
