//! Which options of a port a client gets: those it asks for, those it needs unasked, and of several for different
//! clients the one that is for it (RFC 9915 §21.7, RFC 5970 §3).

use crate::lease::options::{
    Condition, Entry, OPTION_ABSENT, OPTION_INFORM_ONLY, OPTION_REPLY_ONLY, OPTION_UNASKED,
};
use crate::wire::Reader;
use crate::wire::dhcp6::{ClientMessage, MessageType, code};

/// Goes through the entries of a block, by ascending code, and says which ones a client gets in an answer with message
/// type `number`.
///
/// Of the entries of one code the first whose condition holds is sent alone; when none holds, all without a condition.
pub(super) struct Choice<'m, 'f> {
    message: &'m ClientMessage<'f>,
    /// `OPTION_*` bits that keep an entry out of this answer.
    refused: u8,
    /// The code of which one entry was found whose condition holds.
    decided: Option<u16>,
}

impl<'m, 'f> Choice<'m, 'f> {
    pub(super) fn new(message: &'m ClientMessage<'f>, number: u8) -> Self {
        let inform = if message.kind == MessageType::InformationRequest { 0 } else { OPTION_INFORM_ONLY };
        let reply = if number == MessageType::REPLY { 0 } else { OPTION_REPLY_ONLY };
        Self { message, refused: OPTION_ABSENT | inform | reply, decided: None }
    }

    /// True when the client gets the next entry.
    #[inline]
    pub(super) fn takes(&mut self, entry: Entry<'_>) -> bool {
        if (entry.is_conditional() || self.decided.is_some()) && !self.is_for(entry.code, entry.condition()) {
            return false;
        }
        let asked = entry.flags & OPTION_UNASKED != 0 || self.message.requested.has(entry.code);
        asked && entry.flags & self.refused == 0
    }

    /// True when the entry is the one of its code for this client, or one of those for all.
    #[cold]
    fn is_for(&mut self, code: u16, condition: Option<Condition<'_>>) -> bool {
        if self.decided == Some(code) {
            return false;
        }
        let Some(condition) = condition else { return true };
        let met = is_met(condition, self.message);
        if met {
            self.decided = Some(code);
        }
        met
    }
}

#[cold]
fn is_met(condition: Condition<'_>, message: &ClientMessage<'_>) -> bool {
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
