//! Every rule of a port and between ports: what is said, where, and what to do.

mod lease_support;

use lease_support::{HEAD, NETWORKS, error, port_error, problems, table, warning};

#[test]
fn a_port_needs_a_mac_and_a_network() {
    port_error(
        "[[ports]] # <-\nnetwork = \"a\"",
        ["ports[0].mac_address", "is missing", "", "write the MAC address of the guest's interface"],
    );
    port_error(
        "[[ports]] # <-\nmac_address = \"fa:16:3e:00:01:01\"",
        ["ports[0].network", "is missing", "", "write the name of a network"],
    );
    port_error(
        "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"c\" # <-",
        [
            "ports[0].network",
            "no such network",
            "\"c\"",
            "define [networks.c] or write the name of one that exists",
        ],
    );
}

#[test]
fn a_mac_is_unicast_and_not_the_routers() {
    for (mac, what, remedy) in [
        ("fa:16:3e:00:01", "is no MAC address", "write six octets as fa:16:3e:00:00:01"),
        ("00:00:00:00:00:00", "is the zero address", "write the MAC address of the interface"),
        (
            "33:33:00:00:00:01",
            "is a group address",
            "write a unicast MAC address: the lowest bit of its first octet is 0",
        ),
    ] {
        let port = format!("[[ports]]\nnetwork = \"a\"\nmac_address = \"{mac}\" # <-");
        port_error(&port, ["ports[0].mac_address", what, &format!("\"{mac}\""), remedy]);
    }
    port_error(
        "[[ports]]\nnetwork = \"a\"\nmac_address = \"fa:16:3e:00:00:01\" # <-",
        [
            "ports[0].mac_address",
            "is the router's own on network a",
            "fa:16:3e:00:00:01",
            "give the guest another MAC address",
        ],
    );
}

#[test]
fn a_device_has_a_name_that_linux_takes() {
    let remedy = "write the name of a network device: 1 to 15 octets without slash, colon or white space";
    for (name, what) in [
        ("sixteen-octets-x", "is longer than 15 octets"),
        ("a/b", "has a character that no device name has"),
        ("a b", "has a character that no device name has"),
        ("", "is no device name"),
        ("..", "is no device name"),
    ] {
        let port = format!(
            "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\ndevice = \"{name}\" # <-"
        );
        port_error(&port, ["ports[0].device", what, &format!("\"{name}\""), remedy]);
    }
}

fn on_b(number: u8, rest: &str) -> String {
    format!("[[ports]]\nmac_address = \"fa:16:3e:00:01:{number:02x}\"\nnetwork = \"b\"\n{rest}\n")
}

#[test]
fn dhcp_135_an_assigned_address_lies_in_a_subnet_and_is_free() {
    for (address, what, remedy) in [
        ("2001:db8:a::9", "lies in no subnet of network b", "write an address of 2001:db8:b::/64"),
        ("2001:db8:b::", "is reserved (RFC 5453, RFC 4291 §2.6.1)", "write another address of the subnet"),
        (
            "2001:db8:b:0:fdff:ffff:ffff:ffff",
            "is reserved (RFC 5453, RFC 4291 §2.6.1)",
            "write another address of the subnet",
        ),
        (
            "2001:db8:b::1",
            "is an address of the router or of a service",
            "write another address of the subnet",
        ),
        (
            "2001:db8:b::80",
            "is an address of the router or of a service",
            "write another address of the subnet",
        ),
    ] {
        let port = on_b(1, &format!("fixed_ips = [\n\"2001:db8:b::9\",\n\"{address}\", # <-\n]"));
        port_error(&port, ["ports[0].fixed_ips[1]", what, address, remedy]);
    }
    port_error(
        &on_b(1, "fixed_ips = [\"fe80::7/64\"] # <-"),
        [
            "ports[0].fixed_ips[0]",
            "is no IPv6 address",
            "\"fe80::7/64\"",
            "write the address without a prefix length",
        ],
    );
    let twice = on_b(1, "fixed_ips = [\"2001:db8:b::9\", \"2001:db8:b::9\"] # <-");
    port_error(
        &twice,
        ["ports[0].fixed_ips[1]", "is given to this port twice", "2001:db8:b::9", "take one of them out"],
    );
}

