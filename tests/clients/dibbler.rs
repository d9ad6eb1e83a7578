//! dibbler-client 1.0.1, which keeps what it was given in a file of XML, tells its script, and numbers its identity
//! associations from 1; the kernel reads the Router Advertisement.

use crate::events::{Event, assert_resolver, variable};
use crate::house::{Client, Guest, House, house, need};
use crate::leases::{BRIEF_PORTS, CLONE_PORT, Port, STATEFUL_PORT, STATELESS_PORT};
use crate::state::Lifetimes;

const DATABASE: &str = "lib/dibbler/client-AddrMgr.xml";

/// Brings eth0 up and starts dibbler-client with lines for the whole and lines for eth0.
fn start(guest: &Guest, whole: &str, interface: &str) -> Client {
    need("dibbler-client", "dibbler-client");
    guest.record_events("etc/dibbler/record");
    guest.write("etc/dibbler/script", "#!/bin/sh\nexec sh /etc/dibbler/record\n");
    guest.run("chmod", &["755", "/etc/dibbler/script"]);
    let configuration = format!(
        "log-level 8\nscript \"/etc/dibbler/script\"\n{whole}\n\
         iface eth0 {{\n{interface}\noption dns-server\noption domain\n}}\n"
    );
    guest.write("etc/dibbler/client.conf", &configuration);
    guest.up();
    guest.spawn("dibbler-client", &["run"], &[])
}

/// Waits for the one run of the script after a Reply to `message`, and asserts what it was told of the network.
fn told(guest: &Guest, client: &Client, message: &str) -> Event {
    client.wait_until("the script has run", || !guest.events_where("CLNT_MESSAGE", message).is_empty());
    let event = guest.events_where("CLNT_MESSAGE", message).remove(0);
    assert_eq!(variable(&event, "SRV_MESSAGE"), "REPLY");
    assert_eq!(variable(&event, "SRV_OPTION23").trim(), guest.port.network.dns.join(" "));
    assert_eq!(variable(&event, "SRV_OPTION24").trim(), guest.port.network.domains.join(" "));
    event
}

/// Asserts the resolver, and the Router Advertisement as the kernel took it.
fn assert_link(guest: &Guest, client: &Client) {
    client.wait_until("a resolv.conf", || guest.read("etc/resolv.conf").contains("search"));
    assert_resolver(guest);
    guest.assert_router(Lifetimes::OfTheKernel);
    guest.assert_more_specific_route(Lifetimes::OfTheKernel);
    guest.assert_router_answers();
}

#[test]
fn information_is_given_on_a_stateless_network() {
    house("dibbler::information_is_given_on_a_stateless_network", |house| {
        let guest = house.guest("tap0", &STATELESS_PORT);
        let client = start(&guest, "stateless", "option lifetime");
        let event = told(&guest, &client, "INF-REQUEST");
        // Information Refresh Time, which it asks for.
        assert_eq!(variable(&event, "SRV_OPTION32"), "86400");
        guest.assert_addresses(64);
        assert_link(&guest, &client);
        assert_eq!(house.count("dhcpv6-reply-to-information-request"), 1);
    });
}

