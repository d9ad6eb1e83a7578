//! One guest's boot: its kernel does SLAAC, the probe is its DHCPv6 client and fetches its metadata, and what it ends with is read back from
//! the kernel.

use std::net::Ipv6Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{DemoError, Plan, Promised};
use crate::io::netns::{Address, Link, Netlink, Netns, Preference, Route};
use crate::io::probe::report::{Instance, Lease, LeasedPrefix};
use crate::io::probe::{self, Options, Report, Service};
use crate::types::ip6;

/// How long a guest may take from link up to all it was promised: two rounds of duplicate address detection and one
/// repeated Router Solicitation (4 s) fit several times.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the kernel is asked.
const TICK: Duration = Duration::from_millis(10);

/// What a guest ended with. Lifetimes are in seconds, 4294967295 for ever.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Guest {
    /// Name of its network in the lease source.
    pub network: String,
    /// The bridge's port that it is plugged into.
    pub device: String,
    /// Its MAC.
    pub mac: String,
    /// `slaac`, `dhcpv6-stateless` or `dhcpv6-stateful`.
    pub mode: String,
    /// Milliseconds from link up to the default route, duplicate address detection of the link-local address included.
    pub routed_after_ms: Option<u64>,
    /// Milliseconds from link up to the last address in use.
    pub configured_after_ms: Option<u64>,
    /// Addresses wider than the link, as its kernel reports them.
    pub addresses: Vec<GuestAddress>,
    /// Default and other routes, as its kernel reports them.
    pub routes: Vec<GuestRoute>,
    /// Octets of the largest packet its kernel sends on the link.
    pub mtu: u32,
    /// DNS servers by RA and DHCPv6.
    pub dns: Vec<Ipv6Addr>,
    /// Search domains by RA and DHCPv6.
    pub domains: Vec<String>,
    /// NTP servers by DHCPv6.
    pub ntp: Vec<String>,
    /// Delegated prefixes by DHCPv6.
    pub delegated: Vec<Delegated>,
    /// Boot file URL by DHCPv6.
    pub boot_file_url: Option<String>,
    /// What meta_data.json says of it: instance id, host name and SSH keys.
    pub instance: Option<Instance>,
    /// Its user data.
    pub user_data: Option<String>,
    /// What the probe saw, DHCPv6 exchanges and their round trips included.
    pub probe: Report,
    /// What the lease source promises and the guest does not have; empty when it came up.
    pub problems: Vec<String>,
}

/// An address of a guest.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GuestAddress {
    /// The address.
    pub address: Ipv6Addr,
    /// Bits of its on-link prefix.
    pub length: u8,
    /// `slaac` or `dhcpv6`.
    pub by: &'static str,
    /// Seconds.
    pub preferred: u32,
    /// Seconds.
    pub valid: u32,
}

/// A route of a guest.
#[derive(Debug, Clone, serde::Serialize)]
pub struct GuestRoute {
    /// Destination and its length, `default` for ::/0.
    pub to: String,
    /// The router, none for on-link.
    pub via: Option<Ipv6Addr>,
    /// The preference that came with it.
    pub preference: Option<Preference>,
    /// Seconds.
    pub expires: Option<u32>,
}

/// A delegated prefix.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Delegated {
    /// First address and length.
    pub prefix: String,
    /// Seconds.
    pub preferred: u32,
    /// Seconds.
    pub valid: u32,
}

/// Boots the guest on the calling thread, which is in its namespace, and waits until it has what was planned.
pub(super) fn boot(plan: &Plan, netns: &Netns) -> Result<Guest, DemoError> {
    let netlink = Netlink::open()?;
    let nic = netlink.link(NIC)?;
    prepare(netns)?;
    netlink.set_up(nic.index)?;
    let start = Instant::now();
    let since = || u64::try_from(start.elapsed().as_millis()).ok();
    let routed = wait(start, || Ok(default_route(&netlink, &nic)?.is_some()))?;
    let routed_after_ms = routed.then(since).flatten();
    // A DHCPv6 client starts when the Router Advertisement has told it to.
    let metadata = plan.metadata.as_ref().map(|_| Service::default());
    let report = probe::run(&Options { timeout: Duration::from_secs(5), metadata, ..Options::new(NIC) })?;
    for lease in report.lease.iter().flat_map(Lease::addresses) {
        netlink.set_address(nic.index, &Address::leased(lease.address, lease.preferred, lease.valid))?;
    }
    let in_use =
        |wanted: &Ipv6Addr, all: &[Address]| all.iter().any(|a| a.address == *wanted && !a.tentative);
    let configured = wait(start, || {
        let all = netlink.addresses(nic.index)?;
        Ok(plan.addresses.iter().all(|wanted| in_use(wanted, &all)))
    })?;
    let configured_after_ms = (configured && routed).then(since).flatten();
    let mut guest = observe(plan, netns, &netlink, &nic, report)?;
    guest.routed_after_ms = routed_after_ms;
    guest.configured_after_ms = configured_after_ms;
    guest.problems = problems(plan, &guest);
    Ok(guest)
}

