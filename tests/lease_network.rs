//! Every rule of a network: what is said, where, and what to do.

mod lease_support;

use lease_support::{HEAD, error, network_error, problems, warning};

const ROUTER: &str = "router = { mac_address = \"fa:16:3e:00:00:01\" }";
const SLAAC: &str =
    "subnets = [{ cidr = \"2001:db8:a::/64\", ipv6_ra_mode = \"slaac\", ipv6_address_mode = \"slaac\" }]";

#[test]
fn numbers_have_ranges() {
    for (line, field, value, remedy) in [
        ("mtu = 1279", "mtu", "1279", "write an integer from 1280 to 65535"),
        ("mtu = 65536", "mtu", "65536", "write an integer from 1280 to 65535"),
        ("mtu = -1", "mtu", "-1", "write an integer from 1280 to 65535"),
        ("mtu = 99999999999999999999", "mtu", "99999999999999999999", "write an integer from 1280 to 65535"),
        ("vlan = 0", "vlan", "0", "write an integer from 1 to 4094"),
        ("vlan = 4095", "vlan", "4095", "write an integer from 1 to 4094"),
        ("preference = 256", "preference", "256", "write an integer from 0 to 255"),
        (
            "information_refresh_time = 599",
            "information_refresh_time",
            "599",
            "write an integer from 600 to 4294967295",
        ),
        ("sol_max_rt = 59", "sol_max_rt", "59", "write an integer from 60 to 86400"),
        ("inf_max_rt = 86401", "inf_max_rt", "86401", "write an integer from 60 to 86400"),
    ] {
        let field = format!("networks.n.{field}");
        network_error(&format!("{line} # <-"), [&field, "is out of range", value, remedy]);
    }
    let router = "router = { mac_address = \"fa:16:3e:00:00:01\", lifetime = 65536 } # <-";
    let remedy = "write an integer from 0 to 65535";
    network_error(router, ["networks.n.router.lifetime", "is out of range", "65536", remedy]);
}

#[test]
fn values_have_types() {
    for (line, field, what, value, remedy) in [
        ("mtu = \"1500\"", "mtu", "is a string, not an integer", "\"1500\"", "write an integer"),
        ("metadata = 1", "metadata", "is an integer, not true or false", "1", "write true or false"),
        ("router = 7", "router", "is an integer, not a table", "7", "write a table"),
        (
            "subnets = {}",
            "subnets",
            "is a table, not a list of tables",
            "a table of 0",
            "write a list of tables",
        ),
        (
            "dns_nameservers = \"::1\"",
            "dns_nameservers",
            "is a string, not a list",
            "\"::1\"",
            "write a list",
        ),
        (
            "valid_lifetime = 1.5",
            "valid_lifetime",
            "is a floating-point number, not a number of seconds",
            "1.5",
            "write a number of seconds",
        ),
        (
            "valid_lifetime = \"ever\"",
            "valid_lifetime",
            "is no lifetime",
            "\"ever\"",
            "write seconds from 0 to 4294967295, or \"infinity\"",
        ),
        ("id = 2024-01-01", "id", "is a date, not a string", "2024-01-01", "write a string"),
    ] {
        let field = format!("networks.n.{field}");
        network_error(&format!("{line} # <-"), [&field, what, value, remedy]);
    }
}

#[test]
fn entries_of_lists_are_numbered() {
    let lines = "dns_nameservers = [\n\"2001:db8::1\",\n\"192.0.2.1\", # <-\n]";
    let said = [
        "networks.n.dns_nameservers[1]",
        "is no IPv6 address",
        "\"192.0.2.1\"",
        "write an address as 2001:db8::1",
    ];
    network_error(lines, said);
    let lines = "ntp_servers = [\"ff02::101\"] # <-";
    let said = [
        "networks.n.ntp_servers[0]",
        "is no address of a server",
        "\"ff02::101\"",
        "write a unicast address as 2001:db8::1",
    ];
    network_error(lines, said);
}

#[test]
fn opt_007_search_domains_are_dns_names() {
    let said = [
        "networks.n.dns_domains[0]",
        "is no DNS name: a domain name must not have an empty label",
        "\"a..b\"",
        "write a name as host.example.com",
    ];
    network_error("dns_domains = [\"a..b\"] # <-", said);
}

