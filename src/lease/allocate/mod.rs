//! Addresses and prefixes out of pools: what is listed in the lock file stays as it is, what is missing is taken from the
//! lowest free place. It refuses to take anything back: only an operator who prunes frees what nobody uses.
//!
//! The outcome depends on the set of ports and on the lock file, not on the order of the source: what is new is given
//! out in the order of networks and MAC addresses.

mod conflict;
mod free;
mod wants;

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use super::problem::{Field, Findings};
use super::source::{Allocation, Given, Network, Source};
use free::{Addresses, Prefixes};
use wants::{Want, wants};
pub(super) use wants::{address_subnets, prefix_length};

/// What the ports of a source got, sorted by the number of the port and by value.
#[derive(Debug, Default)]
pub(super) struct Allocations {
    addresses: Vec<(usize, Ipv6Addr)>,
    prefixes: Vec<(usize, Ipv6Net)>,
}

impl Allocations {
    /// The addresses that a port got.
    pub(super) fn addresses(&self, port: usize) -> impl Iterator<Item = Ipv6Addr> {
        of(&self.addresses, port)
    }

    /// The prefixes that a port got.
    pub(super) fn prefixes(&self, port: usize) -> impl Iterator<Item = Ipv6Net> {
        of(&self.prefixes, port)
    }

    fn give(&mut self, port: usize, given: Given) {
        match given {
            Given::Address(address) => self.addresses.push((port, address)),
            Given::Prefix(prefix) => self.prefixes.push((port, prefix)),
        }
    }
}

fn of<T: Copy>(all: &[(usize, T)], port: usize) -> impl Iterator<Item = T> {
    let first = all.partition_point(|(owner, _)| *owner < port);
    let rest = all.get(first..).unwrap_or(&[]);
    rest.iter().take_while(move |(owner, _)| *owner == port).map(|(_, value)| *value)
}

/// What became of a lock file.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) allocations: Allocations,
    /// Every line of the new file, in order.
    pub(super) lines: Vec<Allocation>,
    /// Lines that are new.
    pub(super) added: usize,
    /// Lines that were taken out.
    pub(super) pruned: usize,
    /// Lines that nobody uses and that are kept.
    pub(super) unused: usize,
}

/// A line of the lock file and what is known of it.
struct Listed {
    line: Allocation,
    /// Offset in the file.
    at: usize,
    /// Number of its network, if there is one of the name.
    network: Option<u32>,
    /// The source gives the same to the same port as a value of its own.
    written: bool,
    used: bool,
}

/// Gives every port of a source without errors what it wants. `of_source` takes what is wrong with the source, `of_lock`
/// what is wrong with the lock file.
pub(super) fn allocate(
    source: &Source,
    lock: Vec<(Allocation, usize)>,
    prune: bool,
    (of_source, of_lock): (&mut Findings, &mut Findings),
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut wants = wants(source);
    if wants.is_empty() && lock.is_empty() {
        return outcome;
    }
    let (mut addresses, mut prefixes) = (Addresses::of(source), Prefixes::of(source));
    let mut listed = known(source, lock, &addresses, &prefixes);
    use_listed(source, &mut listed, &mut wants, &mut outcome.allocations);
    if prune {
        let before = listed.len();
        listed.retain(|line| line.used);
        outcome.pruned = before - listed.len();
    }
    conflict::check(source, &listed, (&addresses, &prefixes), of_source, of_lock);
    outcome.unused = listed.iter().filter(|line| !line.used).count();
    for line in &listed {
        match line.line.given {
            Given::Address(a) => line.network.into_iter().for_each(|n| addresses.occupy(n, a)),
            Given::Prefix(p) => prefixes.occupy(p),
        }
    }
    outcome.lines = listed.into_iter().map(|line| line.line).collect();
    if !of_lock.has_errors() && !of_source.has_errors() {
        fill(source, &wants, (&mut addresses, &mut prefixes), &mut outcome, of_source);
    }
    outcome.lines.sort();
    outcome.allocations.addresses.sort_unstable();
    outcome.allocations.prefixes.sort_unstable();
    outcome
}

