//! Solicit, Request, Renew and Rebind (RFC 9915 §18.3.1, §18.3.2, §18.3.4, §18.3.5): one resolver for addresses and
//! prefixes, one answer for every identity association; none is ever left out (DHCP-066, DHCP-097).
//!
//! How a port's leases are spread over several IAs of one kind is a pure function of the message, and stable under
//! reordering (DHCP-143): a lease that IAs list stays with the lowest IAID among them; all others go to the lowest IAID
//! of that kind. Of two IAs with one IAID the first counts (DHCP-141).

use std::cell::Cell;
use std::convert::Infallible;
use std::net::Ipv6Addr;

use zerocopy::network_endian::U32;
use zerocopy::{Immutable, IntoBytes, Unaligned};

use super::super::guard::Asker;
use super::super::{AnswerKind, Outcome, Reason, Silent, Trace};
use super::reply::{Reply, put_ia, put_status};
use crate::lease::record::{NETWORK_RAPID_COMMIT, PrefixRecord};
use crate::types::limits::{MAX_PORT_ADDRESSES, MAX_PORT_PREFIXES};
use crate::wire::dhcp6::{ClientMessage, Hint, Ia, IaKind, MessageType, code, status};
use crate::wire::{Full, Writer};

/// Identity associations in one message up to which a refusal says why in words: 32 refusals with words would pass the
/// smallest MTU.
const MAX_IAS_WITH_TEXT: usize = 8;

pub(super) fn answer<T: Trace>(
    asker: &Asker<'_, '_>,
    message: &ClientMessage<'_>,
    out: &mut [u8],
    trace: &mut T,
) -> Outcome {
    let plan = Plan::new(asker, message);
    if message.has_several(IaKind::Na) || message.has_several(IaKind::Pd) {
        return among_several(plan, out, trace);
    }
    plan.answer(out, trace)
}

#[cold]
fn among_several<T: Trace>(plan: Plan<'_, '_>, out: &mut [u8], trace: &mut T) -> Outcome {
    let listed = Listed::new(&plan);
    Plan { listed: Some(&listed), ..plan }.answer(out, trace)
}

/// What each identity association of one message gets.
struct Plan<'t, 'm> {
    asker: &'m Asker<'t, 'm>,
    message: &'m ClientMessage<'m>,
    addresses: Owners,
    prefixes: Owners,
    /// `None` where there is at most one identity association of each kind: it gets all leases of that kind.
    listed: Option<&'m Listed>,
    rapid_commit: bool,
    /// Any lease is given.
    gives: bool,
    /// T1 and T2 of every IA, in seconds: the network's when it gives any lease (DHCP-125, DHCP-130).
    times: (u32, u32),
    /// Octets that withdrawn leases may take.
    room_for_withdrawn: Cell<usize>,
}

/// Which of a port's leases of one kind are given to identity associations.
#[derive(Clone, Copy)]
struct Owners {
    /// A bit for each lease that is given; the lowest one for the first.
    given: u32,
    /// The lowest IAID among the associations that may get them.
    lowest: u32,
}

/// Each lease has a bit.
const _: () = assert!(MAX_PORT_ADDRESSES <= 32 && MAX_PORT_PREFIXES <= 32);

/// The lowest IAID among those that list a lease, by lease; the others go to the lowest IAID of all.
struct Listed {
    addresses: [Option<u32>; MAX_PORT_ADDRESSES],
    prefixes: [Option<u32>; MAX_PORT_PREFIXES],
}

/// The value of an IA Address without options (RFC 9915 §21.6).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct IaAddress {
    address: [u8; 16],
    preferred_lifetime: U32,
    valid_lifetime: U32,
}

/// The value of an IA Prefix without options (RFC 9915 §21.22).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct IaPrefix {
    preferred_lifetime: U32,
    valid_lifetime: U32,
    prefix_length: u8,
    prefix: [u8; 16],
}

