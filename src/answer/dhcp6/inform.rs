//! Information-request → Reply (RFC 9915 §18.3.6): options without addresses, in every mode (DHCP-124).

use super::super::guard::Asker;
use super::super::{AnswerKind, Outcome, Reason, Trace};
use super::reply::Reply;
use crate::wire::dhcp6::{ClientMessage, MessageType};

pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    message: &ClientMessage<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    // RFC 9915 §16.12 (DHCP-117): with any IA option, the obsolete IA_TA included, it is discarded.
    if message.ia_count() > 0 || message.has_ia_ta {
        return Err(Reason::UnexpectedIa);
    }
    let mut reply = Reply::start(asker, message, MessageType::REPLY, out)?;
    reply.options(asker, message, trace);
    reply.seal(AnswerKind::ReplyToInformationRequest)
}