/// The lines with what the source knows of them, in their order.
fn known(
    source: &Source,
    lock: Vec<(Allocation, usize)>,
    addresses: &Addresses,
    prefixes: &Prefixes,
) -> Vec<Listed> {
    let number = |name: &str| {
        let at = source.networks.binary_search_by(|network| network.name.as_str().cmp(name)).ok()?;
        u32::try_from(at).ok()
    };
    let mut listed: Vec<Listed> = Vec::with_capacity(lock.len());
    for (line, at) in lock {
        let network = number(&line.network);
        let owner = match line.given {
            Given::Address(address) => network.and_then(|network| addresses.owner(network, address)),
            Given::Prefix(prefix) => prefixes.owner(prefix),
        };
        let written = owner.is_some_and(|owner| Some(owner.network) == network && owner.mac == line.mac);
        listed.push(Listed { line, at, network, written, used: false });
    }
    listed.sort_by(|a, b| a.line.cmp(&b.line));
    listed
}

/// Gives out what is listed, and takes it out of the wants. What the source gives to the port itself is not given twice.
fn use_listed(source: &Source, listed: &mut [Listed], wants: &mut [Want], out: &mut Allocations) {
    for line in listed.iter_mut().filter(|line| !line.written) {
        let Some(number) = line.network else { continue };
        let Some(network) = source.networks.get(number as usize) else { continue };
        let key = (number, line.line.mac);
        let Ok(at) = wants.binary_search_by_key(&key, |want| (want.network, want.mac)) else { continue };
        let Some(want) = wants.get_mut(at) else { continue };
        line.used = match line.line.given {
            Given::Address(address) => {
                let of_pool = |subnet: &usize| {
                    let pools = network.subnets.get(*subnet).map_or(&[][..], |subnet| &subnet.pools);
                    pools.iter().any(|pool| (pool.start..=pool.end).contains(&address))
                };
                let found = want.addresses.iter().position(of_pool);
                found.map(|found| want.addresses.remove(found)).is_some()
            }
            Given::Prefix(prefix) => {
                let mut pools = network.prefix_pools.iter();
                let of_pool = prefix.prefix_len() == want.length
                    && pools.any(|pool| pool.length == want.length && pool.pool.contains(&prefix));
                let left = want.prefixes.checked_sub(1).filter(|_| of_pool);
                left.map(|left| want.prefixes = left).is_some()
            }
        };
        if line.used {
            out.give(want.port, line.line.given);
        }
    }
}

/// Gives out what is new.
fn fill(
    source: &Source,
    wants: &[Want],
    (addresses, prefixes): (&mut Addresses, &mut Prefixes),
    outcome: &mut Outcome,
    out: &mut Findings,
) {
    let mut lacking = Lacking::default();
    for want in wants {
        let Some(network) = source.networks.get(want.network as usize) else { continue };
        let mut give = |given: Given| {
            outcome.allocations.give(want.port, given);
            outcome.lines.push(Allocation { network: network.name.clone(), mac: want.mac, given });
            outcome.added += 1;
        };
        for number in &want.addresses {
            let Some(subnet) = network.subnets.get(*number) else { continue };
            match addresses.take(want.network, *number, subnet) {
                Some(address) => give(Given::Address(address)),
                None => lacking.add((want.network, Pool::Subnet(subnet.index))),
            }
        }
        for _ in 0..want.prefixes {
            match prefixes.take(network, want.length) {
                Some(prefix) => give(Given::Prefix(prefix)),
                None => lacking.add((want.network, Pool::Length(want.length))),
            }
        }
    }
    lacking.report(source, outcome.unused, out);
}

/// The pools of a network that are used up together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    /// Those of a subnet.
    Subnet(usize),
    /// Those of a length.
    Length(u8),
}

/// How many allocations which pools could not give.
#[derive(Default)]
struct Lacking(std::collections::BTreeMap<(u32, Pool), usize>);

impl Lacking {
    fn add(&mut self, pool: (u32, Pool)) {
        *self.0.entry(pool).or_default() += 1;
    }

    fn report(&self, source: &Source, unused: usize, out: &mut Findings) {
        for ((number, pool), count) in &self.0 {
            let Some(network) = source.networks.get(*number as usize) else { continue };
            let (at, what) = exhausted(network, *pool);
            let remedy = if unused == 0 {
                "add a pool".to_owned()
            } else {
                format!(
                    "add a pool, or free {unused} unused lines of the lock file with `frontdesk compile --prune`"
                )
            };
            out.error(at, what, format!("{count} more wanted"), remedy);
        }
    }
}

fn exhausted(network: &Network, pool: Pool) -> (Field, String) {
    let at = Field::network(&network.name);
    match pool {
        Pool::Subnet(index) => {
            (at.key("subnets").index(index).key("allocation_pools"), "have no free address left".to_owned())
        }
        Pool::Length(length) => (at.key("prefix_pools"), format!("have no free /{length} left")),
    }
}
