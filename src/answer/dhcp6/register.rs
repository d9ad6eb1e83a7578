//! ADDR-REG-INFORM → ADDR-REG-REPLY (RFC 9686 §4.2, §4.3): a guest tells which address it made for itself.
//!
//! Nothing is stored: registration is an event for the operator (REG-010, DEV-009), and the answer means only that the
//! guest need not say it again (REG-012).

use std::net::Ipv6Addr;

use super::super::guard::Asker;
use super::super::{AnswerKind, Event, Happening, Outcome, Reason, Trace};
use super::reply::Reply;
use crate::lease::record::NETWORK_REGISTRATION;
use crate::wire::dhcp6::{ADDR_REG_REPLY, ClientMessage, code};

pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    message: &ClientMessage<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    if !asker.network.has(NETWORK_REGISTRATION) {
        return Err(Reason::UnknownType);
    }
    // RFC 9686 §4.2.1 (REG-003, REG-004, REG-006): one address, no options asked for, no identity association.
    let address = match message.registered {
        Some((address, 1)) if !message.has_oro && message.ia_count() == 0 => address,
        _ => return Err(Reason::BadRegistration),
    };
    let registered = Ipv6Addr::from_octets(*address.first_chunk().ok_or(Reason::BadRegistration)?);
    // REG-005: it speaks for the address that it sends from.
    if registered != asker.source() {
        return Err(Reason::BadRegistration);
    }
    // REG-007: of this link, or of a prefix that is delegated to this port. REG-008: not one that DHCPv6 assigned.
    if !asker.may_register(registered) || asker.port.addresses().contains(&registered.octets()) {
        trace.event(|| Event::new(Happening::RegistrationRefused, registered, asker, message));
        return Err(Reason::BadRegistration);
    }
    let seconds =
        |at: usize| address.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |n| u32::from_be_bytes(*n));
    let happening = Happening::Registered { preferred: seconds(16), valid: seconds(20) };
    trace.event(|| Event::new(happening, registered, asker, message));
    trace.note(|| format!("RFC 9686 §4.2.1 (REG-009): {registered} is this guest's"));
    let mut reply = Reply::start(asker, message, ADDR_REG_REPLY, out)?;
    // Identical to the one received, lifetimes included (RFC 9686 §4.3; REG-011).
    reply.option(code::IAADDR, address)?;
    reply.seal(AnswerKind::AddressRegistrationReply)
}
