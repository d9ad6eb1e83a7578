//! The block of DHCPv6 options of a network or of a port (the form is that of `lease::options`).

use std::net::Ipv6Addr;

use super::TooLarge;
use crate::lease::options::{OPTION_INFORM_ONLY, OPTION_REPLY_ONLY, OPTION_UNASKED, Origin};
use crate::lease::source::{Network, Options};

const DNS_SERVERS: u16 = 23; // RFC 3646 §3
const DOMAIN_LIST: u16 = 24; // RFC 3646 §4
const SNTP_SERVERS: u16 = 31; // RFC 4075 §4
const INFORMATION_REFRESH_TIME: u16 = 32; // RFC 9915 §21.23
const NTP_SERVER: u16 = 56; // RFC 5908 §4
const BOOT_FILE_URL: u16 = 59; // RFC 5970 §3.1
const SOL_MAX_RT: u16 = 82; // RFC 9915 §21.24
const INF_MAX_RT: u16 = 83; // RFC 9915 §21.25
const CAPTIVE_PORTAL: u16 = 103; // RFC 8910 §2.2

/// Sub-option of the NTP Server option: a unicast address (RFC 5908 §4.1).
const NTP_ADDRESS: u16 = 1;

/// The network's options, overlaid by the port's own where it has them. An empty list takes the network's away.
///
/// # Errors
/// [`TooLarge`] when one option would be longer than 65535 octets.
pub(in crate::lease) fn block(network: &Network, own: Option<&Options>) -> Result<Vec<u8>, TooLarge> {
    let shared = &network.options;
    let mut out = Block(Vec::new());
    if let Some((servers, from)) = overlay(&shared.dns_nameservers, own.map(|o| &o.dns_nameservers)) {
        out.addresses(from, DNS_SERVERS, servers)?;
    }
    if let Some((domains, from)) = overlay(&shared.dns_domains, own.map(|o| &o.dns_domains)) {
        let names: Vec<u8> = domains.iter().flat_map(|d| d.as_wire().iter().copied()).collect();
        out.nonempty(0, from, DOMAIN_LIST, &names)?;
    }
    out.addresses(Origin::Network, SNTP_SERVERS, &network.sntp_servers)?;
    if let Some(seconds) = network.information_refresh_time {
        out.put(OPTION_INFORM_ONLY, Origin::Network, INFORMATION_REFRESH_TIME, &seconds.to_be_bytes())?;
    }
    if let Some((servers, from)) = overlay(&shared.ntp_servers, own.map(|o| &o.ntp_servers)) {
        for server in servers {
            // One time source in each option (RFC 5908 §4).
            let head = [NTP_ADDRESS.to_be_bytes(), 16_u16.to_be_bytes()].concat();
            out.put(0, from, NTP_SERVER, &[head.as_slice(), &server.octets()].concat())?;
        }
    }
    if let Some((url, from)) = overlay(&shared.boot_file_url, own.map(|o| &o.boot_file_url)) {
        out.put(OPTION_UNASKED, from, BOOT_FILE_URL, url.as_bytes())?;
    }
    if let Some(seconds) = network.sol_max_rt {
        out.put(0, Origin::Network, SOL_MAX_RT, &seconds.to_be_bytes())?;
    }
    if let Some(seconds) = network.inf_max_rt {
        out.put(OPTION_REPLY_ONLY, Origin::Network, INF_MAX_RT, &seconds.to_be_bytes())?;
    }
    if let Some((uri, from)) = overlay(&shared.captive_portal, own.map(|o| &o.captive_portal)) {
        out.put(OPTION_UNASKED, from, CAPTIVE_PORTAL, uri.as_bytes())?;
    }
    Ok(out.0)
}

fn overlay<'o, T>(shared: &'o Option<T>, own: Option<&'o Option<T>>) -> Option<(&'o T, Origin)> {
    match own.and_then(Option::as_ref) {
        Some(own) => Some((own, Origin::Port)),
        None => shared.as_ref().map(|shared| (shared, Origin::Network)),
    }
}

struct Block(Vec<u8>);

impl Block {
    fn put(&mut self, flags: u8, from: Origin, code: u16, value: &[u8]) -> Result<(), TooLarge> {
        let length = u16::try_from(value.len()).map_err(|_| TooLarge)?;
        self.0.extend_from_slice(&[flags, from as u8]);
        self.0.extend_from_slice(&code.to_be_bytes());
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(value);
        Ok(())
    }

    fn nonempty(&mut self, flags: u8, from: Origin, code: u16, value: &[u8]) -> Result<(), TooLarge> {
        if value.is_empty() { Ok(()) } else { self.put(flags, from, code, value) }
    }

    fn addresses(&mut self, from: Origin, code: u16, addresses: &[Ipv6Addr]) -> Result<(), TooLarge> {
        let octets: Vec<u8> = addresses.iter().flat_map(Ipv6Addr::octets).collect();
        self.nonempty(0, from, code, &octets)
    }
}
