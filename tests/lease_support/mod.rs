//! Shared by the tests of lease sources: sources to break, and exact statements about what is said of them.
#![allow(dead_code)] // each test file uses its part

use frontdesk::lease::{LeaseTable, LoadError, Problem, Severity, load};

/// What every source starts with.
pub(crate) const HEAD: &str = "version = 1\nserver = { cloud = \"test\" }\n";

/// A SLAAC network `a`, a stateful network `b` on VLAN 7 and an external one `x`, all without fault.
pub(crate) const NETWORKS: &str = r#"version = 1
server = { cloud = "test" }
[networks.a]
router = { mac_address = "fa:16:3e:00:00:01" }
subnets = [{ cidr = "2001:db8:a::/64", ipv6_ra_mode = "slaac", ipv6_address_mode = "slaac" }]
[networks.b]
vlan = 7
router = { mac_address = "fa:16:3e:00:00:02", link_local = "fe80::1" }
service_addresses = ["2001:db8:b::80"]
[[networks.b.subnets]]
cidr = "2001:db8:b::/64"
gateway_ip = "2001:db8:b::1"
ipv6_ra_mode = "dhcpv6-stateful"
ipv6_address_mode = "dhcpv6-stateful"
[networks.x]
subnets = [{ cidr = "2001:db8:c::/64", ipv6_address_mode = "dhcpv6-stateless" }]
"#;

/// A stateful network with a range of addresses and a pool of prefixes.
pub(crate) const POOLED: &str = r#"[networks.n]
router = { mac_address = "fa:16:3e:00:00:01" }
prefix_pools = [{ pool = "2001:db8:f00::/40", length = 60 }]
[[networks.n.subnets]]
cidr = "2001:db8:1::/64"
gateway_ip = "2001:db8:1::11"
ipv6_ra_mode = "dhcpv6-stateful"
ipv6_address_mode = "dhcpv6-stateful"
allocation_pools = [{ start = "2001:db8:1::10", end = "2001:db8:1::ff" }]
"#;

/// A source with [`POOLED`] and these ports.
pub(crate) fn pooled(ports: &[String]) -> String {
    format!("{HEAD}{POOLED}{}", ports.concat())
}

/// A port with the last octet of its MAC and more lines.
pub(crate) fn pooled_port(n: u8, lines: &str) -> String {
    format!("[[ports]]\nmac_address = \"fa:16:3e:00:01:{n:02x}\"\nnetwork = \"n\"\n{lines}\n")
}

/// All problems of a source.
pub(crate) fn problems(name: &str, text: &str) -> Vec<Problem> {
    match load(name, text.as_bytes().to_vec()) {
        Ok(loaded) => loaded.warnings,
        Err(LoadError::Source(problems)) => problems,
        Err(error) => panic!("not taken for a source: {error}"),
    }
}

/// The table of a source without errors.
pub(crate) fn table(text: &str) -> LeaseTable {
    match load("leases.toml", text.as_bytes().to_vec()) {
        Ok(loaded) => loaded.table,
        Err(error) => panic!("{error}"),
    }
}

/// Asserts that a source has this one problem and no other, on the line that ends in `# <-`.
#[track_caller]
pub(crate) fn one(severity: Severity, text: &str, [field, what, value, remedy]: [&str; 4]) {
    let found = problems("leases.toml", text);
    let [problem] = found.as_slice() else { panic!("{} problems: {found:#?}\n{text}", found.len()) };
    let line = 1 + text.lines().position(|line| line.ends_with("# <-")).expect("a marked line");
    let said = [problem.field.as_str(), &problem.what, &problem.value, &problem.remedy];
    assert_eq!(said, [field, what, value, remedy]);
    assert_eq!((problem.file.as_ref(), problem.line, problem.severity), ("leases.toml", line, severity));
}

/// [`one`] error.
#[track_caller]
pub(crate) fn error(text: &str, said: [&str; 4]) {
    one(Severity::Error, text, said);
}

/// [`one`] warning.
#[track_caller]
pub(crate) fn warning(text: &str, said: [&str; 4]) {
    one(Severity::Warning, text, said);
}

/// An error in a port of [`NETWORKS`].
#[track_caller]
pub(crate) fn port_error(ports: &str, said: [&str; 4]) {
    error(&format!("{NETWORKS}{ports}\n"), said);
}

/// An error in the network `n`, given by its lines.
#[track_caller]
pub(crate) fn network_error(lines: &str, said: [&str; 4]) {
    error(&format!("{HEAD}[networks.n]\n{lines}\n"), said);
}
