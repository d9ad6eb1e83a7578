//! A message from a client: one pass over its options that keeps what servers act on (RFC 9915 §8, §16).

use super::ia::{Ia, IaKind};
use super::option::{self, Broken, code, options};
use crate::types::limits::{MAX_DHCP_OPTIONS, MAX_IAS};
use crate::wire::reader::{Reader, Short};

/// Message types (RFC 9915 §7.3, RFC 9686); others keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// 1, from a client.
    Solicit,
    /// 2, from a server.
    Advertise,
    /// 3, from a client.
    Request,
    /// 4, from a client.
    Confirm,
    /// 5, from a client.
    Renew,
    /// 6, from a client.
    Rebind,
    /// 7, from a server.
    Reply,
    /// 8, from a client.
    Release,
    /// 9, from a client.
    Decline,
    /// 10, from a server.
    Reconfigure,
    /// 11, from a client.
    InformationRequest,
    /// 12, from a relay agent.
    RelayForward,
    /// 13, from a server to a relay agent.
    RelayReply,
    /// 36, from a client (RFC 9686 §4.2).
    AddressRegistration,
    /// Any other.
    Unknown(u8),
}

impl From<u8> for MessageType {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Solicit,
            2 => Self::Advertise,
            3 => Self::Request,
            4 => Self::Confirm,
            5 => Self::Renew,
            6 => Self::Rebind,
            7 => Self::Reply,
            8 => Self::Release,
            9 => Self::Decline,
            10 => Self::Reconfigure,
            11 => Self::InformationRequest,
            12 => Self::RelayForward,
            13 => Self::RelayReply,
            36 => Self::AddressRegistration,
            other => Self::Unknown(other),
        }
    }
}

impl Default for MessageType {
    /// No type: 0 is reserved.
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl MessageType {
    /// Number of an Advertise, for writing one.
    pub const ADVERTISE: u8 = 2;
    /// Number of a Reply, for writing one.
    pub const REPLY: u8 = 7;
}

/// The codes that an Option Request names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requested<'a> {
    low: [u64; 4],
    raw: &'a [u8],
}

impl<'a> Requested<'a> {
    /// Fills in an empty one.
    fn read(&mut self, raw: &'a [u8]) {
        let (pairs, rest) = raw.as_chunks::<2>();
        if !rest.is_empty() {
            // An odd length is illegal; the option is ignored (DHCP-016).
            return;
        }
        self.raw = raw;
        // In four registers: added to memory, each code would wait for the one before it.
        let [mut first, mut second, mut third, mut fourth] = [0_u64; 4];
        for [high, octet] in pairs {
            let bit = 1_u64 << (octet & 63);
            match (high, octet >> 6) {
                (0, 0) => first |= bit,
                (0, 1) => second |= bit,
                (0, 2) => third |= bit,
                (0, _) => fourth |= bit,
                _ => {}
            }
        }
        self.low = [first, second, third, fourth];
    }

    /// True when the client asks for this option.
    #[must_use]
    #[inline]
    pub fn has(&self, code: u16) -> bool {
        let [high, octet] = code.to_be_bytes();
        if high == 0 {
            self.low.get(usize::from(octet >> 6)).is_some_and(|word| word >> (octet & 63) & 1 == 1)
        } else {
            self.raw.as_chunks::<2>().0.contains(&code.to_be_bytes())
        }
    }
}

/// Identity associations that are kept while a message is read: one of each kind.
const FIRST_IAS: usize = 2;

/// What a server acts on in a client's message. Unknown options are absent (DHCP-019).
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientMessage<'a> {
    /// Its type.
    pub kind: MessageType,
    /// Transaction id, copied into the answer.
    pub transaction: [u8; 3],
    /// Client Identifier.
    pub client_id: Option<&'a [u8]>,
    /// Server Identifier.
    pub server_id: Option<&'a [u8]>,
    /// Option Request.
    pub requested: Requested<'a>,
    /// A Rapid Commit option of legal length is there.
    pub rapid_commit: bool,
    /// Flags of the Client FQDN option, if it is there (RFC 4704 §4.1).
    pub fqdn_flags: Option<u8>,
    /// Number of IA_NA options; with those of IA_PD not above [`MAX_IAS`].
    pub ia_na_count: usize,
    /// Number of IA_PD options.
    pub ia_pd_count: usize,
    /// An obsolete IA_TA is there (RFC 9915 §21.5).
    pub has_ia_ta: bool,
    /// An Option Request is there, whatever it asks for.
    pub has_oro: bool,
    /// The first IA Address outside any IA, 24 octets or more, and how many there are (RFC 9686 §4.2).
    pub registered: Option<(&'a [u8], usize)>,
    options: &'a [u8],
    /// The first identity associations: all of most clients'.
    first_ias: [Option<Ia<'a>>; FIRST_IAS],
    /// The options from the next identity association on.
    more_ias: &'a [u8],
}

/// Why a client's message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Shorter than its header, or an option that crosses the end of what holds it.
    Malformed,
    /// Two Client Identifiers.
    TwoClientIds,
    /// Two Server Identifiers.
    TwoServerIds,
    /// More than [`MAX_IAS`] identity associations.
    TooManyIas,
}

