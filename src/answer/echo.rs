//! Echo request → echo reply for our own addresses (RFC 4443 §4.2).

use super::guard::Asker;
use super::{AnswerKind, Outcome, Reason, Trace};
use crate::types::limits::MAX_ECHO_DATA;
use crate::wire::Reader;
use crate::wire::envelope::Layer;
use crate::wire::ndp::ECHO_REPLY;

pub(super) fn answer<T: Trace>(asker: &Asker<'_, '_>, out: &mut [u8], trace: &mut T) -> Outcome {
    let frame = asker.frame;
    if !asker.is_ours(frame.destination) {
        return Err(Reason::NotOurAddress);
    }
    if !asker.is_its_address() {
        return Err(Reason::BadSource);
    }
    let mut reader = Reader::new(frame.message);
    let [_, code, _, _] = reader.array().map_err(|_| Reason::BadIcmp)?;
    let identifier_and_sequence = reader.array::<4>().map_err(|_| Reason::BadIcmp)?;
    if code != 0 {
        return Err(Reason::BadIcmp);
    }
    let data = reader.rest();
    if data.len() > MAX_ECHO_DATA {
        return Err(Reason::EchoTooLong);
    }
    trace.note(|| format!("RFC 4443 §4.2 (IP-021): {} octets back from {}", data.len(), frame.destination));
    let mut open = asker.open(out, frame.destination, frame.source, Layer::Icmp6)?;
    let message = open.message();
    message.put(&[ECHO_REPLY, 0, 0, 0])?;
    message.put(&identifier_and_sequence)?;
    message.put(data)?;
    Ok((AnswerKind::EchoReply, open.seal()?))
}
