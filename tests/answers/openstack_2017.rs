//! The exchanges of an OpenStack cloud of 2017 as tcpdump printed them ("IPv6 in Cloud Deployments", Shannon McFarland,
//! North American IPv6 Summit 2017): the guest's frame is rebuilt from the printed fields, and tcpdump prints it and our
//! answer again. Each difference from the printed answer is in the list of its test, with the reason; there is no other.

use std::process::Command;

use frontdesk::answer::Verdict;

use crate::world::{Guest, World, ia_na, ia_pd, ip, message, option, oro};

const LEASES: &str = include_str!("../support/openstack_2017.toml");

/// Printed text, our text, reason.
type Difference = (&'static str, &'static str, &'static str);

/// What answers of ours differ in, whatever the exchange.
const ALWAYS: [Difference; 1] = [(
    "class 0xc0, hlim 64, ",
    "hlim 255, ",
    "one hop limit for all answers; no traffic class, which no client reads",
)];

struct Exchange {
    world: World,
}

impl Exchange {
    fn new() -> Self {
        Self { world: World::with(LEASES) }
    }

    /// Shows the frame and compares both with what was printed.
    fn check(
        &mut self,
        guest: &Guest,
        frame: &[u8],
        question: &str,
        answer: &str,
        differences: &[Difference],
    ) {
        assert_eq!(tcpdump(frame), words(question), "the guest's frame is the printed one");
        let (verdict, octets) = self.world.show(guest, frame);
        assert!(matches!(verdict, Verdict::Answer { .. }), "{verdict:?}");
        let mut expected = words(answer);
        let always = ALWAYS.iter().filter(|d| words(answer).contains(d.0));
        for (printed, ours, reason) in always.chain(differences) {
            assert!(expected.contains(printed), "{printed:?} is not in {expected:?} ({reason})");
            expected = expected.replace(printed, ours);
        }
        assert_eq!(tcpdump(&untagged(&octets)), expected);
    }
}

/// The words of a printed packet, one space between them, without the time and the octets of options.
fn words(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("0x"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn tcpdump(frame: &[u8]) -> String {
    let mut tape = crate::tape::Tape::named("tcpdump");
    tape.write(frame);
    let run = Command::new("tcpdump").args(["-nvvt", "-r"]).arg(tape.path()).output();
    let run = run.expect("tcpdump is installed (Debian package tcpdump)");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    // tcpdump of 2017 printed seconds and another word here; all of them are zero.
    let (now, then) = ("reachable time 0ms, retrans timer 0ms", "reachable time 0s, retrans time 0s");
    words(&String::from_utf8_lossy(&run.stdout)).replace(now, then)
}

fn untagged(frame: &[u8]) -> Vec<u8> {
    if frame[12..14] == [0x81, 0] { [&frame[..12], &frame[16..]].concat() } else { frame.to_vec() }
}

fn guest(mac: [u8; 6], vlan: u16) -> Guest {
    Guest { vlan, ..Guest::with_mac(mac) }
}

#[test]
fn ra_15_08_01() {
    let guest = guest([0xfa, 0x16, 0x3e, 0x79, 0x5a, 0xcc], 0);
    let question = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 16) fe80::f816:3eff:fe79:5acc > ff02::2: \
        [icmp6 sum ok] ICMP6, router solicitation, length 16\n\
        source link-address option (1), length 8 (1): fa:16:3e:79:5a:cc";
    let answer = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 56) fe80::f816:3eff:fec3:17b4 > ff02::1: \
        [icmp6 sum ok] ICMP6, router advertisement, length 56\n\
        hop limit 64, Flags [none], pref medium, router lifetime 30s, reachable time 0s, retrans time 0s\n\
        prefix info option (3), length 32 (4): 2001:db8:cafe::/64, Flags [onlink, auto], valid time 86400s, pref. time 14400s\n\
        source link-address option (1), length 8 (1): fa:16:3e:c3:17:b4";
    let differences = [
        (
            "> ff02::1:",
            "> fe80::f816:3eff:fe79:5acc:",
            "the asker has an address: RFC 4861 §6.2.6 allows unicast (RA-009)",
        ),
        (
            "retrans time 0s prefix",
            "retrans time 0s source link-address option (1), length 8 (1): fa:16:3e:c3:17:b4 prefix",
            "our order of options; none has a meaning",
        ),
        (
            "pref. time 14400s source link-address option (1), length 8 (1): fa:16:3e:c3:17:b4",
            "pref. time 14400s",
            "the same option, moved",
        ),
    ];
    Exchange::new().check(&guest, &guest.rs(), question, answer, &differences);
}

#[test]
fn stateless_15_43() {
    let guest = guest([0xfa, 0x16, 0x3e, 0xfe, 0xd1, 0x57], 2);
    let ra = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 56) fe80::f816:3eff:fec1:bc52 > ff02::1: \
        [icmp6 sum ok] ICMP6, router advertisement, length 56\n\
        hop limit 64, Flags [other stateful], pref medium, router lifetime 30s, reachable time 0s, retrans time 0s\n\
        prefix info option (3), length 32 (4): 2001:db8:cafe:2::/64, Flags [onlink, auto], valid time 86400s, pref. time 14400s\n\
        source link-address option (1), length 8 (1): fa:16:3e:c1:bc:52";
    let rs = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 16) fe80::f816:3eff:fefe:d157 > ff02::2: \
        [icmp6 sum ok] ICMP6, router solicitation, length 16 source link-address option (1), length 8 (1): fa:16:3e:fe:d1:57";
    let rdnss = "rdnss option (25), length 24 (3): lifetime 30s, addr: 2001:db8:cafe:a::e";
    let dnssl = "dnssl option (31), length 24 (3): lifetime 30s, domain(s): openstacklocal.";
    let moved = format!("pref. time 14400s {rdnss} {dnssl}").leak();
    let differences = [
        (
            "payload length: 56",
            "payload length: 104",
            "RDNSS and DNSSL (RFC 8106), so that a guest without DHCPv6 has DNS too",
        ),
        ("length 56 hop", "length 104 hop", "the same"),
        ("> ff02::1:", "> fe80::f816:3eff:fefe:d157:", "RA-009, as above"),
        (
            "retrans time 0s prefix",
            "retrans time 0s source link-address option (1), length 8 (1): fa:16:3e:c1:bc:52 prefix",
            "our order of options",
        ),
        (
            "pref. time 14400s source link-address option (1), length 8 (1): fa:16:3e:c1:bc:52",
            moved,
            "RFC 8106",
        ),
    ];
    let mut exchange = Exchange::new();
    exchange.check(&guest, &guest.rs(), rs, ra, &differences);

    let question = "IP6 (hlim 1, next-header UDP (17) payload length: 44) fe80::f816:3eff:fefe:d157.546 > ff02::1:2.547: \
        [udp sum ok] dhcp6 inf-req (xid=d2dbc8 (client-ID hwaddr type 1 fa163efed157) (option-request DNS-server \
        DNS-search-list Client-FQDN SNTP-servers) (elapsed-time 94))";
    let answer = "IP6 (class 0xc0, hlim 64, next-header UDP (17) payload length: 88) fe80::f816:3eff:fe2d:a6de.547 > \
        fe80::f816:3eff:fefe:d157.546: [udp sum ok] dhcp6 reply (xid=d2dbc8 (client-ID hwaddr type 1 fa163efed157) \
        (server-ID hwaddr type 1 fa163e2da6de) (DNS-search-list openstacklocal.) (DNS-server 2001:db8:cafe:a::e) \
        (lifetime 86400))";
    let mut payload =
        message(11, &[option(1, &guest.duid()), oro(&[23, 24, 39, 31]), option(8, &[0, 94])].concat());
    payload[1..4].copy_from_slice(&[0xd2, 0xdb, 0xc8]);
    let differences = [
        ("payload length: 88", "payload length: 80", "no Information Refresh Time"),
        (" (lifetime 86400)", "", "the client's ORO does not name option 32 (RFC 9915 §21.7)"),
        (
            "fe80::f816:3eff:fe2d:a6de.547",
            "fe80::f816:3eff:fec1:bc52.547",
            "the router answers, not a DHCP agent's port",
        ),
        ("fa163e2da6de", "fa163e06176f", "one DUID for the whole cloud (DHCP-031)"),
        (
            "(DNS-search-list openstacklocal.) (DNS-server 2001:db8:cafe:a::e)",
            "(DNS-server 2001:db8:cafe:a::e) (DNS-search-list openstacklocal.)",
            "ascending codes (OPT-003)",
        ),
    ];
    exchange.check(&guest, &guest.udp("ff02::1:2", 546, 547, &payload), question, answer, &differences);
}