/// Name of a guest's only device.
pub(super) const NIC: &str = "eth0";

/// A host that believes Router Advertisements and makes its addresses from its MAC, as Linux does by default; routes
/// of RFC 4191 are off by default.
fn prepare(netns: &Netns) -> Result<(), DemoError> {
    for (key, value) in [("accept_ra", "1"), ("autoconf", "1"), ("addr_gen_mode", "0"), ("use_tempaddr", "0")]
    {
        netns.set_sysctl(&format!("ipv6/conf/{NIC}/{key}"), value)?;
    }
    // Absent from kernels without CONFIG_IPV6_ROUTE_INFO: the routes are then not shown.
    let _ = netns.set_sysctl(&format!("ipv6/conf/{NIC}/accept_ra_rt_info_max_plen"), "128");
    Ok(())
}

/// Asks until it is so or the guest's time is over.
fn wait(start: Instant, is_so: impl Fn() -> Result<bool, DemoError>) -> Result<bool, DemoError> {
    loop {
        if is_so()? {
            return Ok(true);
        }
        if start.elapsed() > PATIENCE {
            return Ok(false);
        }
        sleep(TICK);
    }
}

fn default_route(netlink: &Netlink, nic: &Link) -> Result<Option<Route>, DemoError> {
    let routes = netlink.routes()?;
    Ok(routes.into_iter().find(|route| route.is_default() && route.device == nic.index && route.from_advert))
}

fn observe(
    plan: &Plan,
    netns: &Netns,
    netlink: &Netlink,
    nic: &Link,
    report: Report,
) -> Result<Guest, DemoError> {
    let leased: Vec<Ipv6Addr> = report.lease.iter().flat_map(Lease::addresses).map(|l| l.address).collect();
    let settings: Vec<_> = report.lease.iter().map(|l| &l.settings).chain(&report.information).collect();
    let mut dns: Vec<Ipv6Addr> =
        report.routers.iter().flat_map(|r| &r.dns).flat_map(|d| d.servers.clone()).collect();
    dns.extend(settings.iter().flat_map(|s| s.dns.clone()));
    let mut domains: Vec<String> =
        report.routers.iter().flat_map(|r| &r.search).flat_map(|s| s.domains.clone()).collect();
    domains.extend(settings.iter().flat_map(|s| s.domains.clone()));
    let mut routes: Vec<Route> =
        netlink.routes()?.into_iter().filter(|route| route.device == nic.index).collect();
    routes.sort_by_key(|route| (route.prefix_length, route.destination));
    let documents = || report.metadata.iter().flat_map(|metadata| &metadata.documents);
    let instance = documents().find_map(|document| document.instance.clone());
    let user_data = documents().find(|d| d.path.ends_with("/user_data") && d.status == Some(200));
    let user_data = user_data.and_then(|document| document.text.clone());
    let mtu = netns.sysctl(&format!("ipv6/conf/{NIC}/mtu"))?;
    Ok(Guest {
        network: plan.network.clone(),
        device: plan.device.clone(),
        mac: plan.mac.to_string(),
        mode: plan.mode.clone(),
        routed_after_ms: None,
        configured_after_ms: None,
        addresses: addresses(&netlink.addresses(nic.index)?, &leased),
        routes: routes.iter().map(shown).collect(),
        mtu: mtu.parse().unwrap_or(nic.mtu),
        dns: once(dns),
        domains: once(domains),
        ntp: once(settings.iter().flat_map(|s| s.ntp.clone()).collect()),
        delegated: report.lease.iter().flat_map(Lease::prefixes).map(delegated).collect(),
        boot_file_url: settings.iter().find_map(|s| s.boot_file_url.clone()),
        instance,
        user_data,
        probe: report,
        problems: Vec::new(),
    })
}

fn addresses(all: &[Address], leased: &[Ipv6Addr]) -> Vec<GuestAddress> {
    let global = all.iter().filter(|address| !ip6::is_link_local(address.address) && !address.tentative);
    let shown = |address: &Address| GuestAddress {
        address: address.address,
        length: address.prefix_length,
        by: if leased.contains(&address.address) { "dhcpv6" } else { "slaac" },
        preferred: address.preferred.0,
        valid: address.valid.0,
    };
    let mut shown: Vec<_> = global.map(shown).collect();
    shown.sort_by_key(|address| address.address);
    shown
}

