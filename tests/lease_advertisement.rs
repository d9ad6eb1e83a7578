//! What a network's advertisement says of prefixes, and how long it may be.

mod lease_support;

use lease_support::{HEAD, error, network_error, table, warning};

const ROUTER: &str = "router = { mac_address = \"fa:16:3e:00:00:01\" }";
const SLAAC: &str =
    "subnets = [{ cidr = \"2001:db8:a::/64\", ipv6_ra_mode = \"slaac\", ipv6_address_mode = \"slaac\" }]";

#[test]
fn ra_045_a_prefix_is_gone_or_it_is_not() {
    let lines = |gone: &str| format!("{ROUTER}\n{SLAAC}\nretiring_prefixes = [{gone}] # <-");
    for (gone, field, what, value, remedy) in [
        (
            "\"2001:db8:a::/48\"",
            "[0]",
            "overlaps subnets[0], 2001:db8:a::/64",
            "2001:db8:a::/48",
            "take one of them out, or write deprecated = true on the subnet",
        ),
        (
            "\"fe80::/64\"",
            "[0]",
            "overlaps the link-local addresses",
            "fe80::/64",
            "use a prefix of global or unique local unicast addresses",
        ),
        (
            "\"2001:db8:8::/64\", \"2001:db8:8::/64\"",
            "[1]",
            "overlaps retiring_prefixes[0], 2001:db8:8::/64",
            "2001:db8:8::/64",
            "write each prefix once, as it was advertised",
        ),
        ("7", "[0]", "is an integer, not a string", "7", "write a string"),
    ] {
        network_error(&lines(gone), [&format!("networks.n.retiring_prefixes{field}"), what, value, remedy]);
    }
    let text = format!("{HEAD}[networks.n] # <-\nretiring_prefixes = [\"2001:db8:8::/64\"]\n");
    let remedy = "write router = { mac_address = \"…\" }, or take retiring_prefixes out where another router advertises";
    error(&text, ["networks.n.router", "is missing though prefixes are retiring", "", remedy]);
}

#[test]
fn what_an_advertisement_says_of_a_prefix_needs_one() {
    for key in ["deprecated", "dhcpv6_pd_preferred", "router_address"] {
        let lines = format!(
            "subnets = [{{ cidr = \"2001:db8::/64\", gateway_ip = \"2001:db8::1\", {key} = true }}] # <-"
        );
        network_error(
            &lines,
            [
                &format!("networks.n.subnets[0].{key}"),
                "is never told: the subnet has no ipv6_ra_mode",
                "true",
                "write an ipv6_ra_mode, or take it out",
            ],
        );
    }
    network_error(
        &format!(
            "{ROUTER}\nsubnets = [{{ cidr = \"2001:db8::/64\", ipv6_ra_mode = \"slaac\", router_address = true }}] # <-"
        ),
        [
            "networks.n.subnets[0].router_address",
            "there is no address to tell",
            "true",
            "write gateway_ip: it is the address that is told (RFC 6275 §7.2)",
        ],
    );
    let text = format!("{HEAD}[networks.n]\n{ROUTER}\n{SLAAC}\nmetadata_route = true # <-\n");
    warning(
        &text,
        [
            "networks.n.metadata_route",
            "leads to an address that is not answered for",
            "fe80::a9fe:a9fe",
            "write metadata = true, or take it out",
        ],
    );
}

