//! Advertise and Reply: decoded by `dhcproto` behind [`guard`], checked as a client must, and told in plain words.

use std::net::Ipv6Addr;

use dhcproto::v6::{
    Decodable, Decoder, DhcpOption, DhcpOptions, Message, MessageType, NtpSuboption, OptionCode,
    Status as Code,
};

use super::faults::Faults;
use super::guard::{self, Guarded};
use super::message::{Client, Xid};
use super::report::{Association, Kind, LeasedPrefix, RawOption, Settings, Status, hex};
use crate::types::{Lifetime, ip6};
use crate::wire::dhcp6::code;

/// An answer that a client may use.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) kind: MessageType,
    pub(super) server: Ipv6Addr,
    pub(super) server_duid: Vec<u8>,
    pub(super) preference: Option<u8>,
    pub(super) rapid_commit: bool,
    pub(super) associations: Vec<Association>,
    pub(super) settings: Settings,
}

/// What the answer is held against.
pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) xid: Xid,
    /// Transaction ids of earlier exchanges: a late answer to one of them is no fault.
    pub(super) earlier: &'a [Xid],
    /// The server asked, when one was chosen.
    pub(super) server: Option<&'a [u8]>,
    /// True for Information-request, whose answer holds no leases.
    pub(super) stateless: bool,
}

/// Name of a message type, as RFC 9915 §7.3 writes it.
pub(super) fn name(kind: MessageType) -> &'static str {
    match kind {
        MessageType::Advertise => "Advertise",
        MessageType::Reply => "Reply",
        MessageType::Reconfigure => "Reconfigure",
        _ => "DHCPv6 message",
    }
}

/// Reads the message in a datagram; `None` when a client must discard it, which is noted.
pub(super) fn read(
    octets: &[u8],
    server: Ipv6Addr,
    question: &Question<'_>,
    faults: &mut Faults,
) -> Option<Answer> {
    let kind = octets.first().map_or(MessageType::Unknown(0), |kind| MessageType::from(*kind));
    let called = name(kind);
    let guarded = match guard::check(octets) {
        Ok(guarded) => guarded,
        Err(what) => {
            faults.add(called, "RFC 9915 §21.1", what);
            return None;
        }
    };
    let Ok(message) = Message::decode(&mut Decoder::new(&guarded.octets)) else {
        faults.add(called, "RFC 9915 §8", "dhcproto cannot decode it");
        return None;
    };
    if message.opts().iter().count() != guarded.options {
        faults.add(called, "RFC 9915 §21.1", "dhcproto stops before its last option");
        return None;
    }
    is_ours(&message, &guarded, called, question, faults)?;
    let server_duid = match message.opts().get(OptionCode::ServerId) {
        Some(DhcpOption::ServerId(duid)) => duid.clone(),
        _ => Vec::new(),
    };
    let associations = associations(message.opts(), called, question, faults);
    Some(Answer {
        kind,
        server,
        server_duid,
        preference: match message.opts().get(OptionCode::Preference) {
            Some(DhcpOption::Preference(value)) => Some(*value),
            _ => None,
        },
        rapid_commit: message.opts().get(OptionCode::RapidCommit).is_some(),
        associations,
        settings: settings(message.opts(), guarded.raw, called, question, faults),
    })
}