#[test]
fn uris_are_uris_without_nul() {
    let remedy = "write a URI as https://host.example.com/path, other characters as %XX";
    for (field, value, shown) in [
        ("boot_file_url", "\"tftp.example.com\"", "\"tftp.example.com\""),
        ("captive_portal", "\"https://a b\"", "\"https://a b\""),
        ("captive_portal", "\"https://a\\u0000\"", "\"https://a\\0\""),
        ("boot_file_url", "\"1http://a\"", "\"1http://a\""),
    ] {
        let name = format!("networks.n.{field}");
        network_error(&format!("{field} = {value} # <-"), [&name, "is no URI", shown, remedy]);
    }
}

#[test]
fn a_network_that_advertises_needs_a_router() {
    let text = format!("{HEAD}[networks.n] # <-\n{SLAAC}\n");
    error(
        &text,
        [
            "networks.n.router",
            "is missing though a subnet has an ipv6_ra_mode",
            "",
            "write router = { mac_address = \"…\" }, or take ipv6_ra_mode out where another router advertises",
        ],
    );
    network_error(
        "router = {} # <-",
        [
            "networks.n.router.mac_address",
            "is missing",
            "",
            "write the MAC address that the router's answers come from",
        ],
    );
    let lines = "router = { mac_address = \"fa:16:3e:00:00:01\", link_local = \"2001:db8::1\" } # <-";
    network_error(
        lines,
        [
            "networks.n.router.link_local",
            "is not link-local",
            "\"2001:db8::1\"",
            "write an address of fe80::/10, as fe80::1",
        ],
    );
}

/// The six pairs that the Neutron guide calls invalid are refused; the ten others work.
#[test]
fn six_pairs_of_modes_are_invalid_and_all_others_are_not() {
    let modes = ["slaac", "dhcpv6-stateful", "dhcpv6-stateless"];
    for ra in modes {
        for address in modes {
            let lines = format!(
                "{ROUTER}\n[[networks.n.subnets]]\ncidr = \"2001:db8::/64\"\nipv6_ra_mode = \"{ra}\"\nipv6_address_mode = \"{address}\" # <-"
            );
            if ra == address {
                assert_eq!(problems("leases.toml", &format!("{HEAD}[networks.n]\n{lines}")), []);
                continue;
            }
            let what = format!("cannot be combined with ipv6_ra_mode {ra}");
            let remedy = format!("write {ra} in both, or leave one of them out");
            network_error(&lines, ["networks.n.subnets[0].ipv6_address_mode", &what, address, &remedy]);
        }
        for key in ["ipv6_ra_mode", "ipv6_address_mode"] {
            let text = format!(
                "{HEAD}[networks.n]\n{ROUTER}\nsubnets = [{{ cidr = \"2001:db8::/64\", {key} = \"{ra}\" }}]"
            );
            assert_eq!(problems("leases.toml", &text), []);
        }
    }
    let said = [
        "networks.n.subnets[0].ipv6_ra_mode",
        "is no mode",
        "\"dhcp\"",
        "write slaac, dhcpv6-stateless or dhcpv6-stateful, or leave it out",
    ];
    network_error("subnets = [{ cidr = \"2001:db8::/64\", ipv6_ra_mode = \"dhcp\" }] # <-", said);
}

#[test]
fn prefixes_have_no_host_bits() {
    for (lines, field, value, remedy) in [
        (
            "subnets = [{ cidr = \"2001:db8::1/64\" }] # <-",
            "subnets[0].cidr",
            "\"2001:db8::1/64\"",
            "write 2001:db8::/64",
        ),
        (
            "router = { mac_address = \"fa:16:3e:00:00:01\" }\nsubnets = [{ cidr = \"2001:db8:a::/64\", ipv6_ra_mode = \"slaac\" }]\nroutes = [{ destination = \"2001:db8::1/48\" }] # <-",
            "routes[0].destination",
            "\"2001:db8::1/48\"",
            "write 2001:db8::/48",
        ),
        ("nat64_prefix = \"64:ff9b::1/96\" # <-", "nat64_prefix", "\"64:ff9b::1/96\"", "write 64:ff9b::/96"),
    ] {
        network_error(lines, [&format!("networks.n.{field}"), "has host bits set", value, remedy]);
    }
    let said = [
        "networks.n.subnets[0].cidr",
        "is no IPv6 prefix",
        "\"10.0.0.0/8\"",
        "write address/length, as 2001:db8:1::/64",
    ];
    network_error("subnets = [{ cidr = \"10.0.0.0/8\" }] # <-", said);
}

