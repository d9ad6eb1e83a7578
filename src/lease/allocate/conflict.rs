//! What the lock file lists must not be anybody else's.

use ipnet::Ipv6Net;

use super::Listed;
use super::free::{Addresses, Owner, Prefixes};
use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Given, Source};

/// Compares the lines, sorted, with each other and with the source.
pub(super) fn check(
    source: &Source,
    listed: &[Listed],
    (addresses, prefixes): (&Addresses, &Prefixes),
    of_source: &mut Findings,
    of_lock: &mut Findings,
) {
    addresses_twice(listed, of_lock);
    prefixes_twice(listed, of_lock);
    for line in listed.iter().filter(|line| !line.written) {
        match (line.line.given, line.network) {
            (Given::Address(address), Some(network)) => {
                if let Some(owner) = addresses.owner(network, address) {
                    is_listed(line, owner, "fixed_ips", of_source);
                }
                if addresses.is_taken(network, address) {
                    let what = format!(
                        "is an address of the router or of a service of network {}",
                        line.line.network
                    );
                    let remedy = "give the router or the service another address: guests keep what they have";
                    problem(line, what, remedy, of_lock);
                }
            }
            (Given::Address(_), None) => {}
            (Given::Prefix(prefix), _) => {
                if let Some(owner) = prefixes.owner(prefix) {
                    is_listed(line, owner, "delegated_prefixes", of_source);
                }
                if let Some((network, cidr)) = Prefixes::subnet(source, prefix) {
                    let what = format!("overlaps {cidr}, a subnet of network {}", network.name);
                    problem(
                        line,
                        what,
                        "give the subnet another prefix: guests keep what they have",
                        of_lock,
                    );
                }
            }
        }
    }
}

/// A value of the source that is listed for another port.
fn is_listed(line: &Listed, owner: Owner, field: &'static str, out: &mut Findings) {
    let (port, index) = owner.place;
    let remedy = if line.used {
        "write another one: what is listed is never given to anybody else"
    } else {
        "write another one, or free it with `frontdesk compile --prune`: nobody uses it any more"
    };
    out.error(
        Field::port(port).key(field).index(index),
        format!(
            "overlaps {}, which the lock file lists for {} on network {}",
            line.line.given, line.line.mac, line.line.network
        ),
        owner.value,
        remedy,
    );
}

fn problem(line: &Listed, what: String, remedy: &'static str, out: &mut Findings) {
    out.error(Field::top(), what, line.line.given, remedy);
    if let Some(last) = out.0.last_mut() {
        last.at = Some(line.at);
    }
}

const TWICE: &str = "take one of the two lines out, and compile again to give its port another one";

fn addresses_twice(listed: &[Listed], out: &mut Findings) {
    let address = |line: &&Listed| matches!(line.line.given, Given::Address(_));
    let mut all: Vec<&Listed> = listed.iter().filter(address).collect();
    all.sort_by(|a, b| (&a.line.network, a.line.given, a.at).cmp(&(&b.line.network, b.line.given, b.at)));
    for pair in all.windows(2) {
        let [one, other] = pair else { continue };
        if (&one.line.network, one.line.given) == (&other.line.network, other.line.given) {
            problem(other, format!("is listed for {} too", one.line.mac), TWICE, out);
        }
    }
}

/// Of prefixes in the order of their first address, shorter first, one that overlaps another lies in the last that is
/// not in another itself.
fn prefixes_twice(listed: &[Listed], out: &mut Findings) {
    let prefix = |line: &'_ Listed| match line.line.given {
        Given::Prefix(prefix) => Some(prefix),
        Given::Address(_) => None,
    };
    let mut all: Vec<(Ipv6Net, &Listed)> = listed.iter().filter_map(|l| Some((prefix(l)?, l))).collect();
    all.sort_by_key(|(net, line)| (net.addr(), net.prefix_len(), line.at));
    let mut holder: Option<(Ipv6Net, &Listed)> = None;
    for (net, line) in all {
        match holder.filter(|(outer, _)| outer.contains(&net)) {
            Some((outer, one)) => {
                let what = format!(
                    "overlaps {outer}, which is listed for {} on network {}",
                    one.line.mac, one.line.network
                );
                problem(line, what, TWICE, out);
            }
            None => holder = Some((net, line)),
        }
    }
}