impl<'t, 'm> Plan<'t, 'm> {
    // Not a call: what it returns is large, and a copy waits for what was just stored.
    #[inline(always)]
    fn new(asker: &'m Asker<'t, 'm>, message: &'m ClientMessage<'m>) -> Self {
        let allowed = asker.network.has(NETWORK_RAPID_COMMIT) && message.rapid_commit;
        let rapid_commit = message.kind == MessageType::Solicit
            && allowed
            // A Reply would have to refuse a hint of another link (DHCP-080); an Advertise just offers the right one.
            && !message.ias().any(|ia| names_other_link(asker, &ia));
        let nobody = Owners { given: 0, lowest: u32::MAX };
        let (mut addresses, mut prefixes) = (nobody, nobody);
        let Ok(()) = message.try_for_each_ia(|ia| -> Result<(), Infallible> {
            match ia.kind {
                IaKind::Na if is_of_other_link(asker, message, ia) => {}
                IaKind::Na => addresses.offer(ia.iaid, asker.port.addresses().len()),
                IaKind::Pd => prefixes.offer(ia.iaid, asker.port.prefixes().len()),
            }
            Ok(())
        });
        // A prefix with a part excluded is only for a client that knows of it (RFC 6603 §5; PD-021).
        if prefixes.given != 0 && !message.requested.has(code::PD_EXCLUDE) {
            let excludes = |bits, prefix: &PrefixRecord| bits << 1 | u32::from(prefix.exclude_length != 0);
            prefixes.given &= !asker.port.prefixes().iter().rev().fold(0, excludes);
        }
        let room_for_withdrawn = Cell::new(0);
        let record = asker.network.record();
        let gives = addresses.given | prefixes.given != 0;
        let times = if gives { (record.renew_time.get(), record.rebind_time.get()) } else { (0, 0) };
        Self {
            asker,
            message,
            addresses,
            prefixes,
            listed: None,
            rapid_commit,
            gives,
            times,
            room_for_withdrawn,
        }
    }

    fn answer<T: Trace>(&self, out: &mut [u8], trace: &mut T) -> Outcome {
        if self.message.kind == MessageType::Rebind && !self.has_anything_to_say() {
            return Err(Reason::NothingToSay);
        }
        if self.withdraws() {
            // Withdrawn leases take only the room that leases, statuses and options leave (DHCP-055, DHCP-097).
            let (_, length) = self.write(out, &mut Silent)?;
            self.room_for_withdrawn.set(self.asker.room(out.len()).saturating_sub(length));
        }
        self.write(out, trace)
    }

    /// Which of the port's leases of its kind an association gets: a bit for each, the lowest one for the first.
    #[inline]
    fn leases_of(&self, ia: &Ia<'_>) -> u32 {
        let owners = match ia.kind {
            IaKind::Na => self.addresses,
            IaKind::Pd => self.prefixes,
        };
        match self.listed {
            None if owners.lowest == ia.iaid => owners.given,
            None => 0,
            Some(listed) => owners.given & listed.leases_of(ia, owners.lowest),
        }
    }

    /// Writes the whole answer.
    fn write<T: Trace>(&self, out: &mut [u8], trace: &mut T) -> Outcome {
        let (asker, message) = (self.asker, self.message);
        let mut reply = Reply::start(asker, message, self.number(), out)?;
        let kind = match message.kind {
            MessageType::Solicit if self.rapid_commit => {
                trace.note(|| {
                    "RFC 9915 §18.3.1 (DHCP-058): Rapid Commit asked for and allowed, so a Reply".into()
                });
                reply.option(code::RAPID_COMMIT, &[])?;
                AnswerKind::ReplyToSolicit
            }
            MessageType::Solicit => {
                // 255 ends the client's wait for other servers (RFC 9915 §18.2.1; DHCP-068).
                let preference = asker.network.record().preference;
                trace.note(|| {
                    format!("option 7: {preference} from networks.{}.preference", asker.network.name())
                });
                reply.option(code::PREFERENCE, &[preference])?;
                AnswerKind::Advertise
            }
            MessageType::Renew => AnswerKind::ReplyToRenew,
            MessageType::Rebind => AnswerKind::ReplyToRebind,
            _ => AnswerKind::ReplyToRequest,
        };
        let mut position = 0_usize;
        message.try_for_each_ia(|ia| {
            self.put(ia, position, reply.out(), trace)?;
            position = position.saturating_add(1);
            Ok::<_, Full>(())
        })?;
        reply.options(asker, message, trace);
        reply.seal(kind)
    }

