//! DHCPv6 messages of the client, written by `dhcproto`.

use std::time::Duration;

use dhcproto::v6::{
    DhcpOption, DhcpOptions, Encodable, Encoder, IAAddr, IANA, IAPD, IAPrefix, Message, MessageType, ORO,
    OptionCode,
};

use super::Wanted;
use super::report::{Association, Kind, Lease};
use crate::wire::dhcp6::code;

/// Who the client says it is.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) duid: Vec<u8>,
    pub(super) iaid: u32,
}

/// Option codes asked for in every message (RFC 9915 §21.7).
const REQUESTED: [u16; 8] = [
    code::DNS_SERVERS,
    code::DOMAIN_LIST,
    code::SNTP_SERVERS,
    code::NTP_SERVER,
    code::BOOTFILE_URL,
    code::BOOTFILE_PARAM,
    code::SOL_MAX_RT,
    code::CAPTIVE_PORTAL,
];

/// What Information-request asks for beside [`REQUESTED`], without SOL_MAX_RT: the refresh time and INF_MAX_RT.
const REQUESTED_STATELESS: [u16; 2] = [code::INFORMATION_REFRESH_TIME, code::INF_MAX_RT];

/// A 24-bit transaction id.
pub(super) type Xid = [u8; 3];

impl Client {
    /// Solicit (RFC 9915 §18.2.1) for what is wanted: both kinds of association in one message.
    pub(super) fn solicit(&self, xid: Xid, elapsed: Duration, wanted: Wanted, rapid_commit: bool) -> Vec<u8> {
        let mut message = self.message(MessageType::Solicit, xid, elapsed);
        let options = message.opts_mut();
        options.insert(requests(REQUESTED.to_vec()));
        if rapid_commit {
            options.insert(DhcpOption::RapidCommit);
        }
        if wanted.stateful {
            options.insert(ia_na(self.iaid, DhcpOptions::new()));
        }
        if wanted.pd {
            options.insert(ia_pd(self.iaid, DhcpOptions::new()));
        }
        octets(&message)
    }

    /// Request (RFC 9915 §18.2.2) for the leases of an Advertise, from the server that sent it.
    pub(super) fn request(
        &self,
        xid: Xid,
        elapsed: Duration,
        server: &[u8],
        offer: &[Association],
    ) -> Vec<u8> {
        let mut message = self.message(MessageType::Request, xid, elapsed);
        let options = message.opts_mut();
        options.insert(DhcpOption::ServerId(server.to_vec()));
        options.insert(requests(REQUESTED.to_vec()));
        associations(options, offer);
        octets(&message)
    }

    /// Release (RFC 9915 §18.2.7) of everything leased.
    pub(super) fn release(&self, xid: Xid, elapsed: Duration, server: &[u8], lease: &Lease) -> Vec<u8> {
        let mut message = self.message(MessageType::Release, xid, elapsed);
        let options = message.opts_mut();
        options.insert(DhcpOption::ServerId(server.to_vec()));
        associations(options, &lease.associations);
        octets(&message)
    }

    /// Information-request (RFC 9915 §18.2.6).
    pub(super) fn inform(&self, xid: Xid, elapsed: Duration) -> Vec<u8> {
        let mut message = self.message(MessageType::InformationRequest, xid, elapsed);
        let stateless =
            REQUESTED.into_iter().filter(|code| *code != code::SOL_MAX_RT).chain(REQUESTED_STATELESS);
        message.opts_mut().insert(requests(stateless.collect()));
        octets(&message)
    }

    fn message(&self, kind: MessageType, xid: Xid, elapsed: Duration) -> Message {
        let mut message = Message::new_with_id(kind, xid);
        // In hundredths of a second, and 0xffff for what is longer (RFC 9915 §21.9).
        let hundredths = u16::try_from(elapsed.as_millis() / 10).unwrap_or(u16::MAX);
        message.opts_mut().insert(DhcpOption::ClientId(self.duid.clone()));
        message.opts_mut().insert(DhcpOption::ElapsedTime(hundredths));
        message
    }
}

fn requests(codes: Vec<u16>) -> DhcpOption {
    DhcpOption::ORO(ORO { opts: codes.into_iter().map(OptionCode::from).collect() })
}

fn ia_na(id: u32, opts: DhcpOptions) -> DhcpOption {
    DhcpOption::IANA(IANA { id, t1: 0, t2: 0, opts })
}

fn ia_pd(id: u32, opts: DhcpOptions) -> DhcpOption {
    DhcpOption::IAPD(IAPD { id, t1: 0, t2: 0, opts })
}

/// The associations with their leases and all times 0, as the client has no wish (RFC 9915 §21.6).
fn associations(options: &mut DhcpOptions, all: &[Association]) {
    for ia in all {
        let leases = ia.leases.iter().map(|lease| match ia.kind {
            Kind::Address => DhcpOption::IAAddr(IAAddr {
                addr: lease.address,
                preferred_life: 0,
                valid_life: 0,
                opts: DhcpOptions::new(),
            }),
            Kind::Prefix => DhcpOption::IAPrefix(IAPrefix {
                preferred_lifetime: 0,
                valid_lifetime: 0,
                prefix_len: lease.length,
                prefix_ip: lease.address,
                opts: DhcpOptions::new(),
            }),
        });
        let inside: DhcpOptions = leases.collect();
        options.insert(match ia.kind {
            Kind::Address => ia_na(ia.iaid, inside),
            Kind::Prefix => ia_pd(ia.iaid, inside),
        });
    }
}

fn octets(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    // Encoding into memory fails only for names and lengths that the probe never writes.
    match message.encode(&mut Encoder::new(&mut out)) {
        Ok(()) => out,
        Err(_) => Vec::new(),
    }
}
