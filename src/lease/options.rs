//! The block of DHCPv6 options that a port is entitled to, encoded once at compile time.
//!
//! A block is a run of entries in ascending order of code. An entry is
//!
//! ```text
//!   1  OPTION_* flags
//!   1  where in the source it was written (Origin)
//!   -  only with OPTION_CONDITIONAL, the condition:
//!        1       number of architectures, n
//!        2 × n   architectures, 16 bits each (RFC 5970 §3.3)
//!        2       octets of the user class, u
//!        u       user class
//!        2       octets of the vendor class, v
//!        v       vendor class
//!   4+ the option exactly as it goes on the wire: code, length, value (RFC 9915 §21.1)
//! ```
//!
//! Numbers are in network order. Answering copies the option; nothing is encoded per frame.
//!
//! **Which entries of one code are sent.** Those with a condition come first, the most specific first: with a user
//! class before without, a longer vendor class before a shorter one, with architectures before without, then the order
//! of the source. The first whose condition holds is the answer for this code, alone. Only when none holds, all
//! entries of the code without a condition are sent. An entry with [`OPTION_ABSENT`] is an answer like any other, and
//! what it says is that the option is left out. Whether an entry may be sent at all (asked for, in this message) is
//! decided by its other flags.

use crate::wire::dhcp6::code;

/// Sent even if the client's Option Request does not name it (boot file URL for iPXE, captive portal).
pub const OPTION_UNASKED: u8 = 1;
/// Only in a Reply to Information-request: Information Refresh Time (RFC 9915 §21.23).
pub const OPTION_INFORM_ONLY: u8 = 2;
/// Only in a Reply: INF_MAX_RT (RFC 9915 §21.25).
pub const OPTION_REPLY_ONLY: u8 = 4;
/// The entry has a [`Condition`]: boot files by architecture and class (RFC 5970 §3).
pub const OPTION_CONDITIONAL: u8 = 8;
/// The entry says that the option is left out; its value is empty.
pub const OPTION_ABSENT: u8 = 16;

/// Where in the lease source an option was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// Built in: the source says nothing and the default stands.
    Default = 0,
    /// A field of the network.
    Network = 1,
    /// A field of the port.
    Port = 2,
}

/// One option of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// `OPTION_*` bits.
    pub flags: u8,
    /// Where it was written.
    pub origin: Origin,
    /// Option code.
    pub code: u16,
    /// For which clients it is, encoded; empty for all.
    encoded_condition: &'b [u8],
    /// Code, length and value as they go on the wire.
    pub wire: &'b [u8],
}

/// For which clients an option is: those that meet all three parts. An empty part is met by everybody, also by a client
/// that says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'b> {
    /// 16 bits each, in network order: one of them is in the client's Client System Architecture Type (61).
    pub architectures: &'b [u8],
    /// Equal to one of the instances in the client's User Class (15).
    pub user_class: &'b [u8],
    /// The beginning of one of the instances in one of the client's Vendor Classes (16), whatever its enterprise.
    pub vendor_class: &'b [u8],
}

impl<'b> Entry<'b> {
    /// For which clients it is; `None` for all.
    #[must_use]
    #[inline]
    pub fn condition(self) -> Option<Condition<'b>> {
        if self.is_conditional() { Condition::decode(self.encoded_condition) } else { None }
    }

    /// True when it is not for all clients.
    #[must_use]
    #[inline]
    pub const fn is_conditional(self) -> bool {
        self.flags & OPTION_CONDITIONAL != 0
    }
}

impl<'b> Condition<'b> {
    #[cold]
    fn decode(mut octets: &'b [u8]) -> Option<Self> {
        Self::take(&mut octets)
    }

    /// An encoded condition, and what is behind it.
    #[cold]
    fn split(octets: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let mut rest = octets;
        Self::take(&mut rest)?;
        octets.split_at_checked(octets.len().checked_sub(rest.len())?)
    }

    /// Takes a condition from the front of `rest`.
    fn take(rest: &mut &'b [u8]) -> Option<Self> {
        let (count, tail) = rest.split_first()?;
        let (architectures, tail) = tail.split_at_checked(usize::from(*count).saturating_mul(2))?;
        let (user_class, tail) = counted(tail)?;
        let (vendor_class, tail) = counted(tail)?;
        *rest = tail;
        Some(Self { architectures, user_class, vendor_class })
    }
}

/// As many octets as the 16 bits in front say, and what is behind them.
fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, tail) = octets.split_first_chunk::<2>()?;
    tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The entries of a block. Ends at the first octet that is not an entry; `verify` proves that there is none.
#[must_use]
pub fn entries(block: &[u8]) -> Entries<'_> {
    Entries { rest: block }
}

/// The entries of a block, one after the other.
#[derive(Clone, Debug)]
pub struct Entries<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Entries<'b> {
    type Item = Entry<'b>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'b>> {
        let (&[flags, origin], mut rest) = self.rest.split_first_chunk::<2>()?;
        let mut encoded_condition = &[][..];
        if flags & OPTION_CONDITIONAL != 0 {
            (encoded_condition, rest) = Condition::split(rest)?;
        }
        let [c0, c1, l0, l1] = *rest.first_chunk::<4>()?;
        let (wire, tail) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])).wrapping_add(4))?;
        self.rest = tail;
        let origin = match origin {
            1 => Origin::Network,
            2 => Origin::Port,
            _ => Origin::Default,
        };
        Some(Entry { flags, origin, code: u16::from_be_bytes([c0, c1]), encoded_condition, wire })
    }
}

/// The field of the lease source that an option comes from.
#[must_use]
pub fn field(code: u16) -> &'static str {
    match code {
        code::VENDOR_CLASS => "boot_files",
        code::ADDR_REG_ENABLE => "address_registration",
        _ => super::source::field_of(code).unwrap_or("options"),
    }
}

/// True when a block is a whole number of entries in ascending order of code, those of one code with a condition
/// before those without, and those that stand for nothing empty.
#[must_use]
pub fn verify(block: &[u8]) -> bool {
    let mut last = (0, false);
    let mut entries = entries(block);
    for entry in entries.by_ref() {
        let key = (entry.code, !entry.is_conditional());
        let known =
            OPTION_UNASKED | OPTION_INFORM_ONLY | OPTION_REPLY_ONLY | OPTION_CONDITIONAL | OPTION_ABSENT;
        let absent = entry.flags & OPTION_ABSENT != 0;
        if key < last || entry.flags & !known != 0 || absent && entry.wire.len() != 4 {
            return false;
        }
        last = key;
    }
    entries.rest.is_empty()
}
