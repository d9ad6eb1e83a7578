//! The block of DHCPv6 options of a network or of a port (the form is that of `lease::options`).

mod boot;

use std::net::Ipv6Addr;

use super::TooLarge;
use crate::lease::options::{
    OPTION_ABSENT, OPTION_CONDITIONAL, OPTION_INFORM_ONLY, OPTION_REPLY_ONLY, OPTION_UNASKED, Origin,
};
use crate::lease::source::{Network, Options};
use crate::wire::dhcp6::code;

/// Information Refresh Time that is told where none is configured, in seconds: IRT_DEFAULT (RFC 9915 §7.6).
const DEFAULT_INFORMATION_REFRESH_TIME: u32 = 86400;

/// SOL_MAX_RT and INF_MAX_RT that are told where none is configured, in seconds: their defaults (RFC 9915 §7.6).
const DEFAULT_MAX_RT: u32 = 3600;

/// Sub-options of the NTP Server option: a unicast address (RFC 5908 §4.1), a name (§4.3).
const NTP_ADDRESS: u16 = 1;
const NTP_NAME: u16 = 3;

/// The network's options, overlaid by the port's own where it has them. An empty list takes the network's away.
///
/// # Errors
/// [`TooLarge`] when one option would be longer than 65535 octets.
pub(in crate::lease) fn block(network: &Network, own: Option<&Options>) -> Result<Vec<u8>, TooLarge> {
    let mut out = Block::default();
    servers_and_names(&mut out, &network.options, own)?;
    // Who asks is told what it would do anyway, so that it also does it after another server had said otherwise.
    for (code, flags, given, default) in [
        (
            code::INFORMATION_REFRESH_TIME,
            OPTION_INFORM_ONLY,
            network.information_refresh_time,
            DEFAULT_INFORMATION_REFRESH_TIME,
        ),
        (code::SOL_MAX_RT, 0, network.sol_max_rt, DEFAULT_MAX_RT),
        (code::INF_MAX_RT, OPTION_REPLY_ONLY, network.inf_max_rt, DEFAULT_MAX_RT),
    ] {
        let (seconds, from) = given.map_or((default, Origin::Default), |seconds| (seconds, Origin::Network));
        out.put(flags, from, code, &seconds.to_be_bytes())?;
    }
    boot::put(&mut out, &network.options.boot, own.map(|o| &o.boot))?;
    plain(&mut out, &network.options, own)?;
    let shared = &network.options;
    for (field, from) in [
        overlay(&shared.vendor_options, own.map(|o| &o.vendor_options)),
        overlay(&shared.by_number, own.map(|o| &o.by_number)),
    ]
    .into_iter()
    .flatten()
    {
        for option in field {
            let flags = if option.unasked { OPTION_UNASKED } else { 0 };
            out.put(flags, from, option.code, &option.value)?;
        }
    }
    Ok(out.into_octets())
}

fn servers_and_names(out: &mut Block, shared: &Options, own: Option<&Options>) -> Result<(), TooLarge> {
    if let Some((servers, from)) = overlay(&shared.dns_nameservers, own.map(|o| &o.dns_nameservers)) {
        let octets: Vec<u8> = servers.iter().flat_map(Ipv6Addr::octets).collect();
        out.nonempty(from, code::DNS_SERVERS, &octets)?;
    }
    if let Some((domains, from)) = overlay(&shared.dns_domains, own.map(|o| &o.dns_domains)) {
        let names: Vec<u8> = domains.iter().flat_map(|d| d.as_wire().iter().copied()).collect();
        out.nonempty(from, code::DOMAIN_LIST, &names)?;
    }
    // One time source in each option (RFC 5908 §4).
    if let Some((servers, from)) = overlay(&shared.ntp_servers, own.map(|o| &o.ntp_servers)) {
        for server in servers {
            out.put(0, from, code::NTP_SERVER, &option(NTP_ADDRESS, &server.octets())?)?;
        }
    }
    if let Some((names, from)) = overlay(&shared.ntp_names, own.map(|o| &o.ntp_names)) {
        for name in names {
            out.put(0, from, code::NTP_SERVER, &option(NTP_NAME, name.as_wire())?)?;
        }
    }
    if let Some((uri, from)) = overlay(&shared.captive_portal, own.map(|o| &o.captive_portal)) {
        out.put(OPTION_UNASKED, from, code::CAPTIVE_PORTAL, uri.as_bytes())?;
    }
    if let Some((resolvers, from)) = overlay(&shared.dnr, own.map(|o| &o.dnr)) {
        for resolver in resolvers {
            let name = resolver.name.as_wire();
            let mut value = resolver.priority.to_be_bytes().to_vec();
            value.extend_from_slice(&length(name)?);
            value.extend_from_slice(name);
            // RFC 9463 §3.1.6: with the name alone the fields behind it are not there.
            if !resolver.addresses.is_empty() {
                let addresses: Vec<u8> = resolver.addresses.iter().flat_map(Ipv6Addr::octets).collect();
                value.extend_from_slice(&length(&addresses)?);
                value.extend_from_slice(&addresses);
                value.extend_from_slice(&resolver.params);
            }
            out.put(0, from, code::V6_DNR, &value)?;
        }
    }
    Ok(())
}