#[test]
fn a_port_of_a_stateful_network_has_an_address() {
    let port = on_b(1, "").replace("[[ports]]", "[[ports]] # <-");
    port_error(
        &port,
        [
            "ports[0].fixed_ips",
            "has no address on network b, whose addresses are assigned by DHCPv6",
            "",
            "write an address of 2001:db8:b::/64",
        ],
    );
}

/// The address is the one that RFC 4291 appendix A makes: fa → f8, fffe in the middle.
#[test]
fn adr_001_a_slaac_address_is_the_one_that_the_host_makes() {
    let port = |address: &str| {
        format!(
            "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\nfixed_ips = [\"{address}\"] # <-"
        )
    };
    port_error(
        &port("2001:db8:a::5"),
        [
            "ports[0].fixed_ips[0]",
            "is not the address that fa:16:3e:00:01:01 makes of 2001:db8:a::/64 (slaac)",
            "2001:db8:a::5",
            "write 2001:db8:a:0:f816:3eff:fe00:101 or leave it out",
        ],
    );
    let fine = table(&format!("{NETWORKS}{}", port("2001:db8:a:0:f816:3eff:fe00:101")));
    let port = fine.ports().next().expect("one port");
    assert_eq!(port.addresses().len(), 0, "DHCPv6 does not assign it");
    let made: Vec<String> = port.slaac_addresses().map(|a| a.to_string()).collect();
    assert_eq!(made, ["2001:db8:a:0:f816:3eff:fe00:101"]);
}

#[test]
fn a_mac_is_given_once_on_a_network_and_on_a_vlan() {
    let port = |network: &str, device: &str, mark: &str| {
        let pin = if device.is_empty() { String::new() } else { format!("device = \"{device}\"\n") };
        format!("[[ports]]\nnetwork = \"{network}\"\n{pin}mac_address = \"fa:16:3e:00:01:01\"{mark}\n")
    };
    let same = port("a", "t1", "") + &port("a", "t2", " # <-");
    port_error(
        &same,
        [
            "ports[1].mac_address",
            "is the MAC of ports[0] on network a too",
            "fa:16:3e:00:01:01",
            "give each port of a network its own MAC address",
        ],
    );
    for (first, second) in [("", ""), ("t1", ""), ("t1", "t1")] {
        let both = port("a", first, "") + &port("x", second, " # <-");
        port_error(
            &both,
            [
                "ports[1].mac_address",
                "is the MAC of ports[0] on network a too, both untagged",
                "fa:16:3e:00:01:01",
                "pin each of them to a device of its own, or change one",
            ],
        );
    }
    let apart = NETWORKS.to_owned() + &port("a", "t1", "") + &port("x", "t2", "");
    assert_eq!(problems("leases.toml", &apart), []);
    let tagged = NETWORKS.to_owned() + &port("a", "", "") + &on_b(1, "fixed_ips = [\"2001:db8:b::9\"]");
    assert_eq!(problems("leases.toml", &tagged), [], "VLAN 7 and untagged are two");
}

#[test]
fn an_address_is_given_to_one_port_of_a_network() {
    let both = on_b(1, "fixed_ips = [\"2001:db8:b::9\"]") + &on_b(2, "fixed_ips = [\"2001:db8:b::9\"] # <-");
    port_error(
        &both,
        [
            "ports[1].fixed_ips[0]",
            "is an address of ports[0] on the same network too",
            "2001:db8:b::9",
            "give each port its own address",
        ],
    );
}

