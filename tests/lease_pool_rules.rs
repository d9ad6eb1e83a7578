//! The rules of pools, and of what a port may want of them.

mod lease_support;

use lease_support::{error, network_error, pooled as source, pooled_port as port, port_error};

#[test]
fn pools_have_rules() {
    let stateful =
        "[[networks.n.subnets]]\ncidr = \"2001:db8::/64\"\nipv6_address_mode = \"dhcpv6-stateful\"\n";
    let pools = |value: &str| format!("{stateful}allocation_pools = [{value}] # <-");
    let field = |field: &str| format!("networks.n.subnets[0].allocation_pools{field}");
    network_error(
        &pools("{ start = \"2001:db8::1\", end = \"2001:db8:1::1\" }"),
        [&field("[0].end"), "lies outside 2001:db8::/64", "2001:db8:1::1", "write an address of the subnet"],
    );
    network_error(
        &pools("{ start = \"2001:db8::2\", end = \"2001:db8::1\" }"),
        [
            &field("[0].start"),
            "is above the end, 2001:db8::1",
            "2001:db8::2",
            "write the lower address as start",
        ],
    );
    network_error(
        &pools(
            "{ start = \"2001:db8::1\", end = \"2001:db8::9\" }, { start = \"2001:db8::9\", end = \"2001:db8::a\" }",
        ),
        [
            &field("[1].start"),
            "overlaps allocation_pools[0], 2001:db8::1 to 2001:db8::9",
            "2001:db8::9",
            "give each pool of a subnet its own addresses",
        ],
    );
    network_error(
        &pools("{ start = \"2001:db8::1\" }"),
        [&field("[0].end"), "is missing", "", "write the last address of the range"],
    );
    network_error(
        "[[networks.n.subnets]]\ncidr = \"2001:db8::/64\"\nallocation_pools = [{ start = \"2001:db8::1\", end = \"2001:db8::9\" }] # <-",
        [
            &field(""),
            "are never used: DHCPv6 does not assign the addresses of this subnet",
            "2001:db8::/64",
            "write ipv6_address_mode = \"dhcpv6-stateful\", or take them out",
        ],
    );
    network_error(
        "prefix_pools = [{ pool = \"2001:db8::/40\", length = 39 }] # <-",
        [
            "networks.n.prefix_pools[0].length",
            "is shorter than the pool 2001:db8::/40",
            "39",
            "write at least 40, or a larger pool",
        ],
    );
    network_error(
        "prefix_pools = [\n{ pool = \"2001:db8::/40\", length = 48 },\n{ pool = \"2001:db8::/44\", length = 56 }, # <-\n]",
        [
            "networks.n.prefix_pools[1].pool",
            "overlaps prefix_pools[0], 2001:db8::/40",
            "2001:db8::/44",
            "give each pool of a network its own prefix",
        ],
    );
}

#[test]
fn a_port_wants_what_can_be_had() {
    let on_a =
        |line: &str| format!("[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\n{line} # <-");
    port_error(
        &on_a("delegate = 1"),
        [
            "ports[0].delegate",
            "network a has no pool of prefixes",
            "1",
            "write [[networks.a.prefix_pools]] with pool and length, or delegated_prefixes",
        ],
    );
    port_error(
        &on_a("allocate = true"),
        [
            "ports[0].allocate",
            "has no pool to allocate from (network a)",
            "true",
            "give a subnet of the network allocation_pools, or write fixed_ips",
        ],
    );
    for (value, what, shown, remedy) in [
        ("33", "is out of range", "33", "write an integer from 0 to 32"),
        ("\"1\"", "is a string, not an integer", "\"1\"", "write an integer"),
        (
            "{ size = 60 }",
            "has an unknown field size",
            "a table of 1",
            "write a number of prefixes, or { length = 60, count = 1 }",
        ),
        ("{ length = 0 }", "is out of range", "a table of 1", "write an integer from 1 to 128"),
    ] {
        port_error(&on_a(&format!("delegate = {value}")), ["ports[0].delegate", what, shown, remedy]);
    }
    let text = source(&[port(1, "delegate = { length = 56 } # <-")]);
    error(
        &text,
        [
            "ports[0].delegate",
            "network n has no pool of /56 prefixes",
            "1",
            "write [[networks.n.prefix_pools]] with pool and length, or delegated_prefixes",
        ],
    );
    let text = source(&[port(1, "allocate = true # <-\nfixed_ips = [\"2001:db8:1::5\"]")]);
    error(
        &text,
        [
            "ports[0].allocate",
            "has nothing to allocate: fixed_ips has an address of every subnet with a pool (network n)",
            "true",
            "take one of the two out",
        ],
    );
    let text = source(&[port(1, "allocate = false")]).replace("[[ports]]", "[[ports]] # <-");
    error(
        &text,
        [
            "ports[0].fixed_ips",
            "has no address on network n, whose addresses are assigned by DHCPv6",
            "",
            "write an address of 2001:db8:1::/64",
        ],
    );
}