    /// True when a lease that the client lists is to be taken from it.
    #[inline]
    fn withdraws(&self) -> bool {
        matches!(self.message.kind, MessageType::Renew | MessageType::Rebind) && self.lists_withdrawn()
    }

    fn lists_withdrawn(&self) -> bool {
        self.message.ias().any(|ia| ia.hints().any(|hint| self.is_withdrawn(ia.kind, hint)))
    }

    fn number(&self) -> u8 {
        if self.message.kind == MessageType::Solicit && !self.rapid_commit {
            MessageType::ADVERTISE
        } else {
            MessageType::REPLY
        }
    }

    /// RFC 9915 §18.3.5: a Rebind that would only be told "nothing" is not answered (DHCP-102).
    fn has_anything_to_say(&self) -> bool {
        self.gives || self.withdraws()
    }

    /// True for a lease that the client lists and must stop using, so that it is returned with lifetimes of zero:
    /// leaving it out would keep it alive (DHCP-093).
    fn is_withdrawn(&self, kind: IaKind, hint: Hint) -> bool {
        if position(self.asker)(kind, hint).is_some() {
            return false;
        }
        match self.message.kind {
            // Whatever is listed and is not the port's (RFC 9915 §18.3.4; DHCP-090 to DHCP-092).
            MessageType::Renew => true,
            // Stricter: only what is not of this link (RFC 9915 §18.3.5; DHCP-100, DHCP-101, DHCP-103).
            MessageType::Rebind => kind == IaKind::Pd || !self.asker.network.is_on_link(hint.address),
            _ => false,
        }
    }

    fn put<T: Trace>(
        &self,
        ia: &Ia<'_>,
        position: usize,
        out: &mut Writer<'_>,
        trace: &mut T,
    ) -> Result<(), Full> {
        let (t1, t2) = self.times;
        put_ia(out, ia, self.times, |out| {
            let refused = self.is_repeated(ia, position) || self.is_of_other_link(ia);
            let given = if refused { 0 } else { self.put_leases(ia, out)? };
            let withdrawn = if self.room_for_withdrawn.get() > 0 { self.put_withdrawn(ia, out) } else { 0 };
            trace.note(|| {
                let (port, network) = (self.asker.port.id().0, self.asker.network.name());
                let field = match ia.kind {
                    IaKind::Na => "fixed_ips",
                    IaKind::Pd => "delegated_prefixes",
                };
                let (kind, iaid, given) = (ia.kind.code(), ia.iaid, given.count_ones());
                format!(
                    "option {kind}, IAID {iaid}: {given} leases from ports[{port}].{field}, {withdrawn} withdrawn; \
                     T1 {t1} s and T2 {t2} s from networks.{network}.renew_time and rebind_time (by default 0.5 and \
                     0.8 of preferred_lifetime); lifetimes from its preferred_lifetime and valid_lifetime"
                )
            });
            if given == 0 {
                self.put_refusal(ia, out)?;
            }
            Ok(())
        })
    }

    #[inline(always)]
    fn is_repeated(&self, ia: &Ia<'_>, position: usize) -> bool {
        self.message.has_several(ia.kind) && self.is_among_first(ia, position)
    }

    /// True when one of the first `count` identity associations has this one's kind and IAID.
    #[cold]
    fn is_among_first(&self, ia: &Ia<'_>, count: usize) -> bool {
        let is_its = |earlier: Ia<'_>| earlier.kind == ia.kind && earlier.iaid == ia.iaid;
        self.message.ias().take(count).any(is_its)
    }

    /// Writes the leases that an association gets: a bit for each, as [`leases_of`](Self::leases_of).
    fn put_leases(&self, ia: &Ia<'_>, out: &mut Writer<'_>) -> Result<u32, Full> {
        let record = self.asker.network.record();
        let (preferred, valid) = (record.preferred_lifetime.get(), record.valid_lifetime.get());
        let given = self.leases_of(ia);
        match ia.kind {
            IaKind::Na => {
                for address in chosen(self.asker.port.addresses(), given) {
                    let address = Ipv6Addr::from_octets(*address);
                    // As the RA says of its prefix: no new connections from it (RFC 4862 §5.5.4).
                    let preferred = if self.asker.network.is_deprecated(address) { 0 } else { preferred };
                    put_address(out, address, preferred, valid)?;
                }
            }
            IaKind::Pd => {
                for prefix in chosen(self.asker.port.prefixes(), given) {
                    match exclusion(prefix) {
                        None => put_prefix(out, hint(prefix), preferred, valid)?,
                        Some(excluded) => put_prefix_without(out, hint(prefix), preferred, valid, excluded)?,
                    }
                }
            }
        }
        Ok(given)
    }

