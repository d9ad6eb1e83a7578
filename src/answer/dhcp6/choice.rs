//! Which options of a port a client gets: those it asks for, those it needs unasked, and of several for different
//! clients the one that is for it (RFC 9915 §21.7, RFC 5970 §3).

use crate::lease::options::{
    self, Condition, Entry, OPTION_ABSENT, OPTION_INFORM_ONLY, OPTION_REPLY_ONLY, OPTION_UNASKED,
};
use crate::wire::Reader;
use crate::wire::dhcp6::{ClientMessage, MessageType, code};

/// The entries of a block for this client in an answer with message type `number`, by ascending code.
///
/// Of the entries of one code the first whose condition holds is sent alone; when none holds, all without a condition.
pub(super) fn chosen<'b>(
    block: &'b [u8],
    message: &ClientMessage<'_>,
    number: u8,
) -> impl Iterator<Item = Entry<'b>> {
    let mut decided = None;
    options::entries(block).filter(move |entry| {
        if decided == Some(entry.code) {
            return false;
        }
        if let Some(condition) = entry.condition {
            if !is_met(&condition, message) {
                return false;
            }
            decided = Some(entry.code);
        }
        let inform = message.kind == MessageType::InformationRequest;
        let asked = entry.flags & OPTION_UNASKED != 0 || message.requested.has(entry.code);
        let here = (entry.flags & OPTION_INFORM_ONLY == 0 || inform)
            && (entry.flags & OPTION_REPLY_ONLY == 0 || number == MessageType::REPLY);
        asked && here && entry.flags & OPTION_ABSENT == 0
    })
}

fn is_met(condition: &Condition<'_>, message: &ClientMessage<'_>) -> bool {
    let (wanted, _) = condition.architectures.as_chunks::<2>();
    let has_architecture = |value: &[u8]| value.as_chunks::<2>().0.iter().any(|one| wanted.contains(one));
    let has_user_class = |value| instances(value).any(|class| class == condition.user_class);
    let has_vendor_class = |value: &[u8]| {
        let classes = value.get(4..).unwrap_or(&[]);
        instances(classes).any(|class| class.starts_with(condition.vendor_class))
    };
    (wanted.is_empty() || message.values(code::CLIENT_ARCH_TYPE).any(has_architecture))
        && (condition.user_class.is_empty() || message.values(code::USER_CLASS).any(has_user_class))
        && (condition.vendor_class.is_empty() || message.values(code::VENDOR_CLASS).any(has_vendor_class))
}

/// The instances of a User Class or Vendor Class, each behind a 16-bit length (RFC 9915 §21.15, §21.16); ends at the
/// first that crosses the end.
fn instances(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut reader = Reader::new(value);
    std::iter::from_fn(move || {
        let length = reader.u16().ok()?;
        reader.take(usize::from(length)).ok()
    })
}