/// The checks of RFC 9915 §16.3 and §16.10; `None` when the message must be discarded.
fn is_ours(
    message: &Message,
    guarded: &Guarded,
    called: &'static str,
    question: &Question<'_>,
    faults: &mut Faults,
) -> Option<()> {
    let section = if called == "Advertise" { "RFC 9915 §16.3" } else { "RFC 9915 §16.10" };
    if message.xid() != question.xid {
        if !question.earlier.contains(&message.xid()) {
            faults.add(called, section, "its transaction id is not that of the client's message");
        }
        return None;
    }
    if !matches!(message.msg_type(), MessageType::Advertise | MessageType::Reply) {
        faults.add(
            called,
            "RFC 9915 §16",
            format!("type {} is not for clients", u8::from(message.msg_type())),
        );
        return None;
    }
    match message.opts().get(OptionCode::ClientId) {
        Some(DhcpOption::ClientId(duid)) if *duid == question.client.duid => {}
        Some(_) => {
            faults.add(called, section, "its Client Identifier is another client's");
            return None;
        }
        None => {
            faults.add(called, section, "it has no Client Identifier");
            return None;
        }
    }
    match (message.opts().get(OptionCode::ServerId), question.server) {
        (None, _) => {
            faults.add(called, section, "it has no Server Identifier");
            return None;
        }
        (Some(DhcpOption::ServerId(duid)), Some(asked)) if duid != asked => {
            faults.add(called, "RFC 9915 §18.2.10", "its Server Identifier is not that of the server asked");
            return None;
        }
        _ => {}
    }
    // IA_NA, IA_PD, Vendor Class and Vendor-specific Information may repeat; nothing else (RFC 9915 §21.1).
    for code in &guarded.codes {
        let times = guarded.codes.iter().filter(|other| *other == code).count();
        if times > 1 && ![code::IA_NA, code::IA_PD, code::VENDOR_CLASS, code::VENDOR_OPTS].contains(code) {
            faults.add(called, "RFC 9915 §21.1", format!("option {code} is there {times} times"));
        }
    }
    for (code, what) in [(code::IA_TA, "IA_TA"), (code::UNICAST, "Server Unicast")] {
        if guarded.codes.contains(&code) {
            faults.add(called, "RFC 9915 §25", format!("it has the obsolete option {what}"));
        }
    }
    Some(())
}

fn associations(
    options: &DhcpOptions,
    called: &'static str,
    question: &Question<'_>,
    faults: &mut Faults,
) -> Vec<Association> {
    let mut all = Vec::new();
    for option in options.iter() {
        let ia = match option {
            DhcpOption::IANA(ia) => {
                association(Kind::Address, ia.id, (ia.t1, ia.t2), &ia.opts, called, faults)
            }
            DhcpOption::IAPD(ia) => {
                association(Kind::Prefix, ia.id, (ia.t1, ia.t2), &ia.opts, called, faults)
            }
            _ => continue,
        };
        if question.stateless {
            faults.add(
                called,
                "RFC 9915 §18.3.6",
                "the answer to an Information-request holds an association",
            );
        } else if ia.iaid != question.client.iaid {
            faults.add(called, "RFC 9915 §18.2.10.1", format!("association {} was not asked for", ia.iaid));
        } else if ia.t1.0 > ia.t2.0 && ia.t2.0 != 0 {
            let what = format!("T1 {} is after T2 {} in association {}", ia.t1, ia.t2, ia.iaid);
            faults.add(called, "RFC 9915 §21.4", what);
        } else {
            all.push(ia);
        }
    }
    let times: Vec<_> = all.iter().filter(|ia| !ia.leases.is_empty()).map(|ia| (ia.t1, ia.t2)).collect();
    if times.windows(2).any(|pair| pair.first() != pair.last()) {
        faults.add(called, "RFC 9915 §18.3.2", "T1 and T2 are not the same in all associations");
    }
    all
}

fn association(
    kind: Kind,
    iaid: u32,
    (t1, t2): (u32, u32),
    options: &DhcpOptions,
    called: &'static str,
    faults: &mut Faults,
) -> Association {
    let (t1, t2) = (Lifetime(t1), Lifetime(t2));
    let mut ia = Association { kind, iaid, t1, t2, leases: Vec::new(), status: None };
    for option in options.iter() {
        let lease = match option {
            DhcpOption::IAAddr(lease) => LeasedPrefix {
                address: lease.addr,
                length: 128,
                preferred: Lifetime(lease.preferred_life),
                valid: Lifetime(lease.valid_life),
            },
            DhcpOption::IAPrefix(lease) => LeasedPrefix {
                address: lease.prefix_ip,
                length: lease.prefix_len,
                preferred: Lifetime(lease.preferred_lifetime),
                valid: Lifetime(lease.valid_lifetime),
            },
            DhcpOption::StatusCode(code) => {
                ia.status = Some(status(code.status, &code.msg));
                continue;
            }
            _ => continue,
        };
        let text = format!("{}/{}", lease.address, lease.length);
        if lease.length > 128 || ip6::mask(lease.address, lease.length) != lease.address {
            faults.add(called, "RFC 9915 §21.22", format!("{text} has bits set after its length"));
        } else if lease.preferred.0 > lease.valid.0 {
            faults.add(called, "RFC 9915 §21.6", format!("{text} is preferred for longer than it is valid"));
        } else {
            ia.leases.push(lease);
        }
    }
    ia
}