    /// Lists withdrawn leases as far as the MTU reaches, each once.
    fn put_withdrawn(&self, ia: &Ia<'_>, out: &mut Writer<'_>) -> usize {
        let mut listed = 0_usize;
        for (position, hint) in ia.hints().enumerate() {
            if !self.is_withdrawn(ia.kind, hint) || ia.hints().take(position).any(|earlier| earlier == hint) {
                continue;
            }
            let mark = out.len();
            let written = match ia.kind {
                IaKind::Na => put_address(out, hint.address, 0, 0),
                IaKind::Pd => put_prefix(out, hint, 0, 0),
            };
            let room = self.room_for_withdrawn.get();
            match (written, room.checked_sub(out.len().saturating_sub(mark))) {
                (Ok(()), Some(rest)) => {
                    self.room_for_withdrawn.set(rest);
                    listed = listed.saturating_add(1);
                }
                _ => out.truncate(mark),
            }
        }
        listed
    }

    /// The status inside an IA that gets nothing (RFC 9915 §18.3.9, §18.3.2; DHCP-064, DHCP-065, DHCP-074). NoBinding
    /// is never sent to a guest that we know (DHCP-096, DEV-008): Windows drops its address at once on it.
    fn put_refusal(&self, ia: &Ia<'_>, out: &mut Writer<'_>) -> Result<(), Full> {
        let (code, text) = match ia.kind {
            IaKind::Na if self.is_of_other_link(ia) => {
                (status::NOT_ON_LINK, "an address is not of this link")
            }
            IaKind::Na => (status::NO_ADDRS_AVAIL, "no address for this IA"),
            IaKind::Pd => (status::NO_PREFIX_AVAIL, "no prefix for this IA"),
        };
        // The text is for people; where there are many IAs their room is worth more.
        put_status(out, code, if self.message.ia_count() > MAX_IAS_WITH_TEXT { "" } else { text })
    }

    fn is_of_other_link(&self, ia: &Ia<'_>) -> bool {
        is_of_other_link(self.asker, self.message, ia)
    }
}

impl Owners {
    /// Has an association share in the port's `count` leases.
    fn offer(&mut self, iaid: u32, count: usize) {
        self.given = bit(count).wrapping_sub(1);
        self.lowest = self.lowest.min(iaid);
    }
}

impl Listed {
    fn new(plan: &Plan<'_, '_>) -> Self {
        let mut listed = Self { addresses: [None; _], prefixes: [None; _] };
        let position = position(plan.asker);
        for ia in plan.message.ias().filter(|ia| !plan.is_of_other_link(ia)) {
            for index in ia.hints().filter_map(|hint| position(ia.kind, hint)) {
                let owner = match ia.kind {
                    IaKind::Na => listed.addresses.get_mut(index),
                    IaKind::Pd => listed.prefixes.get_mut(index),
                };
                if let Some(owner) = owner {
                    *owner = Some(owner.map_or(ia.iaid, |least| least.min(ia.iaid)));
                }
            }
        }
        listed
    }

    /// The bits of the leases that an association gets; `lowest` gets those that nobody lists.
    fn leases_of(&self, ia: &Ia<'_>, lowest: u32) -> u32 {
        let owners = match ia.kind {
            IaKind::Na => &self.addresses[..],
            IaKind::Pd => &self.prefixes,
        };
        let is_its = |owner: &Option<u32>| owner.unwrap_or(lowest) == ia.iaid;
        let its = owners.iter().enumerate().filter(|(_, owner)| is_its(owner));
        its.fold(0, |bits, (index, _)| bits | bit(index))
    }
}