/// The DUID-LLT of the stateful guest: time 482446373.
fn duid_llt(guest: &Guest) -> Vec<u8> {
    [&[0, 1, 0, 1], 482_446_373_u32.to_be_bytes().as_slice(), &guest.mac].concat()
}

#[test]
fn stateful_14_56() {
    let guest = guest([0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b], 3);
    let mut exchange = Exchange::new();
    let solicit = "IP6 (hlim 1, next-header UDP (17) payload length: 64) fe80::f816:3eff:fe22:386b.546 > ff02::1:2.547: \
        [udp sum ok] dhcp6 solicit (xid=85680b (client-ID hwaddr/time type 1 time 482446373 fa163e22386b) \
        (option-request DNS-server DNS-search-list Client-FQDN SNTP-servers) (elapsed-time 101) \
        (IA_NA IAID:1042430059 T1:3600 T2:5400))";
    let advertise = "IP6 (class 0xc0, hlim 64, next-header UDP (17) payload length: 175) fe80::f816:3eff:fe06:176f.547 > \
        fe80::f816:3eff:fe22:386b.546: [udp sum ok] dhcp6 advertise (xid=85680b (client-ID hwaddr/time type 1 time \
        482446373 fa163e22386b) (server-ID hwaddr type 1 fa163e06176f) (IA_NA IAID:1042430059 T1:43200 T2:75600 (IA_ADDR \
        2001:db8:cafe:1::4 pltime:86400 vltime:86400)) (status-code success) (preference 255) (DNS-search-list \
        openstacklocal.) (DNS-server 2001:db8:cafe:a::e) (Client-FQDN))";
    let head = [option(1, &duid_llt(&guest)), vec![]].concat();
    let wants = oro(&[23, 24, 39, 31]);
    let iaid = 1_042_430_059;
    let frame =
        guest.dhcp(1, &[head.clone(), wants.clone(), option(8, &[0, 101]), ia_na(iaid, &[])].concat());
    let reordered = "(server-ID hwaddr type 1 fa163e06176f) (preference 255) (IA_NA IAID:1042430059 T1:43200 T2:75600 (IA_ADDR 2001:db8:cafe:1::4 pltime:86400 vltime:86400)) (DNS-server 2001:db8:cafe:a::e) (DNS-search-list openstacklocal.)";
    let printed = "(server-ID hwaddr type 1 fa163e06176f) (IA_NA IAID:1042430059 T1:43200 T2:75600 (IA_ADDR 2001:db8:cafe:1::4 pltime:86400 vltime:86400)) (status-code success) (preference 255) (DNS-search-list openstacklocal.) (DNS-server 2001:db8:cafe:a::e)";
    let differences = [
        ("payload length: 175", "payload length: 133", "without the two options that are left out"),
        (
            "fe80::f816:3eff:fe06:176f.547",
            "fe80::f816:3eff:fe77:e5a0.547",
            "the router answers, not a DHCP agent's port",
        ),
        (
            " (Client-FQDN)",
            "",
            "the client sent no Client FQDN option, and the port has no name (RFC 4704 §6, DHCP-159)",
        ),
        (printed, reordered, "our order (OPT-003); Success needs no Status Code (RFC 9915 §7.5, DHCP-172)"),
    ];
    exchange.check(&guest, &frame, solicit, advertise, &differences);

    let request = "IP6 (hlim 1, next-header UDP (17) payload length: 106) fe80::f816:3eff:fe22:386b.546 > ff02::1:2.547: \
        [udp sum ok] dhcp6 request (xid=9cb172 (client-ID hwaddr/time type 1 time 482446373 fa163e22386b) (server-ID \
        hwaddr type 1 fa163e06176f) (option-request DNS-server DNS-search-list Client-FQDN SNTP-servers) (elapsed-time 0) \
        (IA_NA IAID:1042430059 T1:3600 T2:5400 (IA_ADDR 2001:db8:cafe:1::4 pltime:7200 vltime:7500)))";
    let reply = "IP6 (class 0xc0, hlim 64, next-header UDP (17) payload length: 186) fe80::f816:3eff:fe06:176f.547 > \
        fe80::f816:3eff:fe22:386b.546: [udp sum ok] dhcp6 reply (xid=9cb172 (client-ID hwaddr/time type 1 time 482446373 \
        fa163e22386b) (server-ID hwaddr type 1 fa163e06176f) (IA_NA IAID:1042430059 T1:3600 T2:6300 (IA_ADDR \
        2001:db8:cafe:1::4 pltime:7200 vltime:7500)) (status-code success) (DNS-search-list openstacklocal.) \
        (DNS-server 2001:db8:cafe:a::e) (Client-FQDN))";
    let server = option(2, &crate::world::SERVER_ID);
    let rest = [server, wants, option(8, &[0, 0]), ia_na(iaid, &["2001:db8:cafe:1::4"])].concat();
    let mut payload = message(3, &[head, rest].concat());
    payload[1..4].copy_from_slice(&[0x9c, 0xb1, 0x72]);
    let differences = [
        ("payload length: 186", "payload length: 128", "without the two options that are left out"),
        ("fe80::f816:3eff:fe06:176f.547", "fe80::f816:3eff:fe77:e5a0.547", "the router answers"),
        ("T1:3600 T2:6300", "T1:43200 T2:75600", "the lease's, not the client's wishes (DHCP-131)"),
        (
            "pltime:7200 vltime:7500",
            "pltime:86400 vltime:86400",
            "the lease's, not the client's wishes (DHCP-131)",
        ),
        (" (status-code success)", "", "Success needs no Status Code (DHCP-172)"),
        (" (Client-FQDN)", "", "as above (DHCP-159)"),
        (
            "(DNS-search-list openstacklocal.) (DNS-server 2001:db8:cafe:a::e)",
            "(DNS-server 2001:db8:cafe:a::e) (DNS-search-list openstacklocal.)",
            "ascending codes (OPT-003)",
        ),
    ];
    exchange.check(&guest, &guest.udp("ff02::1:2", 546, 547, &payload), request, reply, &differences);
}