fn status(code: Code, message: &str) -> Status {
    let name = match code {
        Code::Unknown(number) => format!("status {number}"),
        known => format!("{known:?}"),
    };
    Status { code: code.into(), name, message: message.to_owned() }
}

/// Least Information Refresh Time, seconds (RFC 9915 §7.6, IRT_MINIMUM).
const IRT_MINIMUM: u32 = 600;

fn settings(
    options: &DhcpOptions,
    raw: Vec<RawOption>,
    called: &'static str,
    question: &Question<'_>,
    faults: &mut Faults,
) -> Settings {
    let mut out = Settings { unknown: raw, ..Settings::default() };
    for option in options.iter() {
        match option {
            DhcpOption::DomainNameServers(servers) => out.dns.extend(servers),
            DhcpOption::DomainSearchList(names) => {
                out.domains.extend(names.iter().map(|name| name.to_utf8().trim_end_matches('.').to_owned()));
            }
            DhcpOption::NtpServer(servers) => out.ntp.extend(servers.iter().map(|server| match server {
                NtpSuboption::ServerAddress(address) | NtpSuboption::MulticastAddress(address) => {
                    address.to_string()
                }
                NtpSuboption::FQDN(name) => name.to_utf8().trim_end_matches('.').to_owned(),
            })),
            DhcpOption::StatusCode(code) => out.status = Some(status(code.status, &code.msg)),
            DhcpOption::Unknown(option) => {
                let code = u16::from(option.code());
                if other(&mut out, code, option.data()).is_none() {
                    out.unknown.push(RawOption { code, data: hex(option.data()) });
                }
            }
            _ => {}
        }
    }
    match out.information_refresh_time {
        Some(_) if !question.stateless => {
            faults.add(called, "RFC 9915 §21.23", "Information Refresh Time is for Information-request only");
        }
        Some(time) if time < IRT_MINIMUM => {
            faults.add(
                called,
                "RFC 9915 §21.23",
                format!("Information Refresh Time {time} s is under 600 s"),
            );
        }
        _ => {}
    }
    for (name, time) in [("SOL_MAX_RT", out.solicit_max_rt), ("INF_MAX_RT", out.information_max_rt)] {
        if time.is_some_and(|time| !(60..=86400).contains(&time)) {
            faults.add(called, "RFC 9915 §21.24", format!("{name} is not between 60 s and 86400 s"));
        }
    }
    out
}

/// Options that `dhcproto` leaves as octets; `None` for those that the probe does not know either.
fn other(out: &mut Settings, code: u16, data: &[u8]) -> Option<()> {
    match code {
        31 => {
            out.ntp.extend(data.as_chunks::<16>().0.iter().map(|octets| Ipv6Addr::from(*octets).to_string()));
        }
        32 => out.information_refresh_time = Some(number(data)?),
        59 => out.boot_file_url = Some(text(data)?),
        60 => out.boot_file_parameters = parameters(data)?,
        82 => out.solicit_max_rt = Some(number(data)?),
        83 => out.information_max_rt = Some(number(data)?),
        103 => out.captive_portal = Some(text(data)?),
        _ => return None,
    }
    Some(())
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}

fn text(data: &[u8]) -> Option<String> {
    String::from_utf8(data.to_vec()).ok()
}

/// Strings, each after its length in two octets (RFC 5970 §3.2).
fn parameters(mut data: &[u8]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (one, next) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        all.push(text(one)?);
        data = next;
    }
    data.is_empty().then_some(all)
}