fn shown(route: &Route) -> GuestRoute {
    GuestRoute {
        to: if route.is_default() {
            "default".into()
        } else {
            format!("{}/{}", route.destination, route.prefix_length)
        },
        via: route.gateway,
        preference: route.preference,
        expires: route.expires,
    }
}

fn delegated(lease: &LeasedPrefix) -> Delegated {
    Delegated {
        prefix: format!("{}/{}", lease.address, lease.length),
        preferred: lease.preferred.0,
        valid: lease.valid.0,
    }
}

/// The values in order, each once.
fn once<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for value in values {
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// What was promised and is not there, and what is there and was not promised.
fn problems(plan: &Plan, guest: &Guest) -> Vec<String> {
    let mut problems = Vec::new();
    if guest.routed_after_ms.is_none() {
        problems.push("no default route".to_owned());
    }
    for wanted in &plan.addresses {
        if !guest.addresses.iter().any(|has| has.address == *wanted) {
            problems.push(format!("no address {wanted}"));
        }
    }
    for has in &guest.addresses {
        if !plan.addresses.contains(&has.address) {
            problems.push(format!("address {} is not in the lease", has.address));
        }
    }
    for wanted in &plan.prefixes {
        if !guest.delegated.iter().any(|has| has.prefix == wanted.to_string()) {
            problems.push(format!("no delegated prefix {wanted}"));
        }
    }
    for has in &guest.delegated {
        if !plan.prefixes.iter().any(|wanted| wanted.to_string() == has.prefix) {
            problems.push(format!("delegated prefix {} is not in the lease", has.prefix));
        }
    }
    if guest.dns != plan.dns {
        problems.push(format!("DNS servers are {:?}, not {:?}", guest.dns, plan.dns));
    }
    if guest.domains != plan.domains {
        problems.push(format!("search domains are {:?}, not {:?}", guest.domains, plan.domains));
    }
    if guest.mtu != plan.mtu {
        problems.push(format!("MTU is {}, not {}", guest.mtu, plan.mtu));
    }
    if let Some(promised) = &plan.metadata {
        problems.extend(untold(promised, guest.instance.as_ref(), guest.user_data.as_deref()));
    }
    problems.extend(guest.probe.missing.iter().map(|what| format!("did not get {what}")));
    let faults = &guest.probe.faults;
    problems.extend(faults.iter().map(|f| format!("{}: {} ({})", f.message, f.what, f.rule)));
    problems
}

/// What the metadata service says otherwise than promised.
fn untold(promised: &Promised, instance: Option<&Instance>, user_data: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    match instance {
        None => problems.push("no meta_data.json".to_owned()),
        Some(told) => {
            let wanted = &promised.instance;
            if told.uuid != wanted.uuid {
                problems.push(format!("instance id is {:?}, not {:?}", told.uuid, wanted.uuid));
            }
            if told.hostname != wanted.hostname {
                problems.push(format!("host name is {:?}, not {:?}", told.hostname, wanted.hostname));
            }
            if told.public_keys != wanted.public_keys {
                problems.push(format!("SSH keys are {:?}, not {:?}", told.public_keys, wanted.public_keys));
            }
        }
    }
    if user_data != promised.user_data.as_deref() {
        problems.push(format!("user data are {user_data:?}, not {:?}", promised.user_data));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_differ_from_the_lease_source_are_problems() {
        let instance = |key: &str| Instance {
            uuid: "3c1d4a0e".into(),
            hostname: Some("vm3".into()),
            public_keys: [("ada".to_owned(), key.to_owned())].into(),
        };
        let promised = Promised { instance: instance("ssh-ed25519 AAAA"), user_data: Some("#!".into()) };
        let told = instance("ssh-ed25519 AAAA");
        assert_eq!(untold(&promised, Some(&told), Some("#!")), [] as [&str; 0]);
        assert_eq!(
            untold(&promised, None, None),
            ["no meta_data.json", "user data are None, not Some(\"#!\")"]
        );
        let told = Instance { hostname: None, ..instance("ssh-ed25519 BBBB") };
        let problems = untold(&promised, Some(&told), Some("#!\n"));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("BBBB")), "{problems:?}");
        let other = Instance { uuid: "0".into(), ..instance("ssh-ed25519 AAAA") };
        assert_eq!(untold(&promised, Some(&other), Some("#!")), ["instance id is \"0\", not \"3c1d4a0e\""]);
    }
}