#[test]
fn host_bits_hide_no_other_problem_and_make_no_false_one() {
    let text = format!(
        "{HEAD}[networks.n]\n{ROUTER}\nprefix_pools = [{{ pool = \"2001:db8:f00::1/40\", length = 32 }}]\n\
         retiring_prefixes = [\"2001:db8:1::1/64\"]\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8::1/56\"\ngateway_ip = \"2001:db8:5::1\"\nipv6_ra_mode = \"slaac\"\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:1::7/64\"\nipv6_ra_mode = \"slaac\"\n\
         ipv6_address_mode = \"dhcpv6-stateful\"\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:2::/48\"\nipv6_address_mode = \"dhcpv6-stateful\"\n\
         [[networks.n.subnets]]\ncidr = \"2001:db8:2:2::2/64\"\nipv6_address_mode = \"dhcpv6-stateful\"\n\
         [[ports]]\nmac_address = \"fa:16:3e:00:00:07\"\nnetwork = \"n\"\nfixed_ips = [\"2001:db8:2:2::9\"]\n"
    );
    let found = problems("leases.toml", &text);
    let said: Vec<(&str, &str)> = found.iter().map(|p| (p.field.as_str(), p.what.as_str())).collect();
    assert_eq!(
        said,
        [
            ("networks.n.prefix_pools[0].pool", "has host bits set"),
            ("networks.n.prefix_pools[0].length", "is shorter than the pool 2001:db8:f00::/40"),
            ("networks.n.retiring_prefixes[0]", "has host bits set"),
            ("networks.n.retiring_prefixes[0]", "overlaps subnets[1], 2001:db8:1::/64"),
            ("networks.n.subnets[0].cidr", "has host bits set"),
            ("networks.n.subnets[0].cidr", "hosts make their own address only in a /64"),
            ("networks.n.subnets[0].gateway_ip", "lies outside 2001:db8::/56"),
            ("networks.n.subnets[1].cidr", "has host bits set"),
            ("networks.n.subnets[1].ipv6_address_mode", "cannot be combined with ipv6_ra_mode slaac"),
            ("networks.n.subnets[3].cidr", "has host bits set"),
            ("networks.n.subnets[3].cidr", "overlaps subnets[2], 2001:db8:2::/48"),
        ]
    );
}

#[test]
fn ra_041_subnets_are_of_global_or_unique_local_unicast() {
    for (cidr, range) in [
        ("ff02::/64", "multicast addresses"),
        ("fe80::/64", "link-local addresses"),
        ("::ffff:0.0.0.0/96", "IPv4-mapped addresses"),
        ("::1/128", "loopback address"),
        ("::/0", "unspecified address"),
    ] {
        let what = format!("overlaps the {range}");
        let remedy = "use a prefix of global or unique local unicast addresses";
        network_error(
            &format!("subnets = [{{ cidr = \"{cidr}\" }}] # <-"),
            ["networks.n.subnets[0].cidr", &what, cidr, remedy],
        );
    }
}

#[test]
fn ra_043_hosts_make_addresses_only_in_64_bits() {
    let lines =
        format!("{ROUTER}\nsubnets = [{{ cidr = \"2001:db8::/56\", ipv6_ra_mode = \"slaac\" }}] # <-");
    network_error(
        &lines,
        [
            "networks.n.subnets[0].cidr",
            "hosts make their own address only in a /64",
            "2001:db8::/56",
            "use a prefix of 64 bits, or dhcpv6-stateful (RFC 4862 §5.5.3)",
        ],
    );
}

#[test]
fn subnets_of_a_network_are_apart_and_hold_their_gateway() {
    let lines = "[[networks.n.subnets]]\ncidr = \"2001:db8::/48\"\n[[networks.n.subnets]]\ncidr = \"2001:db8:0:5::/64\" # <-";
    network_error(
        lines,
        [
            "networks.n.subnets[1].cidr",
            "overlaps subnets[0], 2001:db8::/48",
            "2001:db8:0:5::/64",
            "give each subnet of a network its own prefix",
        ],
    );
    network_error(
        "subnets = [{ cidr = \"2001:db8::/64\", gateway_ip = \"2001:db8:1::1\" }] # <-",
        [
            "networks.n.subnets[0].gateway_ip",
            "lies outside 2001:db8::/64",
            "2001:db8:1::1",
            "write an address of the subnet, or leave it out: hosts use the router's link-local address",
        ],
    );
    let many: Vec<String> = (0..65).map(|i| format!("{{ cidr = \"2001:db8:{i:x}::/64\" }}")).collect();
    let lines = format!("subnets = [{}] # <-", many.join(", "));
    network_error(&lines, ["networks.n.subnets", "too many entries", "65", "keep at most 64"]);
}