impl From<Short> for Unreadable {
    fn from(_: Short) -> Self {
        Self::Malformed
    }
}

impl From<Broken> for Unreadable {
    fn from(_: Broken) -> Self {
        Self::Malformed
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads a message from its type octet on.
    ///
    /// # Errors
    /// [`Unreadable`]; half a message is never accepted.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Unreadable> {
        let mut message = Self::default();
        message.read(octets)?;
        Ok(message)
    }

    /// [`parse`](Self::parse) into an empty message.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); the message is then worthless.
    pub fn read(&mut self, octets: &'a [u8]) -> Result<(), Unreadable> {
        let mut reader = Reader::new(octets);
        let [kind, x0, x1, x2] = reader.array::<4>()?;
        self.kind = kind.into();
        self.transaction = [x0, x1, x2];
        self.options = reader.rest();
        let mut seen = 0_usize;
        while !reader.is_empty() {
            let from_here = reader.rest();
            let option = option::take(&mut reader)?;
            seen = seen.saturating_add(1);
            if seen > MAX_DHCP_OPTIONS {
                return Err(Unreadable::Malformed);
            }
            match option.code {
                code::CLIENT_ID if self.client_id.replace(option.value).is_some() => {
                    return Err(Unreadable::TwoClientIds);
                }
                code::SERVER_ID if self.server_id.replace(option.value).is_some() => {
                    return Err(Unreadable::TwoServerIds);
                }
                code::ORO if !self.has_oro => {
                    self.has_oro = true;
                    self.requested.read(option.value);
                }
                code::RAPID_COMMIT => self.rapid_commit |= option.value.is_empty(),
                code::CLIENT_FQDN if self.fqdn_flags.is_none() => {
                    self.fqdn_flags = option.value.first().copied();
                }
                code::IA_TA => self.has_ia_ta = true,
                code::IAADDR if option.value.len() < 24 => return Err(Unreadable::Malformed),
                code::IAADDR => {
                    let (first, count) = self.registered.unwrap_or((option.value, 0));
                    self.registered = Some((first, count.saturating_add(1)));
                }
                code::IA_NA | code::IA_PD => {
                    let ia = Ia::parse(option)?;
                    let before = self.ia_count();
                    if let Some(place) = self.first_ias.get_mut(before) {
                        *place = ia;
                    } else if self.more_ias.is_empty() {
                        self.more_ias = from_here;
                    }
                    let count = if option.code == code::IA_NA {
                        &mut self.ia_na_count
                    } else {
                        &mut self.ia_pd_count
                    };
                    *count = count.saturating_add(1);
                }
                _ => {}
            }
        }
        if self.ia_count() > MAX_IAS { Err(Unreadable::TooManyIas) } else { Ok(()) }
    }

    /// Number of IA_NA and IA_PD options; not above [`MAX_IAS`].
    #[must_use]
    #[inline]
    pub const fn ia_count(&self) -> usize {
        self.ia_na_count.saturating_add(self.ia_pd_count)
    }

    /// True when there is more than one identity association of this kind.
    #[must_use]
    #[inline]
    pub const fn has_several(&self, kind: IaKind) -> bool {
        match kind {
            IaKind::Na => self.ia_na_count > 1,
            IaKind::Pd => self.ia_pd_count > 1,
        }
    }

    /// The values of the options with this code, in the order of the message.
    pub fn values(&self, code: u16) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        options(self.options).filter_map(Result::ok).filter(move |o| o.code == code).map(|o| o.value)
    }

    /// Its identity associations in the order of the message.
    #[inline]
    pub fn ias(&self) -> Ias<'_, 'a> {
        Ias { first: self.first_ias.iter(), more: Reader::new(self.more_ias) }
    }

    /// Shows the identity associations in the order of the message, where they were written: one that is moved right after
    /// it was read waits for that.
    ///
    /// # Errors
    /// The first that `each` returns.
    #[inline(always)]
    pub fn try_for_each_ia<E>(&self, mut each: impl FnMut(&Ia<'a>) -> Result<(), E>) -> Result<(), E> {
        for ia in self.first_ias.iter().flatten() {
            each(ia)?;
        }
        let mut more = Ias { first: [].iter(), more: Reader::new(self.more_ias) };
        more.try_for_each(|ia| each(&ia))
    }
}

/// The identity associations of a message.
#[derive(Clone, Debug)]
pub struct Ias<'m, 'a> {
    first: std::slice::Iter<'m, Option<Ia<'a>>>,
    more: Reader<'a>,
}

impl<'a> Iterator for Ias<'_, 'a> {
    type Item = Ia<'a>;

    #[inline]
    fn next(&mut self) -> Option<Ia<'a>> {
        match self.first.next() {
            Some(ia) => *ia,
            None if self.more.is_empty() => None,
            None => self.next_of_more(),
        }
    }
}

impl<'a> Ias<'_, 'a> {
    #[cold]
    fn next_of_more(&mut self) -> Option<Ia<'a>> {
        while let Ok(option) = option::take(&mut self.more) {
            if let Some(ia) = Ia::peek(option) {
                return Some(ia);
            }
        }
        None
    }
}