#[test]
fn a_delegated_prefix_overlaps_nothing() {
    let remedy = "delegate a prefix that nobody else has";
    let first = on_b(1, "fixed_ips = [\"2001:db8:b::9\"]\ndelegated_prefixes = [\"2001:db8:f00::/48\"]");
    for (prefix, what) in [
        ("2001:db8:f00::/48", "is delegated to ports[0] too (delegated_prefixes[0])"),
        ("2001:db8:f00:7::/64", "overlaps 2001:db8:f00::/48, which is delegated to ports[0]"),
        ("2001:db8:a::/64", "overlaps 2001:db8:a::/64, subnets[0] of network a"),
        ("2001:db8:c::/48", "overlaps 2001:db8:c::/64, subnets[0] of network x"),
    ] {
        let second =
            on_b(2, &format!("fixed_ips = [\"2001:db8:b::a\"]\ndelegated_prefixes = [\"{prefix}\"] # <-"));
        port_error(&(first.clone() + &second), ["ports[1].delegated_prefixes[0]", what, prefix, remedy]);
    }
    let own = on_b(
        1,
        "fixed_ips = [\"2001:db8:b::9\"]\ndelegated_prefixes = [\"3fff::/48\", \"3fff:0:0:1::/64\"] # <-",
    );
    let what = "overlaps 3fff::/48, which is delegated to ports[0]";
    port_error(&own, ["ports[0].delegated_prefixes[1]", what, "3fff:0:0:1::/64", remedy]);
}

#[test]
fn pd_001_a_delegated_prefix_is_unicast_without_host_bits() {
    for (prefix, what, remedy) in [
        ("2001:db8:f00::1/64", "has host bits set", "write 2001:db8:f00::/64"),
        (
            "ff00::/16",
            "overlaps the multicast addresses",
            "write a prefix of global or unique local unicast addresses",
        ),
        (
            "::/0",
            "overlaps the unspecified address",
            "write a prefix of global or unique local unicast addresses",
        ),
    ] {
        let port =
            on_b(1, &format!("fixed_ips = [\"2001:db8:b::9\"]\ndelegated_prefixes = [\"{prefix}\"] # <-"));
        port_error(&port, ["ports[0].delegated_prefixes[0]", what, &format!("\"{prefix}\""), remedy]);
    }
}

#[test]
fn pd_015_a_prefix_too_long_for_slaac_is_a_warning() {
    let port = on_b(1, "fixed_ips = [\"2001:db8:b::9\"]\ndelegated_prefixes = [\"2001:db8:f00::/72\"] # <-");
    warning(
        &(NETWORKS.to_owned() + &port),
        [
            "ports[0].delegated_prefixes[0]",
            "is too long for SLAAC behind the guest",
            "2001:db8:f00::/72",
            "delegate 64 bits or fewer (RFC 9663 §8)",
        ],
    );
}

#[test]
fn ra_036_a_prefix_that_no_client_asks_for_is_a_warning() {
    let port = "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\ndelegated_prefixes = [\"3fff::/48\"] # <-\n";
    warning(
        &(NETWORKS.to_owned() + port),
        [
            "ports[0].delegated_prefixes",
            "may not be asked for: network a sets neither M nor O in its RAs",
            "1",
            "use ipv6_ra_mode dhcpv6-stateless or dhcpv6-stateful",
        ],
    );
}

#[test]
fn counts_have_limits() {
    let addresses: Vec<String> = (0..33).map(|i| format!("\"2001:db8:b::1:{i:x}\"")).collect();
    let port = on_b(1, &format!("fixed_ips = [{}] # <-", addresses.join(", ")));
    let text = NETWORKS.replace("vlan = 7", "vlan = 7\nmtu = 9000") + &port;
    error(&text, ["ports[0].fixed_ips", "too many entries", "33", "keep at most 32"]);
}

/// By hand: 52 octets of headers, 134 client identifier, 22 server identifier (DUID-UUID), 5 preference, 4 rapid commit,
/// 16 + 32 × 28 for an IA_NA of 32 addresses, 16 + 29 for an IA_PD of one prefix: 1174; 27 for a host name of
/// 22 wire octets.
#[test]
fn the_longest_answer_fits_the_link() {
    let network = |mtu: u32, url: usize| {
        let addresses: Vec<String> = (0..32).map(|i| format!("\"2001:db8:b::1:{i:x}\"")).collect();
        let port = on_b(
            1,
            &format!(
                "fixed_ips = [{}]\ndelegated_prefixes = [\"3fff::/48\"]\nhostname = \"guest-1.example.com.au\"\nboot_file_url = \"tftp:{}\"",
                addresses.join(", "),
                "x".repeat(url - 5),
            ),
        );
        NETWORKS.replace("vlan = 7", &format!("vlan = 7\nmtu = {mtu}"))
            + &port.replace("[[ports]]", "[[ports]] # <-")
    };
    // 1174 + 5 + 24 for the name, 24 for options 32, 82 and 83, 4 + 49 for the URL.
    assert_eq!(problems("leases.toml", &network(1280, 49)), []);
    error(
        &network(1280, 50),
        [
            "ports[0]",
            "the longest DHCPv6 answer does not fit 1280 octets",
            "1281 octets",
            "take out addresses, prefixes or options, or raise the network's mtu",
        ],
    );
}

