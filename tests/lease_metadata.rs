//! Where a network's metadata service is reached, who answers for it, and what it is told: the fields, their table, and
//! what is said of wrong ones.

mod lease_support;

use std::net::Ipv6Addr;

use frontdesk::lease::record::NETWORK_TOKEN_REQUIRED;
use frontdesk::lease::{LeaseTable, Network, file};
use lease_support::{HEAD, network_error, problems, table, warning};

const ROUTER: &str = "router = { mac_address = \"fa:16:3e:00:00:01\" }";

fn network(lines: &str) -> LeaseTable {
    table(&format!("{HEAD}[networks.n]\n{ROUTER}\n{lines}\n"))
}

fn first(table: &LeaseTable) -> Network<'_> {
    table.networks().next().expect("one")
}

fn services(table: &LeaseTable) -> Vec<String> {
    let shown = first(table).services().iter();
    shown.map(|s| format!("[{}]:{}", Ipv6Addr::from(s.address), s.port)).collect()
}

#[test]
fn the_default_service_is_the_metadata_address_on_port_80() {
    assert_eq!(services(&network("metadata = true")), ["[fe80::a9fe:a9fe]:80"]);
    assert!(services(&network("metadata = false")).is_empty());
    assert!(services(&network("")).is_empty());
    assert!(services(&network("metadata = true\nservice_addresses = []")).is_empty(), "the list wins");
}

#[test]
fn an_address_may_have_several_ports_and_is_one_own_address() {
    let table = network(
        "service_addresses = [\"fd00:ec2::254\", \"[fd00:ec2::254]:8080\", \"[fe80::a9fe:a9fe]:80\", \"2001:db8::1\"]",
    );
    let expected = ["[fd00:ec2::254]:80", "[fd00:ec2::254]:8080", "[fe80::a9fe:a9fe]:80", "[2001:db8::1]:80"];
    assert_eq!(services(&table), expected);
    let own: Vec<String> =
        first(&table).own_addresses().iter().map(|a| Ipv6Addr::from(*a).to_string()).collect();
    assert_eq!(own, ["fe80::f816:3eff:fe00:1", "fd00:ec2::254", "fe80::a9fe:a9fe", "2001:db8::1"]);
}