/// 16 header, 8 source link-layer address, 8 MTU, 40 subnets of 32: 1312 octets and the IPv6 header. One octet less of
/// link makes two messages of it, each with header and source, none of them longer than the link.
/// IP-010: none is ever fragmented. BUG-007: nor sent too long.
#[test]
fn ra_016_an_advertisement_that_does_not_fit_is_several() {
    let subnet = |i| format!("{{ cidr = \"2001:db8:{i:x}::/64\", ipv6_ra_mode = \"slaac\" }}");
    let subnets: Vec<String> = (0..40).map(subnet).collect();
    let messages = |mtu: u32| -> Vec<Vec<u8>> {
        let text = format!("{HEAD}[networks.n]\nmtu = {mtu}\n{ROUTER}\nsubnets = [{}]\n", subnets.join(", "));
        let table = table(&text);
        let network = table.networks().next().expect("one");
        assert_eq!(network.router_advertisements().next(), Some(network.router_advertisement()));
        network.router_advertisements().map(<[u8]>::to_vec).collect()
    };
    let whole = messages(1352);
    assert_eq!(whole.iter().map(Vec::len).collect::<Vec<_>>(), [1312]);
    for (mtu, lengths) in [(1351, vec![1280, 24 + 32]), (1280, vec![1216, 24 + 32 * 3])] {
        let several = messages(mtu);
        assert_eq!(several.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        let mut options = Vec::new();
        for message in &several {
            assert_eq!(message[..24], whole[0][..24], "header and source link-layer address");
            options.extend_from_slice(&message[24..]);
        }
        // All of them, once, in order; only the MTU says another thing.
        assert_eq!(options[8..], whole[0][32..]);
    }
}

/// What is one thing cannot be split: 2 + 1286 octets of a URI behind 40 + 16 + 8 are 1352.
#[test]
fn ra_016_an_option_that_does_not_fit_alone_is_refused() {
    for (mtu, path, value) in
        [(1351, 1270, "1352 octets"), (9000, 2040, "more than 2040 octets in one option")]
    {
        let uri = format!("https://a.example/{}", "x".repeat(path - 2));
        let lines = format!("mtu = {mtu}\n{ROUTER}\n{SLAAC}\ncaptive_portal = \"{uri}\" # <-");
        let most = mtu.min(2030);
        let what = format!("a Router Advertisement with nothing else does not fit {most} octets");
        network_error(&lines, ["networks.n.captive_portal", &what, value, "shorten it, or raise mtu"]);
    }
}

/// RA-051, RA-052: more than one option can say, or one link can carry, is several options of the same lifetime
/// (RA-054), each whole, in their order. The lengths are those of RFC 8106: 8 + 16 for each server; 8 and the names,
/// padded to 8.
#[test]
fn ra_051_and_052_long_lists_of_dns_are_several_options() {
    let servers: Vec<String> = (1..=130).map(|i| format!("\"2001:db8::{i:x}\"")).collect();
    let domain = |i| format!("\"{}{i:03}.example\"", "a".repeat(45));
    let domains: Vec<String> = (0..40).map(domain).collect();
    // The largest frame of ours holds 2030 octets: behind 40 + 16 + 8 of them 122 servers, or 33 names of 58. Of 1280
    // octets there is room for 75 servers, or 20 names.
    for (mtu, expected) in [
        (9000, vec![(25, 245), (25, 17), (31, 241), (31, 52)]),
        (1280, vec![(25, 151), (25, 111), (31, 146), (31, 146)]),
    ] {
        let lines = format!(
            "{HEAD}[networks.n]\nmtu = {mtu}\n{ROUTER}\n{SLAAC}\ndns_nameservers = [{}]\ndns_domains = [{}]\n",
            servers.join(", "),
            domains.join(", ")
        );
        let table = table(&lines);
        let network = table.networks().next().expect("one");
        let (mut shapes, mut lifetimes, mut addresses, mut names) = (vec![], vec![], vec![], vec![]);
        for message in network.router_advertisements() {
            assert!(message.len() + 40 <= mtu, "{}", message.len());
            let mut rest = &message[16..];
            while let [kind, units, ..] = *rest {
                let (option, next) = rest.split_at(usize::from(units) * 8);
                if [25, 31].contains(&kind) {
                    shapes.push((kind, units));
                    lifetimes.push(option[4..8].to_vec());
                }
                match kind {
                    25 => addresses.extend_from_slice(&option[8..]),
                    31 => names
                        .extend(option[8..].split(|b| *b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec)),
                    _ => {}
                }
                rest = next;
            }
        }
        assert_eq!(shapes, expected, "mtu {mtu}");
        assert!(lifetimes.iter().all(|lifetime| *lifetime == lifetimes[0]), "RA-054");
        let last: Vec<u8> = addresses.chunks(16).map(|address| address[15]).collect();
        assert_eq!(last, (1..=130).collect::<Vec<u8>>());
        let spelled = |i| format!("{}{}{i:03}\x07example", '\x30', "a".repeat(45)).into_bytes();
        assert_eq!(names, (0..40).map(spelled).collect::<Vec<_>>());
    }
}

/// RA-031: a default route that ends before the next RA can come is none.
#[test]
fn a_router_lifetime_below_the_shortest_pause_is_refused() {
    for lifetime in [1, 3] {
        let router = format!(
            "router = {{ mac_address = \"fa:16:3e:00:00:01\", lifetime = {lifetime} }} # <-\n{SLAAC}"
        );
        let what = "is shorter than the shortest pause between RAs, 4 s";
        let (value, remedy) = (format!("{lifetime} s"), "write 0 for no default route, or at least 4");
        network_error(&router, ["networks.n.router.lifetime", what, &value, remedy]);
    }
}
