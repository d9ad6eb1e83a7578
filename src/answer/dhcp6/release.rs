//! Release and Decline → Reply (RFC 9915 §18.3.7, §18.3.8).
//!
//! Neither changes the table: a lease belongs to its port until the orchestrator says otherwise (DEV-002, DEV-003).

use super::super::guard::Asker;
use super::super::{AnswerKind, Event, Happening, Outcome, Trace};
use super::reply::{Reply, put_ia, put_status};
use crate::wire::dhcp6::{ClientMessage, IaKind, MessageType, status};

pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    message: &ClientMessage<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    let kind = if message.kind == MessageType::Release {
        AnswerKind::ReplyToRelease
    } else {
        AnswerKind::ReplyToDecline
    };
    let mut reply = Reply::start(asker, message, MessageType::REPLY, out)?;
    reply.status(status::SUCCESS, "")?;
    trace.note(|| {
        "RFC 9915 §18.3.7, §18.3.8: Success for the message (DHCP-107, DHCP-113); the table stands".into()
    });
    for ia in message.ias() {
        if message.kind == MessageType::Decline && ia.kind == IaKind::Na {
            // Addresses of others are ignored (DHCP-114).
            for hint in ia.hints().filter(|h| asker.port.addresses().contains(&h.address.octets())) {
                trace.event(|| Event::new(Happening::Declined, hint.address, asker, message));
            }
        }
        let bound = match ia.kind {
            IaKind::Na => !asker.port.addresses().is_empty(),
            IaKind::Pd => !asker.port.prefixes().is_empty(),
        };
        if bound {
            continue;
        }
        // An IA that the port has nothing for: NoBinding inside it and nothing else (DHCP-108).
        trace.note(|| {
            format!("NoBinding in {:?} {}: the port has no such lease (DHCP-108)", ia.kind, ia.iaid)
        });
        put_ia(reply.out(), &ia, (0, 0), |out| put_status(out, status::NO_BINDING, "no lease of this kind"))?;
    }
    reply.seal(kind)
}
