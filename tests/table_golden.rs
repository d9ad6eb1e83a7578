//! What the example compiles to, against octets that others wrote or that a standard prints.

mod lease_support;

use frontdesk::lease::options::{Origin, entries};
use frontdesk::lease::record::{
    NETWORK_ADVERTISES, NETWORK_DHCP, NETWORK_IS_ROUTER, NETWORK_RAPID_COMMIT, SUBNET_DEPRECATED,
    SUBNET_SLAAC, SUBNET_STATEFUL,
};
use frontdesk::lease::{LeaseTable, Lookup, Network, Port, file, load, load_locked};
use frontdesk::types::MacAddr;
use lease_support::{HEAD, NETWORKS, table};

const EXAMPLE: &str = include_str!("../fixtures/leases.example.toml");
const FULL: &str = include_str!("../fixtures/leases.full.toml");
const FULL_LOCK: &str = include_str!("../fixtures/leases.full.lock");

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex")).collect()
}

fn network<'t>(table: &'t LeaseTable, name: &str) -> Network<'t> {
    table.networks().find(|network| network.name() == name).expect("a network")
}

fn guest<'t>(table: &'t LeaseTable, vlan: u16, mac: [u8; 6], device: Option<&str>) -> Port<'t> {
    match table.find(vlan, MacAddr(mac), device.and_then(|name| table.device(name))) {
        Lookup::Found(id) => table.port(id).expect("its number"),
        other => panic!("{other:?}"),
    }
}

