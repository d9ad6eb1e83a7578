//! What `fixtures/clients.toml` promises, written down a second time as a guest sees it.

/// A network as its guests see it.
pub(crate) struct Network {
    pub(crate) router_mac: &'static str,
    pub(crate) router: &'static str,
    /// Seconds.
    pub(crate) router_lifetime: u64,
    pub(crate) preference: &'static str,
    pub(crate) hop_limit: &'static str,
    pub(crate) mtu: &'static str,
    pub(crate) dns: &'static [&'static str],
    pub(crate) domains: &'static [&'static str],
    /// RFC 4191: destination, preference, lifetime in seconds.
    pub(crate) route: Option<(&'static str, &'static str, u64)>,
    /// On-link prefix.
    pub(crate) prefix: &'static str,
    /// Seconds.
    pub(crate) preferred: u64,
    /// Seconds.
    pub(crate) valid: u64,
}

pub(crate) const SLAAC: Network = Network {
    // EUI-64 of fa:16:3e:c3:17:b4 (RFC 4291 appendix A).
    router_mac: "fa:16:3e:c3:17:b4",
    router: "fe80::f816:3eff:fec3:17b4",
    router_lifetime: 1800,
    preference: "medium",
    hop_limit: "61",
    mtu: "1450",
    dns: &["2001:db8:cafe:a::1"],
    domains: &["slaac.example.com"],
    route: Some(("2001:db8:f00::/48", "low", 900)),
    prefix: "2001:db8:cafe::/64",
    preferred: 14400,
    valid: 86400,
};

pub(crate) const STATELESS: Network = Network {
    router_mac: "fa:16:3e:c1:bc:52",
    router: "fe80::f816:3eff:fec1:bc52",
    router_lifetime: 1700,
    preference: "low",
    hop_limit: "62",
    mtu: "1400",
    dns: &["2001:db8:cafe:a::2", "2001:db8:cafe:b::2"],
    domains: &["stateless.example.com", "example.net"],
    route: Some(("2001:db8:f01::/48", "medium", 800)),
    prefix: "2001:db8:cafe:2::/64",
    preferred: 21600,
    valid: 43200,
};

pub(crate) const STATEFUL: Network = Network {
    router_mac: "fa:16:3e:77:e5:a0",
    router: "fe80::1",
    router_lifetime: 1600,
    preference: "high",
    hop_limit: "63",
    mtu: "1420",
    dns: &["2001:db8:cafe:a::e", "2001:db8:cafe:a::f"],
    domains: &["stateful.example.com", "example.com"],
    route: Some(("2001:db8:f02::/48", "high", 700)),
    prefix: "2001:db8:cafe:1::/64",
    preferred: 3600,
    valid: 7200,
};

pub(crate) const BRIEF: Network = Network {
    router_mac: "fa:16:3e:77:e5:a1",
    router: "fe80::1",
    router_lifetime: 1500,
    preference: "medium",
    hop_limit: "64",
    mtu: "1410",
    dns: &["2001:db8:cafe:a::b"],
    domains: &["brief.example.com"],
    route: None,
    prefix: "2001:db8:cafe:3::/64",
    preferred: 20,
    valid: 30,
};

pub(crate) const LENIENT: Network =
    Network { prefix: "2001:db8:cafe:5::/64", preferred: 25, valid: 40, ..BRIEF };

/// A guest's MAC and what is its own.
pub(crate) struct Port {
    pub(crate) mac: &'static str,
    pub(crate) network: &'static Network,
    /// By SLAAC with EUI-64, or by DHCPv6.
    pub(crate) addresses: &'static [&'static str],
    pub(crate) prefixes: &'static [&'static str],
}

pub(crate) const SLAAC_PORT: Port = Port {
    mac: "fa:16:3e:79:5a:cc",
    network: &SLAAC,
    addresses: &["2001:db8:cafe:0:f816:3eff:fe79:5acc"],
    prefixes: &[],
};

pub(crate) const STATELESS_PORT: Port = Port {
    mac: "fa:16:3e:fe:d1:57",
    network: &STATELESS,
    addresses: &["2001:db8:cafe:2:f816:3eff:fefe:d157"],
    prefixes: &[],
};

pub(crate) const STATEFUL_PORT: Port = Port {
    mac: "fa:16:3e:31:38:6b",
    network: &STATEFUL,
    addresses: &["2001:db8:cafe:1::4", "2001:db8:cafe:1::1004"],
    prefixes: &["2001:db8:face:2ff2::/64", "2001:db8:face:3000::/60"],
};

pub(crate) const CLONE_PORT: Port = Port {
    mac: "fa:16:3e:31:38:6c",
    network: &STATEFUL,
    addresses: &["2001:db8:cafe:1::5"],
    prefixes: &["2001:db8:face:4000::/60"],
};

/// One for each client that renews beside others: dhclient, dhcpcd, systemd-networkd.
pub(crate) const BRIEF_PORTS: [Port; 3] = [
    Port {
        mac: "fa:16:3e:31:38:7b",
        network: &BRIEF,
        addresses: &["2001:db8:cafe:3::4"],
        prefixes: &["2001:db8:face:5000::/60"],
    },
    Port {
        mac: "fa:16:3e:31:38:7c",
        network: &BRIEF,
        addresses: &["2001:db8:cafe:3::5"],
        prefixes: &["2001:db8:face:5010::/60"],
    },
    Port {
        mac: "fa:16:3e:31:38:7d",
        network: &LENIENT,
        addresses: &["2001:db8:cafe:5::6"],
        prefixes: &["2001:db8:face:5020::/60"],
    },
];