#[test]
fn upstream_token_and_ids_are_kept() {
    let table = network(
        "metadata = true\nmetadata_upstream = \"nova-2\"\nmetadata_token = \"required\"\nid = \"7166ce15\"\n\
         [[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"n\"\nid = \"ce531f90\"\ndevice_id = \"i\"\n",
    );
    let mut octets = Vec::new();
    file::write(&table, &mut octets).expect("memory");
    for table in [table, file::read(octets).expect("its own file")] {
        let network = first(&table);
        assert_eq!((network.metadata_upstream(), network.uuid()), ("nova-2", "7166ce15"));
        assert!(network.has(NETWORK_TOKEN_REQUIRED));
        let port = table.ports().next().expect("one");
        assert_eq!(port.metadata(), br#"{"id":"ce531f90","device_id":"i"}"#);
    }
    let plain = network("metadata = true\nmetadata_token = \"optional\"");
    assert_eq!((first(&plain).metadata_upstream(), first(&plain).uuid()), ("", ""));
    assert!(!first(&plain).has(NETWORK_TOKEN_REQUIRED));
}

#[test]
fn an_entry_that_is_no_service_address_is_refused_by_its_number() {
    let remedy = "write an address as fd00:ec2::254, or with a port as [fd00:ec2::254]:8080";
    for (entry, what) in [
        ("169.254.169.254", "is no service address"),
        ("fe80::a9fe:a9fe%eth0", "is no service address"),
        ("[fe80::a9fe:a9fe%2]:80", "is no service address"),
        ("[fd00:ec2::254]", "is no service address"),
        ("[fd00:ec2::254]:", "is no service address"),
        ("[fd00:ec2::254]:65536", "is no service address"),
        ("[fd00:ec2::254]:080", "is no service address"),
        ("fd00:ec2::254/128", "is no service address"),
        ("http://[fd00:ec2::254]", "is no service address"),
        ("", "is no service address"),
        ("::", "is no address of a service"),
        ("[::1]:8080", "is no address of a service"),
        ("ff02::1", "is no address of a service"),
        ("::ffff:169.254.169.254", "is no address of a service"),
    ] {
        let shown = format!("{entry:?}");
        let lines = format!("service_addresses = [\"fd00::1\", \"{entry}\"] # <-");
        network_error(&lines, ["networks.n.service_addresses[1]", what, &shown, remedy]);
    }
    network_error(
        "service_addresses = [\"[fd00::1]:0\"] # <-",
        ["networks.n.service_addresses[0]", "has port 0", "\"[fd00::1]:0\"", "write a port from 1 to 65535"],
    );
}

#[test]
fn an_address_and_port_is_given_once_and_is_not_the_routers() {
    network_error(
        "service_addresses = [\"fd00::1\", \"[fd00::1]:8080\", \"[fd00:0::1]:80\"] # <-",
        [
            "networks.n.service_addresses[2]",
            "is service_addresses[0] too",
            "[fd00::1]:80",
            "write each address and port once",
        ],
    );
    let remedy = "give the service an address of its own";
    network_error(
        &format!("{ROUTER}\nservice_addresses = [\"fd00::1\", \"fe80::f816:3eff:fe00:1\"] # <-"),
        ["networks.n.service_addresses[1]", "is the router's address", "[fe80::f816:3eff:fe00:1]:80", remedy],
    );
    network_error(
        "subnets = [{ cidr = \"2001:db8:a::/64\", gateway_ip = \"2001:db8:a::1\" }]\nservice_addresses = [\"[2001:db8:a::1]:8080\"] # <-",
        ["networks.n.service_addresses[0]", "is the router's address", "[2001:db8:a::1]:8080", remedy],
    );
}

#[test]
fn there_are_not_more_services_than_the_stack_has_addresses() {
    let entries = |count: u16| {
        let entries: Vec<String> = (1..=count).map(|i| format!("\"fd00::{i}\"")).collect();
        format!("service_addresses = [{}] # <-", entries.join(", "))
    };
    assert_eq!(services(&network(&entries(8))).len(), 8);
    network_error(&entries(9), ["networks.n.service_addresses", "too many entries", "9", "keep at most 8"]);
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let long = "x".repeat(64);
    let remedy = "write 1 to 63 letters, digits, hyphens and underscores";
    for name in ["", "a b", "nova.example", "é", &long] {
        let shown = format!("{name:?}");
        network_error(
            &format!("metadata = true\nmetadata_upstream = \"{name}\" # <-"),
            ["networks.n.metadata_upstream", "is no name of an upstream", &shown, remedy],
        );
    }
    network_error(
        "metadata = true\nmetadata_token = \"always\" # <-",
        ["networks.n.metadata_token", "is no rule for tokens", "\"always\"", "write optional or required"],
    );
}

#[test]
fn what_is_said_of_a_service_that_is_not_there_is_a_warning() {
    let remedy = "write metadata = true, or take it out";
    warning(
        &format!("{HEAD}[networks.n]\nmetadata_upstream = \"nova\" # <-\n"),
        [
            "networks.n.metadata_upstream",
            "is never asked: the network has no service address",
            "nova",
            remedy,
        ],
    );
    warning(
        &format!("{HEAD}[networks.n]\nmetadata_token = \"required\" # <-\n"),
        [
            "networks.n.metadata_token",
            "guards nothing: the network has no service address",
            "required",
            remedy,
        ],
    );
}

#[test]
fn all_problems_of_services_are_found_at_once() {
    let text = format!(
        "{HEAD}[networks.n]\nservice_addresses = [\"::\", \"fd00::1\", \"x\", \"fd00::1\"]\nmetadata_token = 1\nmetadata_upstream = \"\"\n"
    );
    let fields: Vec<String> = problems("leases.toml", &text).into_iter().map(|p| p.field).collect();
    assert_eq!(
        fields,
        [
            "networks.n.service_addresses[0]",
            "networks.n.service_addresses[2]",
            "networks.n.service_addresses[3]",
            "networks.n.metadata_token",
            "networks.n.metadata_upstream",
        ]
    );
}
