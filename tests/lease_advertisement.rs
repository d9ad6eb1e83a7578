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

/// 80 servers: 8 + 80 × 16 octets in one option, behind 40 + 16 + 8.
#[test]
fn ra_016_an_option_that_does_not_fit_alone_is_refused() {
    let servers: Vec<String> = (1..=80).map(|i| format!("\"2001:db8::{i:x}\"")).collect();
    let lines = format!("mtu = 1351\n{ROUTER}\n{SLAAC}\ndns_nameservers = [{}] # <-", servers.join(", "));
    network_error(
        &lines,
        [
            "networks.n.dns_nameservers",
            "a Router Advertisement with nothing else does not fit 1351 octets",
            "1352 octets",
            "shorten it, or raise mtu",
        ],
    );
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
