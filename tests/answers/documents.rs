//! network_data.json agrees with the wire: what a port's document says is what its Router Advertisement and its DHCPv6
//! answers say, read from their octets as RFC 4861, 4191 and 8106 lay them out, and by dhcproto.

use std::net::Ipv6Addr;
use std::sync::Arc;

use frontdesk::answer::Verdict;
use frontdesk::lease::LeaseTable;
use frontdesk::metadata::documents::{Tokens, respond};
use serde_json::Value;

use crate::world::{Answer, Dhcp, Guest, LEASES, World, client_id, ia_na, ip, oro, server_id, table};

/// What a guest learns, from the wire or from the document.
#[derive(Debug, Default, PartialEq)]
struct Learned {
    mtu: Option<u64>,
    /// How addresses are had, in Neutron's words, and the first of each subnet.
    addresses: Vec<(String, Ipv6Addr)>,
    /// Destination, its mask, next hop.
    routes: Vec<[Ipv6Addr; 3]>,
    dns: Vec<Ipv6Addr>,
}

/// The source of the other tests; each port is an instance of its own. Its first network has routes too.
fn source() -> String {
    let routes = "metadata = true\nmetadata_route = true\nroutes = [{ destination = \"2001:db8:f00::/48\" }, { destination = \"fc00::/7\" }]";
    let lines = LEASES.lines().map(|line| match line.strip_prefix("mac_address = ") {
        Some(mac) => format!("{line}\ndevice_id = {mac}\n"),
        None if line == "metadata = true" => format!("{routes}\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

fn address(octets: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from(<[u8; 16]>::try_from(octets).expect("16 octets"))
}

fn mask(length: u8) -> Ipv6Addr {
    let ones = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or_default();
    Ipv6Addr::from_bits(ones)
}

impl Learned {
    fn dns(&mut self, octets: &[u8]) {
        for server in octets.chunks_exact(16).map(address) {
            if !self.dns.contains(&server) {
                self.dns.push(server);
            }
        }
    }

    fn address(&mut self, kind: &str, address: Ipv6Addr) {
        let of_subnet = |known: &Ipv6Addr| known.segments()[..4] == address.segments()[..4];
        if !self.addresses.iter().any(|(_, known)| of_subnet(known)) {
            self.addresses.push((kind.to_owned(), address));
        }
    }

    fn by_advertisement(&mut self, guest: &Guest, ra: &Answer) {
        let octets = &ra.message;
        assert_eq!(octets[0], 134);
        let others = octets[5] & 0x40 != 0;
        if octets[6..8] != [0, 0] {
            self.routes.push([Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED, ra.source]);
        }
        let mut rest = &octets[16..];
        while let [kind, length, ..] = *rest {
            let (option, tail) = rest.split_at(usize::from(length) * 8);
            rest = tail;
            match kind {
                3 if option[3] & 0x40 != 0 => {
                    let octets = [&option[16..24], &guest.address.octets()[8..]].concat();
                    let kind = if others { "ipv6_dhcpv6-stateless" } else { "ipv6_slaac" };
                    self.address(kind, address(&octets));
                }
                5 => self.mtu = Some(u32::from_be_bytes(option[4..8].try_into().expect("four")).into()),
                24 => {
                    let mut prefix = [0; 16];
                    prefix[..option.len() - 8].copy_from_slice(&option[8..]);
                    // The service's own address is no destination to configure: it is on the link.
                    if prefix[..2] != [0xfe, 0x80] {
                        self.routes.push([Ipv6Addr::from(prefix), mask(option[2]), ra.source]);
                    }
                }
                25 => self.dns(&option[8..]),
                _ => {}
            }
        }
    }

    fn by_dhcp(&mut self, answer: &Dhcp) {
        self.dns(answer.value(23).unwrap_or_default());
        for lease in answer.ia_na().into_iter().flat_map(|ia| ia.leases) {
            self.address("ipv6_dhcpv6-stateful", ip(&lease.0));
        }
    }

    fn by_the_wire(world: &mut World, guest: &Guest) -> Self {
        let mut learned = Self::default();
        let options = [client_id(guest), server_id(), oro(&[23]), ia_na(1, &[])];
        if let (Verdict::Answer { .. }, octets) = world.show(guest, &guest.dhcp(3, &options.concat())) {
            learned.by_dhcp(&Dhcp::parse(&Answer::parse(&octets).message));
        }
        if let (Verdict::Answer { .. }, octets) = world.show(guest, &guest.rs()) {
            learned.by_advertisement(guest, &Answer::parse(&octets));
        }
        learned
    }

    fn by_the_document(table: &Arc<LeaseTable>, guest: &Guest) -> Self {
        let port = table.ports().find(|port| port.mac().0 == guest.mac).expect("a port").id();
        let asker = frontdesk::metadata::Guest::new(Arc::clone(table), port, guest.address);
        let request = http::Request::get("/openstack/latest/network_data.json").body(()).expect("a request");
        let answer = respond(&asker, &request.into_parts().0, 0, &Tokens::new([1; 32]));
        let data: Value = serde_json::from_slice(answer.body()).expect("JSON");
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let ip_of = |value: &Value| ip(value.as_str().expect("an address"));
        let networks = list(&data["networks"]);
        Self {
            mtu: data["links"][0]["mtu"].as_u64(),
            addresses: networks
                .iter()
                .map(|network| {
                    (network["type"].as_str().expect("a type").to_owned(), ip_of(&network["ip_address"]))
                })
                .collect(),
            routes: networks
                .iter()
                .flat_map(|network| list(&network["routes"]))
                .map(|route| ["network", "netmask", "gateway"].map(|member| ip_of(&route[member])))
                .collect(),
            dns: list(&data["services"]).iter().map(|service| ip_of(&service["address"])).collect(),
        }
    }
}

#[test]
fn the_document_says_what_the_wire_says() {
    let source = source();
    let table = table(&source);
    let mut world = World::with(&source);
    let ports = [
        (0x01, 0, 1),
        (0x02, 0, 1),
        (0x04, 0, 3),
        (0x11, 101, 1),
        (0x12, 102, 1),
        (0x13, 103, 1),
        (0x14, 104, 1),
    ];
    for (last, vlan, device) in ports {
        let guest = Guest { vlan, ..Guest::new(last) }.on(device);
        let wire = Learned::by_the_wire(&mut world, &guest);
        let document = Learned::by_the_document(&table, &guest);
        assert_eq!(document, wire, "port {last:02x}");
        assert!(!wire.addresses.is_empty(), "port {last:02x}");
        if last == 1 {
            assert_eq!((wire.mtu, wire.routes.len(), wire.dns.len()), (Some(1450), 3, 2), "it has heard all");
        }
    }
}
