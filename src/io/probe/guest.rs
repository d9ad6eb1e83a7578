//! The guest's part in each exchange: what it sends and which answer it takes.

use dhcproto::v6::MessageType;

use super::converse::{INFORM, Input, REQUEST, ROUTER, SOLICIT, Taken, Wire, entropy};
use super::envelope::{Speaker, nd};
use super::faults::Faults;
use super::message::{Client, Xid};
use super::reply::{self, Answer, Question};
use super::report::{Kind, Lease, Report, Settings, Status, hex};
use super::{Options, ProbeError, Wanted, metadata};
use crate::io::netns::Link;
use crate::types::{MacAddr, ip6};

/// The preference with which a server ends the wait for others (RFC 9915 §18.2.1).
const PREFERENCE_NOW: u8 = 255;

pub(super) struct Guest<'a> {
    options: &'a Options,
    client: Client,
    wire: Wire,
    xids: Vec<Xid>,
}

impl<'a> Guest<'a> {
    pub(super) fn on(link: &Link, options: &'a Options) -> Result<Self, ProbeError> {
        let wire = Wire::open(link, options)?;
        let mac = wire.me.mac;
        let client = Client {
            duid: options.duid.clone().unwrap_or_else(|| duid_ll(mac)),
            iaid: options.iaid.unwrap_or(mac.to_u64() as u32),
        };
        Ok(Self { options, client, wire, xids: Vec::new() })
    }

    /// The whole boot: router, then leases, then settings, then metadata, then the report.
    pub(super) fn boot(mut self) -> Result<Report, ProbeError> {
        let mut missing = Vec::new();
        let wanted = self.options.wanted.unwrap_or(Wanted { ra: true, ..Wanted::default() });
        if wanted.ra && !self.solicit_router()? {
            missing.push("a Router Advertisement".to_owned());
        }
        let (wanted, pd_required) =
            self.options.wanted.map_or_else(|| (self.as_a_guest(), false), |all| (all, all.pd));
        let lease = if wanted.stateful || wanted.pd { self.lease(wanted)? } else { None };
        let has = |kind| lease.as_ref().is_some_and(|lease| holds(lease, kind));
        if wanted.stateful && !has(Kind::Address) {
            missing.push(format!("an address by DHCPv6{}", why(lease.as_ref(), Kind::Address)));
        }
        if pd_required && !has(Kind::Prefix) {
            missing.push(format!("a delegated prefix{}", why(lease.as_ref(), Kind::Prefix)));
        }
        let information = if wanted.stateless { self.inform()? } else { None };
        if wanted.stateless && information.is_none() {
            missing.push("an answer to Information-request".to_owned());
        }
        let metadata = match &self.options.metadata {
            Some(service) => Some(metadata::fetch(&mut self.wire, service, &mut missing)?),
            None => None,
        };
        let released = match &lease {
            Some(lease) if self.options.release => {
                let status = self.release(lease)?;
                if status.is_none() {
                    missing.push("an answer to Release".to_owned());
                }
                status
            }
            _ => None,
        };
        Ok(Report {
            device: self.options.device.clone(),
            mac: self.wire.me.mac,
            vlan: self.wire.me.vlan,
            link_local: self.wire.me.address,
            client_duid: hex(&self.client.duid),
            exchanges: self.wire.exchanges,
            routers: self.wire.routers,
            lease,
            information,
            metadata,
            released,
            faults: self.wire.faults.0,
            missing,
        })
    }

    /// What the flags of the routers say (RFC 4861 §4.2): M makes O redundant.
    fn as_a_guest(&self) -> Wanted {
        let managed = self.wire.routers.iter().any(|router| router.managed);
        let other = self.wire.routers.iter().any(|router| router.other);
        Wanted { ra: true, stateful: managed, pd: managed, stateless: other && !managed }
    }