#[test]
fn dhcp_127_dhcp_128_lifetimes_and_timers_are_in_order() {
    network_error(
        "valid_lifetime = 100\npreferred_lifetime = 200 # <-",
        [
            "networks.n.preferred_lifetime",
            "is longer than the valid lifetime, 100 s",
            "200 s",
            "hosts discard such an address (RFC 9915 §21.6): lower it or raise valid_lifetime",
        ],
    );
    network_error(
        "renew_time = 200 # <-\nrebind_time = 100",
        [
            "networks.n.renew_time",
            "T1 is longer than T2, 100 s",
            "200 s",
            "clients discard such an answer (RFC 9915 §21.4): lower it or raise rebind_time",
        ],
    );
    let text = format!("{HEAD}[networks.n]\npreferred_lifetime = 3600\nrebind_time = 3601 # <-\n");
    warning(
        &text,
        [
            "networks.n.rebind_time",
            "T2 is longer than the preferred lifetime, 3600 s",
            "3601 s",
            "addresses are deprecated before they are renewed: lower it",
        ],
    );
    let fine =
        format!("{HEAD}[networks.n]\nvalid_lifetime = \"infinity\"\npreferred_lifetime = 4294967295\n");
    assert_eq!(problems("leases.toml", &fine), []);
}

/// RA-021: the ceilings are those of RFC 8319.
#[test]
fn ra_020_the_interval_has_bounds() {
    network_error(
        "advertise_interval = { min = 100, max = 120 } # <-",
        [
            "networks.n.advertise_interval.min",
            "is more than three quarters of max, 120 s",
            "100 s",
            "write at most 90",
        ],
    );
    for (key, value, remedy) in
        [("min", "2", "write an integer from 3 to 49151"), ("max", "3", "write an integer from 4 to 65535")]
    {
        let field = format!("networks.n.advertise_interval.{key}");
        network_error(
            &format!("advertise_interval = {{ {key} = {value} }} # <-"),
            [&field, "is out of range", value, remedy],
        );
    }
    let text = format!(
        "{HEAD}[networks.n]\nrouter = {{ mac_address = \"fa:16:3e:00:00:01\", lifetime = 30 }}\nadvertise_interval = {{ max = 600 }} # <-\n{SLAAC}\n"
    );
    warning(
        &text,
        [
            "networks.n.advertise_interval.max",
            "is longer than the router's lifetime, 30 s; every 10 s is used",
            "600 s",
            "raise router.lifetime or lower it",
        ],
    );
}

#[test]
fn ra_048_ra_049_routes_are_given_once_and_agree_with_the_router() {
    let lines = format!(
        "{ROUTER}\n{SLAAC}\nroutes = [\n{{ destination = \"2001:db8::/32\" }},\n{{ destination = \"2001:db8::/32\" }}, # <-\n]"
    );
    network_error(
        &lines,
        [
            "networks.n.routes[1].destination",
            "is the destination of routes[0] too",
            "2001:db8::/32",
            "give each destination once (RFC 4191 §4)",
        ],
    );
    let lines = format!("{ROUTER}\n{SLAAC}\nroutes = [{{ destination = \"::/0\", lifetime = 0 }}] # <-");
    network_error(
        &lines,
        [
            "networks.n.routes[0].lifetime",
            "contradicts router.lifetime, 1800 s",
            "0 s",
            "let both be zero or none, or leave the route to ::/0 out",
        ],
    );
    let text = format!(
        "{HEAD}[networks.n]\nroutes = [{{ destination = \"2001:db8::/32\", preference = \"low\" }}] # <-\n"
    );
    warning(
        &text,
        [
            "networks.n.routes",
            "are never told: no subnet has an ipv6_ra_mode",
            "1",
            "give a subnet an ipv6_ra_mode, or take the routes out",
        ],
    );
    let said =
        ["networks.n.routes[0].preference", "is no preference", "\"best\"", "write low, medium or high"];
    let lines = format!(
        "{ROUTER}\n{SLAAC}\nroutes = [{{ destination = \"2001:db8::/32\", preference = \"best\" }}] # <-"
    );
    network_error(&lines, said);
}

#[test]
fn ra_055_a_nat64_prefix_has_one_of_six_lengths() {
    network_error(
        "nat64_prefix = \"64:ff9b::/60\" # <-",
        [
            "networks.n.nat64_prefix",
            "has a length that PREF64 cannot say",
            "64:ff9b::/60",
            "use a prefix of 32, 40, 48, 56, 64 or 96 bits (RFC 8781)",
        ],
    );
}
