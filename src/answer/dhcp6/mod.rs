//! DHCPv6 for one known guest (RFC 9915): validity of the message, then one file per exchange.
//!
//! The binding is the port: DUID and IAID are echoed and never select anything (DHCP-032, DEV-001). So every DUID and
//! every IAID from this MAC gets this port's lease, firmware and operating system alike.
//! To read before editing: RFC 9915 §16, §18.3, §21.

mod assign;
mod choice;
mod confirm;
mod inform;
mod register;
pub(super) mod relay;
mod release;
mod reply;

use super::guard::Asker;
use super::{Outcome, Reason, Trace};
use crate::lease::record::NETWORK_DHCP;
use crate::types::ip6;
use crate::types::limits::DUID_LENGTH;
use crate::wire::dhcp6::{ClientMessage, MessageType, Unreadable};

/// Whether an identifier must be in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Without it the message is discarded.
    Required,
    /// With it the message is discarded.
    Absent,
    /// Both are fine.
    Optional,
}

/// What a message must have of the client's identifier and of ours.
type Needs = (Need, Need);

/// Answers a message that a guest sent on this link.
pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    payload: &[u8],
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    let kind = kind(payload)?;
    // A guest port must not be able to forge a MAC by relaying, to whatever address (RLY-001, RLY-018).
    if kind == MessageType::RelayForward {
        return Err(Reason::NotARelay);
    }
    let needs = validity(kind)?;
    if asker.frame.destination != ip6::ALL_DHCP_AGENTS {
        // RFC 9915 §16: a client's message to a unicast address should not be accepted (DHCP-006).
        let to_group = asker.frame.destination.is_multicast();
        return Err(if to_group { Reason::BadDestination } else { Reason::UnicastDestination });
    }
    // RFC 9915 §13.1: a direct client has a link-local source; nothing else could be answered (DHCP-010). A guest that
    // registers an address speaks from that address (RFC 9686 §4.2; REG-014).
    if kind != MessageType::AddressRegistration && !asker.is_its_link_local() {
        return Err(Reason::BadSource);
    }
    respond(asker, needs, payload, out, trace)
}

/// Answers a client's message, direct or relayed.
fn respond<T: Trace>(
    asker: &Asker<'_, '_>,
    (client, server): Needs,
    payload: &[u8],
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    if !asker.network.has(NETWORK_DHCP) {
        return Err(Reason::DhcpNotServed);
    }
    // Read in place: it is large, and would be copied on its way out of a `Result`.
    let mut message = ClientMessage::default();
    message.read(payload)?;
    if let Some(theirs) = message.server_id.filter(|theirs| !asker.table.is_server_duid(theirs)) {
        trace.note(|| format!("for server {theirs:02x?}; we are {:02x?}", asker.table.server_duid()));
    }
    check_client_id(asker, &message, client)?;
    check_server_id(asker, &message, server)?;
    trace.note(|| {
        let (kind, count) = (message.kind, message.ia_count());
        format!("{kind:?}, transaction {:02x?}, {count} IAs", message.transaction)
    });
    match message.kind {
        MessageType::Confirm => confirm::answer(asker, &message, out, trace),
        MessageType::Release | MessageType::Decline => release::answer(asker, &message, out, trace),
        MessageType::InformationRequest => inform::answer(asker, &message, out, trace),
        MessageType::AddressRegistration => register::answer(asker, &message, out, trace),
        _ => assign::answer(asker, &message, out, trace),
    }
}

fn kind(payload: &[u8]) -> Result<MessageType, Reason> {
    payload.first().map(|kind| MessageType::from(*kind)).ok_or(Reason::BadDhcp)
}

/// What a message of this type must have: Client Identifier, Server Identifier (RFC 9915 §16.2 to §16.12; DHCP-034 to
/// DHCP-041). A Server Identifier that is there must be ours. What servers send is never for a server (RFC 9915 §16.3,
/// §16.10, §16.11, §16.14; DHCP-023, RLY-003); a type that is not here is not for us (RFC 9915 §16; DHCP-020, RLY-024).
const fn validity(kind: MessageType) -> Result<Needs, Reason> {
    Ok(match kind {
        MessageType::Solicit => (Need::Required, Need::Absent),
        MessageType::Request => (Need::Required, Need::Required),
        MessageType::Confirm => (Need::Required, Need::Absent),
        MessageType::Renew => (Need::Required, Need::Required),
        MessageType::Rebind => (Need::Required, Need::Absent),
        MessageType::Release => (Need::Required, Need::Required),
        MessageType::Decline => (Need::Required, Need::Required),
        MessageType::InformationRequest => (Need::Optional, Need::Optional),
        MessageType::AddressRegistration => (Need::Required, Need::Absent),
        MessageType::Advertise | MessageType::Reply | MessageType::Reconfigure | MessageType::RelayReply => {
            return Err(Reason::RogueServer);
        }
        MessageType::RelayForward | MessageType::Unknown(_) => return Err(Reason::UnknownType),
    })
}

fn check_client_id(asker: &Asker<'_, '_>, message: &ClientMessage<'_>, need: Need) -> Result<(), Reason> {
    match (message.client_id, need) {
        (None, Need::Required) => Err(Reason::BadClientId),
        (None, _) => Ok(()),
        // RFC 9915 §11.1 (DHCP-027); one that is ours has come back to us (DHCP-033).
        (Some(duid), _) if !DUID_LENGTH.contains(&duid.len()) => Err(Reason::BadClientId),
        (Some(duid), _) if asker.table.is_server_duid(duid) => Err(Reason::BadClientId),
        (Some(_), Need::Absent) => Err(Reason::BadClientId),
        (Some(_), _) => Ok(()),
    }
}

fn check_server_id(asker: &Asker<'_, '_>, message: &ClientMessage<'_>, need: Need) -> Result<(), Reason> {
    match (message.server_id, need) {
        (None, Need::Required) | (Some(_), Need::Absent) => Err(Reason::BadServerId),
        (None, _) => Ok(()),
        // Silence, not an error: the message is for somebody else (DHCP-044).
        (Some(duid), _) if !asker.table.is_server_duid(duid) => Err(Reason::OtherServer),
        (Some(_), _) => Ok(()),
    }
}

impl From<Unreadable> for Reason {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Malformed => Self::BadDhcp,
            Unreadable::TwoClientIds => Self::BadClientId,
            Unreadable::TwoServerIds => Self::BadServerId,
            Unreadable::TooManyIas => Self::TooManyIas,
        }
    }
}