    fn solicit_router(&mut self) -> Result<bool, ProbeError> {
        // With our link-layer address, so that the router need not ask for it (RFC 4861 §4.1).
        let [a, b, c, d, e, f] = self.wire.me.mac.0;
        let to = (ip6::group_mac(ip6::ALL_ROUTERS), ip6::ALL_ROUTERS);
        let frame = self.wire.me.nd(to, nd::ROUTER_SOLICITATION, [0; 4], &[1, 1, a, b, c, d, e, f]);
        let take = |_: &mut Faults, input: Input<'_>| {
            matches!(input, Input::Router).then(|| Taken::now("Router Advertisement", ()))
        };
        let heard = self.wire.converse("Router Solicitation", ROUTER, |_, _| frame.clone(), take)?;
        Ok(heard.is_some())
    }

    /// Solicit, then Request unless the server committed at once (RFC 9915 §18.2.1, §18.2.2). The offer of a server
    /// that leases nothing is reported with its reasons.
    fn lease(&mut self, wanted: Wanted) -> Result<Option<Lease>, ProbeError> {
        let Some(answer) = self.solicit(wanted)? else { return Ok(None) };
        let rapid = answer.kind == MessageType::Reply;
        if rapid || !usable(&answer) {
            return Ok(Some(into_lease(answer.clone(), answer.preference, rapid)));
        }
        let reply = self.request(&answer)?;
        Ok(reply.map(|reply| into_lease(reply, answer.preference, false)))
    }

    fn solicit(&mut self, wanted: Wanted) -> Result<Option<Answer>, ProbeError> {
        let rapid = self.options.rapid_commit;
        let client = self.client.clone();
        let (xid, earlier) = self.new_xid();
        let question = Question { client: &client, xid, earlier: &earlier, server: None, stateless: false };
        let mut best: Option<Taken<Answer>> = None;
        let say = |me: &Speaker, elapsed| me.dhcp(&client.solicit(xid, elapsed, wanted, rapid));
        let take = |faults: &mut Faults, input: Input<'_>| {
            let answer = match input {
                Input::Router | Input::Neighbor(..) | Input::Tcp(_) => return None,
                Input::Timeout => return best.take(),
                Input::Dhcp(server, octets) => reply::read(octets, server, &question, faults)?,
            };
            if answer.kind == MessageType::Reply {
                if rapid && answer.rapid_commit {
                    return Some(Taken::now("Reply", answer));
                }
                faults.add("Reply", "RFC 9915 §18.2.10", "it answers a Solicit without Rapid Commit in both");
                return None;
            }
            if answer.rapid_commit {
                faults.add("Advertise", "RFC 9915 §21.14", "it has a Rapid Commit option");
            }
            if usable(&answer) && answer.preference == Some(PREFERENCE_NOW) {
                return Some(Taken::now("Advertise", answer));
            }
            let rank = |answer: &Answer| (usable(answer), answer.preference.unwrap_or(0));
            if best.as_ref().is_none_or(|best| rank(&answer) > rank(&best.value)) {
                best = Some(Taken::now("Advertise", answer));
            }
            None
        };
        self.wire.converse("Solicit", SOLICIT, say, take)
    }

    fn request(&mut self, offer: &Answer) -> Result<Option<Answer>, ProbeError> {
        let client = self.client.clone();
        let (xid, earlier) = self.new_xid();
        let server = offer.server_duid.as_slice();
        let question =
            Question { client: &client, xid, earlier: &earlier, server: Some(server), stateless: false };
        let say = |me: &Speaker, elapsed| me.dhcp(&client.request(xid, elapsed, server, &offer.associations));
        self.wire.converse("Request", REQUEST, say, |faults, input| take_reply(&question, faults, &input))
    }

    fn inform(&mut self) -> Result<Option<Settings>, ProbeError> {
        let client = self.client.clone();
        let (xid, earlier) = self.new_xid();
        let question = Question { client: &client, xid, earlier: &earlier, server: None, stateless: true };
        let say = |me: &Speaker, elapsed| me.dhcp(&client.inform(xid, elapsed));
        let take = |faults: &mut Faults, input: Input<'_>| take_reply(&question, faults, &input);
        Ok(self.wire.converse("Information-request", INFORM, say, take)?.map(|answer| answer.settings))
    }

    fn release(&mut self, lease: &Lease) -> Result<Option<Status>, ProbeError> {
        let client = self.client.clone();
        let (xid, earlier) = self.new_xid();
        let server = unhex(&lease.server_duid);
        let question =
            Question { client: &client, xid, earlier: &earlier, server: Some(&server), stateless: false };
        let say = |me: &Speaker, elapsed| me.dhcp(&client.release(xid, elapsed, &server, lease));
        let take = |faults: &mut Faults, input: Input<'_>| take_reply(&question, faults, &input);
        let answer = self.wire.converse("Release", REQUEST, say, take)?;
        // A missing Status Code means success (RFC 9915 §7.5).
        let success = || Status { code: 0, name: "Success".into(), message: String::new() };
        Ok(answer.map(|answer| answer.settings.status.unwrap_or_else(success)))
    }

    /// A fresh transaction id and those used before it.
    fn new_xid(&mut self) -> (Xid, Vec<Xid>) {
        let earlier = self.xids.clone();
        let [.., a, b, c] = entropy().to_be_bytes();
        self.xids.push([a, b, c]);
        ([a, b, c], earlier)
    }
}

fn take_reply(question: &Question<'_>, faults: &mut Faults, input: &Input<'_>) -> Option<Taken<Answer>> {
    let Input::Dhcp(server, octets) = input else { return None };
    let answer = reply::read(octets, *server, question, faults)?;
    if answer.kind == MessageType::Reply {
        return Some(Taken::now("Reply", answer));
    }
    faults.add("Advertise", "RFC 9915 §16.3", "it answers something else than a Solicit");
    None
}

/// An Advertise is worth a Request when it leases anything (RFC 9915 §18.2.9).
fn usable(answer: &Answer) -> bool {
    answer.associations.iter().any(|ia| ia.leases.iter().any(|lease| lease.valid.0 > 0))
}

fn holds(lease: &Lease, kind: Kind) -> bool {
    lease.associations.iter().any(|ia| ia.kind == kind && ia.leases.iter().any(|lease| lease.valid.0 > 0))
}

/// The server's reason for leasing nothing of a kind, in brackets.
fn why(lease: Option<&Lease>, kind: Kind) -> String {
    let Some(lease) = lease else { return " (no answer)".into() };
    let inside = lease.associations.iter().find(|ia| ia.kind == kind).and_then(|ia| ia.status.as_ref());
    inside.or(lease.settings.status.as_ref()).map_or_else(String::new, |status| format!(": {status}"))
}

fn into_lease(answer: Answer, preference: Option<u8>, rapid_commit: bool) -> Lease {
    Lease {
        server: answer.server,
        server_duid: hex(&answer.server_duid),
        preference,
        rapid_commit,
        associations: answer.associations,
        settings: answer.settings,
    }
}

/// DUID-LL of Ethernet (RFC 9915 §11.4).
fn duid_ll(mac: MacAddr) -> Vec<u8> {
    [&[0, 3, 0, 1], mac.0.as_slice()].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .filter_map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect()
}