/// Options whose values the source holds as they go on the wire.
fn plain(out: &mut Block, shared: &Options, own: Option<&Options>) -> Result<(), TooLarge> {
    let own = own.map_or(&[][..], |own| &own.plain);
    let replaced = |code: u16| own.iter().any(|option| option.code == code);
    let shared = shared.plain.iter().filter(|option| !replaced(option.code)).map(|o| (o, Origin::Network));
    for (option, from) in shared.chain(own.iter().map(|o| (o, Origin::Port))) {
        for value in &option.values {
            out.put(0, from, option.code, value)?;
        }
    }
    Ok(())
}

fn overlay<'o, T>(shared: &'o Option<T>, own: Option<&'o Option<T>>) -> Option<(&'o T, Origin)> {
    match own.and_then(Option::as_ref) {
        Some(own) => Some((own, Origin::Port)),
        None => shared.as_ref().map(|shared| (shared, Origin::Network)),
    }
}

fn length(value: &[u8]) -> Result<[u8; 2], TooLarge> {
    u16::try_from(value.len()).map(u16::to_be_bytes).map_err(|_| TooLarge)
}

/// Code, length and value (RFC 9915 §21.1).
fn option(code: u16, value: &[u8]) -> Result<Vec<u8>, TooLarge> {
    Ok([&code.to_be_bytes()[..], &length(value)?, value].concat())
}

/// For which clients an option is (`lease::options::Condition`).
#[derive(Clone, Copy)]
struct Selector<'s> {
    architectures: &'s [u16],
    user_class: &'s str,
    vendor_class: &'s str,
}

/// Entries in any order of codes; those of one code in the order in which they are to be tried.
#[derive(Default)]
struct Block(Vec<(u16, Vec<u8>)>);

impl Block {
    fn put(&mut self, flags: u8, from: Origin, code: u16, value: &[u8]) -> Result<(), TooLarge> {
        let entry = [&[flags, from as u8][..], &option(code, value)?].concat();
        self.0.push((code, entry));
        Ok(())
    }

    fn nonempty(&mut self, from: Origin, code: u16, value: &[u8]) -> Result<(), TooLarge> {
        if value.is_empty() { Ok(()) } else { self.put(0, from, code, value) }
    }

    /// An entry with a condition; no value says that the option is left out.
    fn put_if(
        &mut self,
        selector: Selector<'_>,
        flags: u8,
        from: Origin,
        code: u16,
        value: Option<&[u8]>,
    ) -> Result<(), TooLarge> {
        let absent = if value.is_none() { OPTION_ABSENT } else { 0 };
        let count = u8::try_from(selector.architectures.len()).map_err(|_| TooLarge)?;
        let mut entry = vec![flags | OPTION_CONDITIONAL | absent, from as u8, count];
        entry.extend(selector.architectures.iter().flat_map(|a| a.to_be_bytes()));
        for class in [selector.user_class, selector.vendor_class] {
            entry.extend_from_slice(&length(class.as_bytes())?);
            entry.extend_from_slice(class.as_bytes());
        }
        entry.extend_from_slice(&option(code, value.unwrap_or(&[]))?);
        self.0.push((code, entry));
        Ok(())
    }

    fn into_octets(mut self) -> Vec<u8> {
        self.0.sort_by_key(|(code, _)| *code);
        self.0.into_iter().flat_map(|(_, entry)| entry).collect()
    }
}