/// The RA of 14:56:02 came unsolicited; it is compared with the one for an RS.
#[test]
fn stateful_ra_14_56_02() {
    let guest = guest([0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b], 3);
    let rs = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 16) fe80::f816:3eff:fe22:386b > ff02::2: \
        [icmp6 sum ok] ICMP6, router solicitation, length 16 source link-address option (1), length 8 (1): fa:16:3e:22:38:6b";
    let ra = "IP6 (hlim 255, next-header ICMPv6 (58) payload length: 24) fe80::f816:3eff:fe77:e5a0 > ff02::1: \
        [icmp6 sum ok] ICMP6, router advertisement, length 24\n\
        hop limit 64, Flags [managed], pref medium, router lifetime 30s, reachable time 0s, retrans time 0s\n\
        source link-address option (1), length 8 (1): fa:16:3e:77:e5:a0";
    let with_more = "fa:16:3e:77:e5:a0 prefix info option (3), length 32 (4): 2001:db8:cafe:1::/64, Flags [onlink], valid time 86400s, pref. time 86400s rdnss option (25), length 24 (3): lifetime 30s, addr: 2001:db8:cafe:a::e dnssl option (31), length 24 (3): lifetime 30s, domain(s): openstacklocal.";
    let differences = [
        ("payload length: 24", "payload length: 104", "prefix, RDNSS and DNSSL"),
        ("length 24 hop", "length 104 hop", "the same"),
        ("> ff02::1:", "> fe80::f816:3eff:fe22:386b:", "RA-009, as above"),
        (
            "fa:16:3e:77:e5:a0",
            with_more,
            "on-link without it only through the router: an address of DHCPv6 implies no prefix (DHCP-138, RA-035); DNS as in RFC 8106",
        ),
    ];
    Exchange::new().check(&guest, &guest.rs(), rs, ra, &differences);
}