/// tcpdump of an OpenStack router, "SLAAC mode", 15:08:01.520667: hop limit 64, no flags, lifetime 30 s, and the octets
/// that it printed of both options. The MTU option is ours: the example gives the network's mtu.
#[test]
fn ra_034_the_slaac_advertisement_says_what_the_captured_one_said() {
    let table = table(EXAMPLE);
    let expected = hex("86 00 0000 40 00 001e 00000000 00000000
         01 01 fa16 3ec3 17b4
         05 01 0000 000005aa
         03 04 40c0 0001 5180 0000 3840 0000 0000 2001 0db8 cafe 0000 0000 0000 0000 0000");
    let network = network(&table, "private");
    assert_eq!(network.router_advertisement(), expected);
    assert_eq!(network.router_link_local().to_string(), "fe80::f816:3eff:fec3:17b4");
    let own: Vec<String> =
        network.own_addresses().iter().map(|a| std::net::Ipv6Addr::from(*a).to_string()).collect();
    assert_eq!(own, ["fe80::f816:3eff:fec3:17b4", "fe80::a9fe:a9fe"]);
    assert!(
        network.has(NETWORK_ADVERTISES)
            && network.has(NETWORK_IS_ROUTER)
            && network.has(NETWORK_RAPID_COMMIT)
    );
    assert_eq!((network.record().advertise_min.get(), network.record().advertise_max.get()), (3, 10));
    assert_eq!(network.subnets()[0].flags & (SUBNET_SLAAC | SUBNET_STATEFUL), SUBNET_SLAAC);
    let port = guest(&table, 0, [0xfa, 0x16, 0x3e, 0x79, 0x5a, 0xcc], Some("tap3e795acc"));
    // The guest asks with this address in the same capture, 15:08:02.484047.
    let made: Vec<String> = port.slaac_addresses().map(|a| a.to_string()).collect();
    assert_eq!(made, ["2001:db8:cafe:0:f816:3eff:fe79:5acc"]);
    let strange = table.find(0, port.mac(), table.device("eth0"));
    assert_eq!(strange, Lookup::WrongDevice);
}

/// The same slides, 15:43:23.911172: O, and again the printed octets; DNS is ours, as RFC 8106 §5 lays it out, for 30 s:
/// three of the effective 10 s.
/// RA-040: the lifetimes are those of Neutron's radvd where nothing is written.
#[test]
fn ra_034_the_stateless_advertisement_says_what_the_captured_one_said() {
    let table = table(EXAMPLE);
    let expected = hex("86 00 0000 40 40 001e 00000000 00000000
         01 01 fa16 3ec1 bc52
         03 04 40c0 0001 5180 0000 3840 0000 0000 2001 0db8 cafe 0002 0000 0000 0000 0000
         19 03 0000 0000001e 20010db8cafe000a 000000000000000e
         1f 03 0000 0000001e 0e 6f70656e737461636b6c6f63616c 00");
    assert_eq!(network(&table, "private-dhcpv6-stateless").router_advertisement(), expected);
}

/// Stateful, by the layouts of RFC 4861 §4.2 and §4.6, RFC 4191 §2.3, RFC 8106 §5, RFC 8781 §4 and RFC 8910 §2.3: M alone
/// (RA-034), preference high, A clear, DNS and NAT64 for 1800 s (225 units of eight).
/// RA-060: these octets stand in the table. RA-051, RA-054: one RDNSS option, so one lifetime.
#[test]
fn the_stateful_advertisement_has_every_option_in_order() {
    let table = table(EXAMPLE);
    let network = network(&table, "private-dhcpv6");
    let expected = hex("86 00 0000 40 88 0708 00000000 00000000
         01 01 fa16 3e77 e5a0
         03 04 40 80 00001c20 00000e10 00000000 20010db8cafe0001 0000000000000000
         18 02 30 08 00000708 20010db80f000000
         19 05 0000 00000708 20010db8cafe000a 000000000000000e 20010db8cafe000a 000000000000000f
         1f 05 0000 00000708 0e6f70656e737461636b6c6f63616c00 076578616d706c6503636f6d00 000000
         26 02 0708 0064ff9b 00000000 00000000
         25 04 68747470733a2f2f706f7274616c2e6578616d706c652e636f6d2f617069");
    assert_eq!(network.router_advertisement(), expected);
    assert_eq!(network.router_link_local().to_string(), "fe80::1");
    let record = network.record();
    assert_eq!((record.valid_lifetime.get(), record.preferred_lifetime.get()), (7200, 3600));
    assert_eq!((record.renew_time.get(), record.rebind_time.get()), (1800, 2880));
    assert_eq!((record.vlan.get(), record.mtu.get(), record.preference), (101, 1500, 255));
    assert!(network.has(NETWORK_DHCP));
}

/// By the layouts of RFC 3646 §3 and §4, RFC 5908 §4.1, RFC 5970 §3.1 and RFC 8910 §2.2.
#[test]
fn the_options_of_a_port_are_encoded_once() {
    let table = table(EXAMPLE);
    let port = guest(&table, 101, [0xfa, 0x16, 0x3e, 0x22, 0x38, 0x6b], None);
    let said: Vec<(u8, Origin, u16)> = entries(port.options()).map(|e| (e.flags, e.origin, e.code)).collect();
    assert_eq!(
        said,
        [
            (9, Origin::Port, 16),
            (0, Origin::Network, 23),
            (0, Origin::Network, 24),
            (2, Origin::Default, 32),
            (0, Origin::Network, 56),
            (1, Origin::Port, 59),
            (0, Origin::Default, 82),
            (4, Origin::Default, 83),
            (1, Origin::Network, 103),
        ]
    );
    let [class, others @ ..] = &entries(port.options()).collect::<Vec<_>>()[..] else { panic!("nine") };
    let expected = hex("0010 0010 00000157 000a 48545450436c69656e74");
    assert_eq!(
        (class.wire, class.condition().map(|c| c.vendor_class)),
        (&*expected, Some(&b"HTTPClient"[..]))
    );
    let wire: Vec<u8> = others.iter().flat_map(|e| e.wire.to_vec()).collect();
    let url = "http://[2001:db8:cafe:a::80]/ipxe.efi";
    let portal = "https://portal.example.com/api";
    let expected = [
        hex("0017 0020 20010db8cafe000a 000000000000000e 20010db8cafe000a 000000000000000f"),
        hex("0018 001d 0e6f70656e737461636b6c6f63616c00 076578616d706c6503636f6d00"),
        hex("0020 0004 00015180"),
        hex("0038 0014 0001 0010 20010db8cafe000a 0000000000000123"),
        [&hex("003b 0025")[..], url.as_bytes()].concat(),
        hex("0052 0004 00000e10"),
        hex("0053 0004 00000e10"),
        [&hex("0067 001e")[..], portal.as_bytes()].concat(),
    ];
    assert_eq!(wire, expected.concat());
    assert_eq!(port.hostname(), b"\x0ev6onlyinstance\x07example\x03com\x00");
    let addresses: Vec<String> =
        port.addresses().iter().map(|a| std::net::Ipv6Addr::from(*a).to_string()).collect();
    assert_eq!(addresses, ["2001:db8:cafe:1::4", "2001:db8:cafe:1::1004"]);
    let lengths: Vec<u8> = port.prefixes().iter().map(|p| p.length).collect();
    assert_eq!(lengths, [64, 60]);
    let metadata: serde_json::Value = serde_json::from_slice(port.metadata()).expect("JSON");
    assert_eq!(metadata["device_id"], "2244a346-a34b-4ab6-905f-71dc207a92e6");
    assert_eq!(metadata["hostname"], "v6onlyinstance.example.com");
    assert_eq!(metadata["metadata"]["user_data"], "#cloud-config\nfqdn: v6onlyinstance.example.com\n");
}

/// RFC 9915 §21.23 to §21.25, RFC 4075 §4, and a port that overlays or takes away what the network has.
#[test]
fn timers_and_overlays_have_their_flags_and_origins() {
    let network = "[networks.n]\ndns_nameservers = [\"2001:db8::53\"]\ndns_domains = [\"example.com\"]\nntp_servers = [\"2001:db8::1\", \"2001:db8::2\"]\nsntp_servers = [\"2001:db8::3\"]\ninformation_refresh_time = 600\nsol_max_rt = 60\ninf_max_rt = 86400\n";
    let port = "[[ports]]\nmac_address = \"02:00:00:00:00:01\"\nnetwork = \"n\"\ndns_nameservers = [\"2001:db8::54\"]\ndns_domains = []\n";
    let table = table(&format!("{HEAD}{network}{port}"));
    let shown = |block: &[u8]| -> Vec<(u8, Origin, Vec<u8>)> {
        entries(block).map(|e| (e.flags, e.origin, e.wire.to_vec())).collect()
    };
    let mut expected = vec![
        (0, Origin::Network, hex("0017 0010 20010db8000000000000000000000053")),
        (0, Origin::Network, hex("0018 000d 076578616d706c6503636f6d00")),
        (0, Origin::Network, hex("001f 0010 20010db8000000000000000000000003")),
        (2, Origin::Network, hex("0020 0004 00000258")),
        (0, Origin::Network, hex("0038 0014 0001 0010 20010db8000000000000000000000001")),
        (0, Origin::Network, hex("0038 0014 0001 0010 20010db8000000000000000000000002")),
        (0, Origin::Network, hex("0052 0004 0000003c")),
        (4, Origin::Network, hex("0053 0004 00015180")),
    ];
    assert_eq!(shown(table.networks().next().expect("one").options()), expected);
    expected.remove(1);
    expected[0] = (0, Origin::Port, hex("0017 0010 20010db8000000000000000000000054"));
    assert_eq!(shown(table.ports().next().expect("one").options()), expected);
}

/// An external router: no RA, DHCPv6 from an address that is nobody's (expected from Python's uuid5).
#[test]
fn a_network_of_another_router_answers_from_a_derived_address() {
    let table = table(NETWORKS);
    let network = network(&table, "x");
    assert_eq!(network.router_advertisement(), b"");
    assert!(!network.has(NETWORK_ADVERTISES) && !network.has(NETWORK_IS_ROUTER) && network.has(NETWORK_DHCP));
    assert_eq!(network.router_mac().to_string(), "02:da:ee:c0:94:e8");
    assert!(network.router_link_local().to_string().starts_with("fe80::"));
}

/// RFC 4861 §4.6.2, 6275 §7.2, 9762 §5, 9096 §3.5 and 4191 §2.3: what the flags of prefixes, prefixes that are gone and the
/// route to the metadata address look like (RA-039, RA-045, RA-050, PD-022, PD-023).
#[test]
fn ra_045_ra_050_pd_023_prefixes_have_their_flags_and_the_gone_have_no_lifetime() {
    let text = format!(
        "{HEAD}[networks.n]\nmetadata = true\nmetadata_route = true\n\
         router = {{ mac_address = \"fa:16:3e:00:00:01\", lifetime = 0 }}\n\
         retiring_prefixes = [\"2001:db8:8::/64\", {{ prefix = \"2001:db8:9::/60\", ipv6_ra_mode = \"dhcpv6-stateful\" }}]\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:1::/64\"\nipv6_ra_mode = \"slaac\"\ndhcpv6_pd_preferred = true\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:2::/64\"\nipv6_ra_mode = \"slaac\"\ndeprecated = true\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:3::/64\"\nipv6_ra_mode = \"dhcpv6-stateful\"\ngateway_ip = \"2001:db8:3::1\"\nrouter_address = true\n"
    );
    let table = table(&text);
    let network = table.networks().next().expect("one");
    let expected = hex("86 00 0000 40 80 0000 00000000 00000000
         01 01 fa163e000001
         03 04 40 d0 00015180 00003840 00000000 20010db8000100000000000000000000
         03 04 40 c0 00015180 00000000 00000000 20010db8000200000000000000000000
         03 04 40 a0 00015180 00003840 00000000 20010db8000300000000000000000001
         03 04 40 c0 00000000 00000000 00000000 20010db8000800000000000000000000
         03 04 3c 80 00000000 00000000 00000000 20010db8000900000000000000000000
         18 03 80 00 00000708 fe80000000000000 00000000a9fea9fe");
    assert_eq!(network.router_advertisement(), expected);
    let flags: Vec<u8> = network.subnets().iter().map(|subnet| subnet.flags).collect();
    assert_eq!(flags, [SUBNET_SLAAC, SUBNET_SLAAC | SUBNET_DEPRECATED, 0]);
}

/// RFC 6603 §4.2: a part that is longer than the prefix and inside it.
#[test]
fn pd_019_an_excluded_part_is_kept_with_its_prefix() {
    let port = "[[ports]]\nmac_address = \"02:00:00:00:00:01\"\nnetwork = \"n\"\ndelegated_prefixes = [{ prefix = \"2001:db8:0:100::/56\", exclude = \"2001:db8:0:1ff::/64\" }, \"2001:db8:1::/48\"]\n";
    let table = table(&format!("{HEAD}[networks.n]\n{port}"));
    let said: Vec<(u8, Vec<u8>, u8)> = table
        .ports()
        .flat_map(|port| port.prefixes().to_vec())
        .map(|p| (p.length, p.exclude.to_vec(), p.exclude_length))
        .collect();
    assert_eq!(said, [(56, hex("20010db8000001ff 0000000000000000"), 64), (48, vec![0; 16], 0)]);
}

#[test]
fn toml_and_json_give_the_same_octets() {
    let value: serde_json::Value = toml::from_str(EXAMPLE).expect("TOML");
    let octets = |name: &str, text: String| {
        let loaded = load(name, text.into_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let mut octets = Vec::new();
        file::write(&loaded.table, &mut octets).expect("memory");
        octets
    };
    let expected = octets("a.toml", EXAMPLE.to_owned());
    assert_eq!(octets("a.json", value.to_string()), expected);
    assert_eq!(octets("named-without-ending", serde_json::to_string_pretty(&value).expect("JSON")), expected);
}

/// Three ports of one network, one of them with an option of its own: two blocks of options, not three.
#[test]
fn equal_blobs_are_stored_once() {
    let port = |n: u8, line: &str| {
        format!(
            "[[ports]]\nmac_address = \"02:00:00:00:00:0{n}\"\nnetwork = \"n\"\nproject_id = \"p\"\n{line}\n"
        )
    };
    let text = format!(
        "{HEAD}[networks.n]\ndns_nameservers = [\"2001:db8::53\"]\n{}{}{}",
        port(1, ""),
        port(2, ""),
        port(3, "dns_nameservers = [\"2001:db8::53\"]")
    );
    let table = table(&text);
    let [one, two, three] = table.sections().ports.as_slice() else { panic!("three ports") };
    assert_eq!((one.options, one.metadata), (two.options, two.metadata));
    assert_eq!(one.metadata, three.metadata);
    assert_ne!(one.options, three.options, "its origin is the port");
}

/// The reference of all fields is itself a source without a problem, and so is its lock file.
#[test]
fn the_full_example_has_no_problem() {
    let loaded = load_locked("leases.full.toml", FULL.into(), Some(FULL_LOCK.into()));
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, []);
    let table = loaded.table;
    assert_eq!(table.server_duid(), hex("0002 000022b8 3bc82226816f"));
    let port = table.ports().next().expect("two ports");
    let mut codes: Vec<u16> = entries(port.options()).map(|entry| entry.code).collect();
    codes.dedup();
    assert_eq!(
        codes,
        [
            17, 21, 22, 23, 27, 28, 29, 30, 31, 32, 41, 42, 51, 52, 56, 57, 58, 59, 64, 82, 83, 86, 88, 103,
            136, 143, 144, 145, 65001
        ],
        "24 is taken away, as are the network's boot files and their parameters"
    );
    let ntp: Vec<&[u8]> = entries(port.options()).filter(|e| e.code == 56).map(|e| e.wire).collect();
    assert_eq!(ntp, [hex("0038 0015 0003 0011 03 6e7470 07 6578616d706c65 03 636f6d 00")], "the names stay");
    let shared: Vec<u16> = entries(table.networks().next().expect("one").options()).map(|e| e.code).collect();
    assert_eq!(shared.iter().filter(|code| **code == 16).count(), 4);
    let other = table.ports().nth(1).expect("two ports");
    assert_eq!((other.addresses().len(), other.prefixes().len()), (1, 2));
    assert_eq!(other.options(), table.networks().next().expect("one").options());
}

/// Every field that the program knows is in the reference: those that a misspelt name is offered.
#[test]
fn the_full_example_has_every_field() {
    for (line, count) in [("[networks.n]", 50), ("[[ports]]", 40)] {
        let text = format!("{HEAD}{line}\nqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq = 1\n");
        let problems = lease_support::problems("l.toml", &text);
        let unknown = problems.iter().find(|p| p.what == "unknown field").expect("one");
        let names = unknown.remedy.strip_prefix("take it out, or use one of ").expect("the list");
        assert!(names.split(", ").count() > count, "{names}");
        for name in names.split(", ") {
            let there = |l: &str| l.starts_with(&format!("{name} = ")) || l.contains(&format!(".{name}]"));
            assert!(FULL.lines().any(there), "{name}");
        }
    }
}
