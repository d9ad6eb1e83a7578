//! Confirm → Reply (RFC 9915 §18.3.3): are the client's addresses still right for this link?

use super::super::guard::Asker;
use super::super::{AnswerKind, Outcome, Reason, Trace};
use super::reply::Reply;
use crate::wire::dhcp6::{ClientMessage, IaKind, MessageType, status};

pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    message: &ClientMessage<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    // IA_PD is not used with Confirm (RFC 9915 §18.2.3; DHCP-086), so only addresses count.
    let mut addresses = message.ias().filter(|ia| ia.kind == IaKind::Na).flat_map(|ia| ia.hints()).peekable();
    if addresses.peek().is_none() {
        return Err(Reason::NothingToSay);
    }
    // "Appropriate" includes the server's policy (RFC 9915 §4.2; DHCP-087): an address that is not this port's is not
    // right for it even when its prefix is, and the guest rediscovers at once instead of using a stale one.
    let all_ours = addresses.all(|hint| asker.port.addresses().contains(&hint.address.octets()));
    let (code, text) = if all_ours {
        (status::SUCCESS, "all addresses are this port's")
    } else {
        (status::NOT_ON_LINK, "an address is not this port's")
    };
    trace.note(|| format!("RFC 9915 §18.3.3 (DHCP-083): status {code}, {text}"));
    let mut reply = Reply::start(asker, message, MessageType::REPLY, out)?;
    reply.status(code, text)?;
    reply.seal(AnswerKind::ReplyToConfirm)
}