/// The leases whose bits are set, the lowest one for the first.
#[inline]
fn chosen<T>(leases: &[T], mut bits: u32) -> impl Iterator<Item = &T> {
    leases.iter().filter(move |_| {
        let is_chosen = bits & 1 != 0;
        bits >>= 1;
        is_chosen
    })
}

/// The bit of a lease; none for one that no port can have.
#[inline]
fn bit(index: usize) -> u32 {
    u32::try_from(index).ok().and_then(|index| 1_u32.checked_shl(index)).unwrap_or(0)
}

/// Where in the port's leases a hint stands, if it is one of them.
fn position(asker: &Asker<'_, '_>) -> impl Fn(IaKind, Hint) -> Option<usize> {
    let port = asker.port;
    move |kind, hint| match kind {
        IaKind::Na => port.addresses().iter().position(|address| *address == hint.address.octets()),
        IaKind::Pd => {
            port.prefixes().iter().position(|p| p.prefix == hint.address.octets() && p.length == hint.length)
        }
    }
}

/// RFC 9915 §18.3.2: a Request is told inside the IA that it names an address whose prefix is not of the client's link
/// (DHCP-074); there is no such thing for a prefix (DHCP-078). An address of the link that is not the port's is no error
/// (DHCP-075).
fn is_of_other_link(asker: &Asker<'_, '_>, message: &ClientMessage<'_>, ia: &Ia<'_>) -> bool {
    message.kind == MessageType::Request && names_other_link(asker, ia)
}

fn names_other_link(asker: &Asker<'_, '_>, ia: &Ia<'_>) -> bool {
    ia.kind == IaKind::Na && ia.hints().any(|hint| !asker.network.is_on_link(hint.address))
}

#[inline]
fn put_address(out: &mut Writer<'_>, address: Ipv6Addr, preferred: u32, valid: u32) -> Result<(), Full> {
    let fields = IaAddress {
        address: address.octets(),
        preferred_lifetime: preferred.into(),
        valid_lifetime: valid.into(),
    };
    out.dhcp_fields(code::IAADDR, fields)
}

#[inline]
fn hint(prefix: &PrefixRecord) -> Hint {
    Hint { address: Ipv6Addr::from_octets(prefix.prefix), length: prefix.length }
}

/// A part of a prefix that is not delegated.
#[derive(Clone, Copy)]
struct Exclusion {
    length: u8,
    /// Its bits behind the delegated length, left-aligned and padded with zeros (RFC 6603 §4.2; PD-019).
    subnet: [u8; 16],
    /// Octets of `subnet` that are sent.
    octets: usize,
}

#[inline]
fn exclusion(prefix: &PrefixRecord) -> Option<Exclusion> {
    let length = prefix.exclude_length;
    let bits = length.checked_sub(prefix.length).filter(|bits| *bits != 0)?;
    let subnet = u128::from_be_bytes(prefix.exclude).checked_shl(u32::from(prefix.length))?;
    Some(Exclusion { length, subnet: subnet.to_be_bytes(), octets: usize::from(bits).div_ceil(8) })
}

#[inline]
fn put_prefix(out: &mut Writer<'_>, prefix: Hint, preferred: u32, valid: u32) -> Result<(), Full> {
    out.dhcp_fields(code::IAPREFIX, IaPrefix::new(prefix, preferred, valid))
}

#[cold]
fn put_prefix_without(
    out: &mut Writer<'_>,
    prefix: Hint,
    preferred: u32,
    valid: u32,
    Exclusion { length, subnet, octets }: Exclusion,
) -> Result<(), Full> {
    out.dhcp_fields_and(code::IAPREFIX, IaPrefix::new(prefix, preferred, valid), |out| {
        out.dhcp_option(code::PD_EXCLUDE, |out| {
            out.u8(length)?;
            out.put(subnet.get(..octets).unwrap_or(&subnet))
        })
    })
}

impl IaPrefix {
    #[inline]
    fn new(Hint { address, length }: Hint, preferred: u32, valid: u32) -> Self {
        Self {
            preferred_lifetime: preferred.into(),
            valid_lifetime: valid.into(),
            prefix_length: length,
            prefix: address.octets(),
        }
    }
}