#[test]
fn metadata_is_a_table_that_json_can_hold() {
    let text = |line: &str| {
        format!(
            "{HEAD}[networks.n]\n[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"n\"\n{line} # <-\n"
        )
    };
    error(
        &text("metadata = \"x\""),
        ["ports[0].metadata", "is a string, not a table", "\"x\"", "write a table"],
    );
    let what = "holds a number that JSON cannot express, nan";
    error(
        &text("metadata = { a = [{ b = nan }] }"),
        ["ports[0].metadata", what, "a table of 1", "write it as a string"],
    );
}

/// RFC 9762 §5: the P flag promises a prefix to every host.
/// PD-024: the network of the last case sets P with neither M nor O.
#[test]
fn pd_025_a_preferred_delegation_needs_a_prefix_for_every_port() {
    let networks = NETWORKS
        .replace("ipv6_ra_mode = \"slaac\",", "ipv6_ra_mode = \"slaac\", dhcpv6_pd_preferred = true,");
    let port = |lines: &str| {
        format!("{networks}[[ports]] # <-\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\n{lines}\n")
    };
    error(
        &port(""),
        [
            "ports[0].delegated_prefixes",
            "is missing though 2001:db8:a::/64 of network a tells hosts to ask for one",
            "",
            "write delegated_prefixes or delegate, or take dhcpv6_pd_preferred out (RFC 9762 §5)",
        ],
    );
    assert_eq!(problems("leases.toml", &port("delegated_prefixes = [\"3fff::/60\"]")), []);
}

#[test]
fn pd_019_an_excluded_prefix_is_a_part_of_the_delegated_one() {
    for (value, what, shown, remedy) in [
        (
            "{ prefix = \"3fff::/56\", exclude = \"3fff:0:0:100::/64\" }",
            "excludes what is no part of it",
            "3fff:0:0:100::/64",
            "exclude a prefix of 3fff::/56 that is longer (RFC 6603 §4.2)",
        ),
        (
            "{ prefix = \"3fff::/56\", exclude = \"3fff::/56\" }",
            "excludes what is no part of it",
            "3fff::/56",
            "exclude a prefix of 3fff::/56 that is longer (RFC 6603 §4.2)",
        ),
        (
            "{ exclude = \"3fff::/56\" }",
            "has no prefix",
            "a table of 1",
            "write a prefix, or { prefix = \"…\", exclude = \"…\" }",
        ),
        (
            "{ prefix = \"3fff::/56\", length = 3 }",
            "has an unknown field length",
            "a table of 2",
            "write a prefix, or { prefix = \"…\", exclude = \"…\" }",
        ),
    ] {
        port_error(
            &on_b(1, &format!("fixed_ips = [\"2001:db8:b::9\"]\ndelegated_prefixes = [{value}] # <-")),
            ["ports[0].delegated_prefixes[0]", what, shown, remedy],
        );
    }
}

/// ADR-012: addresses are compared as octets, whatever their text, and written as RFC 5952 says.
#[test]
fn adr_012_one_address_in_two_spellings_is_one_address() {
    let port = on_b(1, "fixed_ips = [\"2001:db8:b::9\", \"2001:0DB8:000b:0:0:0:0:9\"] # <-");
    let what =
        ["ports[0].fixed_ips[1]", "is given to this port twice", "2001:db8:b::9", "take one of them out"];
    port_error(&port, what);
}