#[test]
fn prefix_delegation_15_03() {
    let guest = guest([0xfa, 0x16, 0x3e, 0xff, 0xcc, 0xb0], 4);
    // From dibbler's log: DUID=00:02:00:00:22:b8:3b:c8:22:26:81:6f:4d:71:98:3e:74:29:d3:d5:47:5a.
    let duid = [
        0, 2, 0, 0, 0x22, 0xb8, 0x3b, 0xc8, 0x22, 0x26, 0x81, 0x6f, 0x4d, 0x71, 0x98, 0x3e, 0x74, 0x29, 0xd3,
        0xd5, 0x47, 0x5a,
    ];
    let flow = |mut frame: Vec<u8>| {
        frame[14..18].copy_from_slice(&[0x60, 0x07, 0xbf, 0x3b]);
        frame
    };
    let forever = |ia: Vec<u8>| [&ia[..8], &[0xff; 8], &ia[16..]].concat();
    let mut exchange = Exchange::new();
    let solicit = "IP6 (flowlabel 0x7bf3b, hlim 1, next-header UDP (17) payload length: 60) fe80::f816:3eff:feff:ccb0.546 > \
        ff02::1:2.547: [udp sum ok] dhcp6 solicit (xid=800a54 (client-ID vid 000022b83bc82226) (IA_PD IAID:1 \
        T1:4294967295 T2:4294967295) (elapsed-time 0))";
    let advertise = "IP6 (flowlabel 0x80c10, hlim 64, next-header UDP (17) payload length: 134) fe80::20c:29ff:fe87:2f6b.547 > \
        fe80::f816:3eff:feff:ccb0.546: [udp sum ok] dhcp6 advertise (xid=800a54 (IA_PD IAID:1 T1:2000 T2:3000 \
        (IA_PD-prefix 2001:db8:face:2ff2::/64 pltime:3600 vltime:7200) (status-code success)) (server-ID hwaddr/time type \
        1 time 529454623 000c29872f6b) (client-ID vid 000022b83bc82226) (preference 0))";
    let mut payload = message(1, &[option(1, &duid), forever(ia_pd(1, &[])), option(8, &[0, 0])].concat());
    payload[1..4].copy_from_slice(&[0x80, 0x0a, 0x54]);
    let lease = "(IA_PD IAID:1 T1:2000 T2:3000 (IA_PD-prefix 2001:db8:face:2ff2::/64 pltime:3600 vltime:7200) (status-code success))";
    let bare =
        "(IA_PD IAID:1 T1:2000 T2:3000 (IA_PD-prefix 2001:db8:face:2ff2::/64 pltime:3600 vltime:7200))";
    let ids = " (server-ID hwaddr/time type 1 time 529454623 000c29872f6b) (client-ID vid 000022b83bc82226) (preference 0)";
    let envelope: [Difference; 1] =
        [("flowlabel 0x80c10, hlim 64", "hlim 255", "no flow label, one hop limit for all answers")];
    let differences = [
        envelope[0],
        ("payload length: 134", "payload length: 102", "no status text in the IA, a shorter Server-ID"),
        (ids, "", "our order (OPT-003)"),
        (lease, "IDS (preference 255) LEASE", "Preference 255 ends the client's wait (DHCP-068)"),
        (
            "IDS",
            "(client-ID vid 000022b83bc82226) (server-ID hwaddr type 1 fa163e06176f)",
            "a DUID-LLT needs stable storage; ours is the cloud's (DHCP-030)",
        ),
        ("LEASE", bare, "Success needs no Status Code (DHCP-172)"),
    ];
    exchange.check(
        &guest,
        &flow(guest.udp("ff02::1:2", 546, 547, &payload)),
        solicit,
        advertise,
        &differences,
    );

    // The Server-ID of the Request is the one that was advertised: ours, four octets shorter than dibbler's.
    let request = "IP6 (flowlabel 0x7bf3b, hlim 1, next-header UDP (17) payload length: 103) fe80::f816:3eff:feff:ccb0.546 > \
        ff02::1:2.547: [udp sum ok] dhcp6 request (xid=561e28 (client-ID vid 000022b83bc82226) (IA_PD IAID:1 \
        T1:4294967295 T2:4294967295 (IA_PD-prefix 2001:db8:face:2ff2::/64 pltime:3600 vltime:7200)) (server-ID hwaddr \
        type 1 fa163e06176f) (elapsed-time 0))";
    let reply = "IP6 (flowlabel 0x80c10, hlim 64, next-header UDP (17) payload length: 134) fe80::20c:29ff:fe87:2f6b.547 > \
        fe80::f816:3eff:feff:ccb0.546: [udp sum ok] dhcp6 reply (xid=561e28 (IA_PD IAID:1 T1:2000 T2:3000 \
        (IA_PD-prefix 2001:db8:face:2ff2::/64 pltime:3600 vltime:7200) (status-code success)) (server-ID hwaddr/time type \
        1 time 529454623 000c29872f6b) (client-ID vid 000022b83bc82226) (preference 0))";
    let lifetimes = [3600_u32.to_be_bytes(), 7200_u32.to_be_bytes()].concat();
    let prefix = option(26, &[lifetimes.as_slice(), &[64], &ip("2001:db8:face:2ff2::").octets()].concat());
    let ia = option(25, &[&[0, 0, 0, 1], [0xff; 8].as_slice(), &prefix].concat());
    let rest = [ia, option(2, &crate::world::SERVER_ID), option(8, &[0, 0])].concat();
    let mut payload = message(3, &[option(1, &duid), rest].concat());
    payload[1..4].copy_from_slice(&[0x56, 0x1e, 0x28]);
    let differences = [
        envelope[0],
        (
            "payload length: 134",
            "payload length: 97",
            "no status text in the IA, a shorter Server-ID, no Preference",
        ),
        (ids, "", "our order (OPT-003); Preference is for Advertise only (RFC 9915 §21.8)"),
        (lease, "IDS LEASE", "our order (OPT-003)"),
        (
            "IDS",
            "(client-ID vid 000022b83bc82226) (server-ID hwaddr type 1 fa163e06176f)",
            "as above (DHCP-030)",
        ),
        ("LEASE", bare, "as above (DHCP-172)"),
    ];
    exchange.check(&guest, &flow(guest.udp("ff02::1:2", 546, 547, &payload)), request, reply, &differences);
}
