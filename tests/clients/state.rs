//! What a guest's kernel says of itself, as `ip` prints it.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{Guest, PATIENCE};
use crate::leases::Network;

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

impl Guest<'_> {
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
    /// the lifetimes of its network less what has passed since the guest came up.
    pub(crate) fn assert_addresses(&self, length: u64) {
        self.assert_these_addresses(self.port.addresses, length);
    }

    /// As [`assert_addresses`](Self::assert_addresses), with other addresses.
    pub(crate) fn assert_these_addresses(&self, expected: &[&str], length: u64) {
        let wanted: BTreeSet<(Ipv6Addr, u64)> =
            expected.iter().map(|text| (text.parse().expect("an address"), length)).collect();
        let deadline = Instant::now() + PATIENCE;
        let found = loop {
            let found = self.addresses("eth0");
            if found.iter().map(|a| (a.address, a.length)).collect::<BTreeSet<_>>() == wanted {
                break found;
            }
            assert!(Instant::now() < deadline, "expected {wanted:?}, found {found:?}");
            std::thread::sleep(Duration::from_millis(50));
        };
        for address in found {
            self.assert_left("preferred lifetime", address.preferred, self.port.network.preferred);
            self.assert_left("valid lifetime", address.valid, self.port.network.valid);
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
            if let Some(route) = routes.iter().find(|route| route["dst"] == destination && route["dev"] == "eth0") {
                return route.clone();
            }
            assert!(Instant::now() < deadline, "no route to {destination}: {routes:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asserts what a kernel makes of the network's Router Advertisement, beside addresses.
    pub(crate) fn assert_router(&self) {
        let network: &Network = self.port.network;
        self.assert_route("default", network.preference, network.router_lifetime);
        if let Some((destination, preference, lifetime)) = network.route {
            self.assert_route(destination, preference, lifetime);
        }
        assert_eq!(self.inner.conf("mtu"), network.mtu, "the link's MTU");
    }

    /// Asserts a route by the network's router.
    pub(crate) fn assert_route(&self, destination: &str, preference: &str, lifetime: u64) {
        let route = self.route(destination);
        assert_eq!(route["gateway"], self.port.network.router, "{route}");
        assert_eq!(route["protocol"], "ra", "{route}");
        assert_eq!(route["pref"], preference, "{route}");
        self.assert_left(destination, route["expires"].as_u64().unwrap_or(u64::MAX), lifetime);
    }
}
