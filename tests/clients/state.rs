//! What a guest's kernel says of itself, as `ip` prints it.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{Guest, PATIENCE};
use crate::support::netns::wait_until;

/// What the kernel says of a lifetime that does not end.
const FOREVER: u64 = u32::MAX as u64;

/// A global address of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) address: Ipv6Addr,
    pub(crate) length: u64,
    /// Seconds that are left.
    pub(crate) preferred: u64,
    /// Seconds that are left.
    pub(crate) valid: u64,
}

/// Who counts the seconds of a route or an address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lifetimes {
    /// The kernel, which shows what is left.
    OfTheKernel,
    /// The program that set it and will take it away: the kernel knows no end.
    OfTheProgram,
}

impl Guest {
    fn ip(&self, arguments: &str) -> Value {
        let words: Vec<&str> = ["-j", "-6"].into_iter().chain(arguments.split(' ')).collect();
        let text = self.run("ip", &words);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("ip {arguments}: {error}: {text}"))
    }

    /// The global addresses of a device that are ready for use, in the order of their numbers.
    pub(crate) fn addresses(&self, device: &str) -> Vec<Address> {
        let devices = self.ip(&format!("addr show dev {device} scope global"));
        let list = devices[0]["addr_info"].as_array().cloned().unwrap_or_default();
        let usable = list.iter().filter(|one| one["local"].is_string() && one["tentative"].is_null());
        let mut addresses: Vec<Address> = usable
            .map(|one| Address {
                address: one["local"].as_str().expect("a text").parse().expect("an address"),
                length: one["prefixlen"].as_u64().expect("a length"),
                preferred: one["preferred_life_time"].as_u64().expect("seconds"),
                valid: one["valid_life_time"].as_u64().expect("seconds"),
            })
            .collect();
        addresses.sort();
        addresses
    }

    /// Waits until eth0 has the port's addresses, with this prefix length, and no others; then asserts that each has
    /// the lifetimes of its network less what has passed since the guest was made.
    pub(crate) fn assert_addresses(&self, length: u64) {
        self.assert_these_addresses(self.port.addresses, length);
    }

    /// As [`assert_addresses`](Self::assert_addresses), with other addresses.
    pub(crate) fn assert_these_addresses(&self, expected: &[&str], length: u64) {
        self.assert_device("eth0", expected, length, Lifetimes::OfTheKernel);
    }

    /// Waits until eth0 has one address of the network's prefix that is not the MAC's, and asserts its lifetimes.
    pub(crate) fn assert_private_address(&self) {
        wait_until("an address", PATIENCE, || !self.addresses("eth0").is_empty());
        let addresses = self.addresses("eth0");
        let [one] = addresses.as_slice() else { panic!("{addresses:?}") };
        let prefix = format!("{}/{}", Ipv6Addr::from_bits(one.address.to_bits() >> 64 << 64), one.length);
        assert_eq!(prefix, self.port.network.prefix);
        assert_ne!(one.address.to_string(), self.port.addresses[0]);
        self.assert_left("preferred lifetime", one.preferred, self.port.network.preferred);
        self.assert_left("valid lifetime", one.valid, self.port.network.valid);
    }

    /// As [`assert_addresses`](Self::assert_addresses), for addresses of delegated prefixes on lan0.
    pub(crate) fn assert_lan(&self, expected: &[&str]) {
        self.assert_device("lan0", expected, 64, Lifetimes::OfTheKernel);
    }

    /// Waits until a device has these addresses and no others, and asserts their lifetimes.
    pub(crate) fn assert_device(&self, device: &str, expected: &[&str], length: u64, lifetimes: Lifetimes) {
        let wanted: BTreeSet<(Ipv6Addr, u64)> =
            expected.iter().map(|text| (text.parse().expect("an address"), length)).collect();
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            let found = self.addresses(device);
            if found.iter().map(|a| (a.address, a.length)).collect::<BTreeSet<_>>() == wanted {
                break found;
            }
            assert!(Instant::now() < deadline, "{device}: expected {wanted:?}, found {found:?}");
            std::thread::sleep(Duration::from_millis(50));
        };
        for address in found {
            match lifetimes {
                Lifetimes::OfTheKernel => {
                    self.assert_left("preferred lifetime", address.preferred, self.port.network.preferred);
                    self.assert_left("valid lifetime", address.valid, self.port.network.valid);
                }
                Lifetimes::OfTheProgram => {
                    assert_eq!((address.preferred, address.valid), (FOREVER, FOREVER), "{address:?}");
                }
            }
        }
    }

    /// Asserts that of a lifetime of `full` seconds is left what can be.
    pub(crate) fn assert_left(&self, what: &str, left: u64, full: u64) {
        let least = full.saturating_sub(self.age());
        assert!((least..=full).contains(&left), "{what}: {left} s are left, expected {least} to {full}");
    }

    /// The routes of the main table.
    pub(crate) fn routes(&self) -> Vec<Value> {
        self.ip("route show").as_array().cloned().expect("a list")
    }

    /// The route to a destination, waited for.
    pub(crate) fn route(&self, destination: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let routes = self.routes();
            if let Some(route) =
                routes.iter().find(|route| route["dst"] == destination && route["dev"] == "eth0")
            {
                return route.clone();
            }
            assert!(Instant::now() < deadline, "no route to {destination}: {routes:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asserts what Linux, or a program in its place, makes of the network's Router Advertisement beside addresses: the
    /// default route with its preference and the link's MTU, the on-link prefix, and nothing else of the router's but
    /// what [`assert_more_specific_route`](Self::assert_more_specific_route) asserts.
    pub(crate) fn assert_router(&self, lifetimes: Lifetimes) {
        let default = self.assert_default_route(lifetimes);
        let mtu =
            default["metrics"].as_array().and_then(|list| list.iter().find_map(|one| one["mtu"].as_u64()));
        assert_eq!(mtu.map(|mtu| mtu.to_string()).as_deref(), Some(self.port.network.mtu), "{default}");
    }

    /// As [`assert_router`](Self::assert_router), but for the MTU. The default route.
    pub(crate) fn assert_default_route(&self, lifetimes: Lifetimes) -> Value {
        let network = self.port.network;
        let default = self.assert_route("default", network.preference, network.router_lifetime, lifetimes);
        let on_link = self.route(network.prefix);
        assert!(on_link["gateway"].is_null(), "{on_link}");
        let routers = self.routes().into_iter().filter(|route| route["dst"] == "default").count();
        assert_eq!(routers, 1, "default routes");
        default
    }

    /// Asserts the route of RFC 4191.
    pub(crate) fn assert_more_specific_route(&self, lifetimes: Lifetimes) {
        let (destination, preference, lifetime) = self.port.network.route.expect("a network with a route");
        self.assert_route(destination, preference, lifetime, lifetimes);
    }

    fn assert_route(
        &self,
        destination: &str,
        preference: &str,
        lifetime: u64,
        lifetimes: Lifetimes,
    ) -> Value {
        let route = self.route(destination);
        assert_eq!(route["gateway"], self.port.network.router, "{route}");
        assert_eq!(route["protocol"], "ra", "{route}");
        assert_eq!(route["pref"], preference, "{route}");
        match lifetimes {
            Lifetimes::OfTheKernel => {
                self.assert_left(destination, route["expires"].as_u64().unwrap_or(u64::MAX), lifetime);
            }
            Lifetimes::OfTheProgram => assert!(route["expires"].is_null(), "{route}"),
        }
        route
    }

    /// Asserts that the router answers a Neighbor Solicitation and a ping of the guest's kernel.
    pub(crate) fn assert_router_answers(&self) {
        let router = format!("{}%eth0", self.port.network.router);
        self.run("ping", &["-6", "-n", "-c", "1", "-W", "5", &router]);
        let neighbors = self.ip("neigh show dev eth0");
        let list = neighbors.as_array().expect("a list");
        let router = list.iter().find(|one| one["dst"] == self.port.network.router).expect("the router");
        assert_eq!(router["lladdr"], self.port.network.router_mac, "{router}");
    }
}