/// Asserts what dibbler-client keeps of its leases: one association of each kind, as its database has them.
fn assert_kept(guest: &Guest) {
    let database = guest.read(DATABASE);
    let attribute = |line: &str, name: &str| {
        let start = line.find(&format!(" {name}=\"")).map(|at| at + name.len() + 3);
        let rest = start.and_then(|at| line.get(at..)).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let lines = |element: &str| -> Vec<&str> {
        database.lines().map(str::trim).filter(|line| line.starts_with(element)).collect()
    };
    let network = guest.port.network;
    let kept = |element: &str, length: &str| -> Vec<String> {
        let lines = lines(element);
        for line in &lines {
            assert_eq!(attribute(line, "pref"), network.preferred.to_string(), "{line}");
            assert_eq!(attribute(line, "valid"), network.valid.to_string(), "{line}");
        }
        let value = |line: &str| line.split(['<', '>']).nth(2).unwrap_or_default().to_owned();
        lines.iter().map(|line| format!("{}/{}", value(line), attribute(line, length))).collect()
    };
    let addresses: Vec<String> =
        guest.port.addresses.iter().map(|address| format!("{address}/128")).collect();
    assert_eq!(kept("<AddrAddr ", "prefix"), addresses, "{database}");
    assert_eq!(kept("<AddrPrefix ", "length"), guest.port.prefixes, "{database}");
    for association in ["<AddrIA ", "<AddrPD "] {
        let [line] = lines(association)[..] else { panic!("{association}: {database}") };
        for (name, value) in [("T1", "1800"), ("T2", "2880"), ("IAID", "1"), ("state", "CONFIGURED")] {
            assert_eq!(attribute(line, name), value, "{line}");
        }
    }
}

/// An IA_NA and an IA_PD, with a line more for eth0: addresses, prefixes and routes of them.
fn stateful(house: &House, port: &'static Port, more: &str, counters: &[&str]) -> (Guest, Client) {
    let guest = house.guest("tap0", port);
    guest.add_lan();
    guest.run("ip", &["link", "set", "lan0", "up"]);
    let client = start(&guest, "downlink-prefix-ifaces \"lan0\"", &format!("{more}\nia\npd"));
    guest.assert_addresses(128);
    for prefix in port.prefixes {
        // It routes the whole prefix to the one device behind it.
        client.wait_until("a route to what is delegated", || {
            guest.routes().iter().any(|route| route["dst"] == *prefix && route["dev"] == "lan0")
        });
    }
    assert_link(&guest, &client);
    // It writes when duplicate address detection is done, for which it looks once a second.
    client.wait_until("a database", || {
        let database = guest.read(DATABASE);
        database.contains("<AddrPrefix ") && database.contains("</AddrMgr>")
    });
    assert_kept(&guest);
    for counter in counters {
        assert_eq!(house.count(counter), 1, "{counter}");
    }
    (guest, client)
}

/// Its DUID has the MAC of another device of its, of no port (DHCP-028); Preference 255 spares it a wait (DHCP-068).
#[test]
fn stateful_gives_all_addresses_and_prefixes() {
    house("dibbler::stateful_gives_all_addresses_and_prefixes", |house| {
        let counters = ["dhcpv6-advertise", "dhcpv6-reply-to-request"];
        let (guest, client) = stateful(house, &STATEFUL_PORT, "", &counters);
        let event = told(&guest, &client, "REQUEST");
        let duid = variable(&event, "SRV_OPTION1");
        assert!(duid.starts_with("00:01:00:01:") && !duid.ends_with(guest.port.mac), "{duid}");
        let waits_not =
            "preference set to 255 received, so wait time for other possible ADVERTISE messages is skipped";
        assert!(client.log().contains(waits_not), "{}", client.log());
        for (number, address) in (1..).zip(guest.port.addresses) {
            assert_eq!(variable(&event, &format!("ADDR{number}")), *address);
        }
        for (number, prefix) in (1..).zip(guest.port.prefixes) {
            let says = |end: &str| variable(&event, &format!("PREFIX{number}{end}"));
            assert_eq!(format!("{}/{}", says(""), says("LEN")), *prefix);
        }
    });
}

/// DHCP-058, DHCP-059. It runs no script after these.
#[test]
fn rapid_commit_gives_the_same_in_two_messages() {
    house("dibbler::rapid_commit_gives_the_same_in_two_messages", |house| {
        stateful(house, &CLONE_PORT, "rapid-commit yes", &["dhcpv6-reply-to-solicit"]);
    });
}

/// It renews the address and the prefix each by itself, with one transaction id for Request and Renew.
#[test]
fn a_lease_is_renewed_at_t1_and_released_at_the_end() {
    house("dibbler::a_lease_is_renewed_at_t1_and_released_at_the_end", |house| {
        let guest = house.guest("tap0", &BRIEF_PORTS[2]);
        let client = start(&guest, "", "ia\npd");
        let renewed = |name: &str| -> Vec<String> {
            let events = guest.events_where("CLNT_MESSAGE", "RENEW");
            let says = |event: &Event, end: &str| variable(event, &format!("{name}1{end}")).to_owned();
            let of_kind = events.iter().find(|event| !says(event, "").is_empty());
            of_kind
                .map(|event| ["", "PREF", "VALID"].map(|end| says(event, end)).to_vec())
                .unwrap_or_default()
        };
        client.wait_until("two renewals", || !renewed("ADDR").is_empty() && !renewed("PREFIX").is_empty());
        assert_eq!(renewed("ADDR"), ["2001:db8:cafe:5::6", "25", "40"]);
        assert_eq!(renewed("PREFIX"), ["2001:db8:face:5020::", "25", "40"]);
        guest.assert_addresses(128);
        client.end("TERM");
        house.wait_for_count("dhcpv6-reply-to-release", 1);
        guest.assert_these_addresses(&[], 128);
        let anew = house.count("dhcpv6-advertise") + house.count("dhcpv6-reply-to-rebind");
        assert_eq!(anew, 1, "it had to fall back to nothing");
    });
}
