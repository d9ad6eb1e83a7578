//! What every Advertise and Reply has in common: header, identifiers, status, and the options of the port.
//!
//! The order is fixed (OPT-003): Client Identifier, Server Identifier, then Preference, Rapid Commit or Status Code, the
//! identity associations, the rest by ascending code.

use zerocopy::network_endian::U32;
use zerocopy::{Immutable, IntoBytes, Unaligned};

use super::super::guard::Asker;
use super::super::{Outcome, Trace};
use super::choice::Choice;
use crate::answer::AnswerKind;
use crate::lease::options::{self, OPTION_UNASKED, Origin};
use crate::lease::record::NETWORK_REGISTRATION;
use crate::wire::dhcp6::{CLIENT_PORT, ClientMessage, Ia, Opened, RelayChain, SERVER_PORT, code};
use crate::wire::envelope::{Layer, Open};
use crate::wire::frame::Udp;
use crate::wire::{Full, Writer};

/// An answer whose identifiers are written.
pub(super) struct Reply<'b> {
    open: Open<'b>,
    /// The Relay-replies around it, for a relayed client.
    relays: Opened,
    number: u8,
}

impl<'b> Reply<'b> {
    /// Starts an Advertise or a Reply (`number`) to `message`.
    // Not a call: what it returns is large, and a copy waits for what was just stored.
    #[inline(always)]
    pub(super) fn start(
        asker: &Asker<'_, '_>,
        message: &ClientMessage<'_>,
        number: u8,
        out: &'b mut [u8],
    ) -> Result<Self, Full> {
        let (mut open, relays) = match asker.chain {
            None => (direct(asker, out)?, Opened::default()),
            Some(chain) => relayed(asker, chain, out)?,
        };
        let [x0, x1, x2] = message.transaction;
        open.message().put(&[number, x0, x1, x2])?;
        let mut reply = Self { open, relays, number };
        // Echoed to the octet if it was there, never invented (RFC 9915 §18.3; DHCP-049).
        if let Some(duid) = message.client_id {
            reply.option(code::CLIENT_ID, duid)?;
        }
        reply.option(code::SERVER_ID, asker.table.server_duid())?;
        Ok(reply)
    }

    /// Where the next option is written.
    pub(super) fn out(&mut self) -> &mut Writer<'b> {
        self.open.message()
    }

    /// Writes one option.
    pub(super) fn option(&mut self, code: u16, value: &[u8]) -> Result<(), Full> {
        option(self.out(), code, value)
    }

    /// Writes a Status Code of the message itself.
    pub(super) fn status(&mut self, status: u16, text: &str) -> Result<(), Full> {
        put_status(self.out(), status, text)
    }

    /// Writes the port's options that the client asks for or gets unasked. One that would not fit the MTU is left out
    /// whole, the later code first (DHCP-056).
    pub(super) fn options<T: Trace>(
        &mut self,
        asker: &Asker<'_, '_>,
        message: &ClientMessage<'_>,
        trace: &mut T,
    ) {
        let mut computed = Computed::new(asker, message);
        let mut due = computed.first();
        let mut choice = Choice::new(message, self.number);
        let out = self.open.message();
        for entry in options::entries(asker.port.options()) {
            if !choice.takes(entry) {
                continue;
            }
            if entry.code > due {
                computed.put(entry.code, asker, out, trace);
                due = computed.first();
            }
            let fits = out.put(entry.wire).is_ok();
            trace.note(|| {
                let why = if entry.flags & OPTION_UNASKED == 0 { "asked for" } else { "sent unasked" };
                let which = if entry.is_conditional() { ", for this architecture or class" } else { "" };
                let fate = if fits { "" } else { "; left out, it does not fit the MTU" };
                let from = source_of(asker, entry.origin, entry.code);
                format!("option {} from {from}, {why}{which}{fate}", entry.code)
            });
        }
        if due != u16::MAX {
            computed.put(u16::MAX, asker, out, trace);
        }
    }

    /// Seals the answer.
    // Not a call, and nothing is moved: what is moved waits for what was just stored.
    #[inline(always)]
    pub(super) fn seal(&mut self, kind: AnswerKind) -> Outcome {
        self.relays.close(self.open.message())?;
        Ok((kind, self.open.seal()?))
    }
}

/// Options that are not in the port's block: what they say depends on the message.
struct Computed {
    /// The flags of a Client FQDN to be written.
    fqdn: Option<u8>,
    /// Addresses may be registered, and the client asks whether (RFC 9686 §4.1). Never unasked (REG-001, OPT-006).
    registration: bool,
}

impl Computed {
    fn new(asker: &Asker<'_, '_>, message: &ClientMessage<'_>) -> Self {
        let registration =
            asker.network.has(NETWORK_REGISTRATION) && message.requested.has(code::ADDR_REG_ENABLE);
        Self { fqdn: fqdn_flags(asker, message), registration }
    }

    /// The code of the first that is still to be written; `u16::MAX` for none.
    #[inline]
    fn first(&self) -> u16 {
        match (self.fqdn, self.registration) {
            (Some(_), _) => code::CLIENT_FQDN,
            (None, true) => code::ADDR_REG_ENABLE,
            (None, false) => u16::MAX,
        }
    }

    /// Writes those that stand before an option with code `next`. Each may be left out like any other.
    #[cold]
    fn put<T: Trace>(&mut self, next: u16, asker: &Asker<'_, '_>, out: &mut Writer<'_>, trace: &mut T) {
        if next > code::CLIENT_FQDN
            && let Some(flags) = self.fqdn.take()
        {
            put_fqdn(asker, flags, out, trace);
        }
        if next > code::ADDR_REG_ENABLE && std::mem::take(&mut self.registration) {
            put_registration(asker, out, trace);
        }
    }
}

fn put_registration<T: Trace>(asker: &Asker<'_, '_>, out: &mut Writer<'_>, trace: &mut T) {
    let fits = option(out, code::ADDR_REG_ENABLE, &[]).is_ok();
    trace.note(|| {
        let from = source_of(asker, Origin::Network, code::ADDR_REG_ENABLE);
        let fate = if fits { "" } else { "; left out, it does not fit the MTU" };
        format!("option {} from {from}, asked for{fate}", code::ADDR_REG_ENABLE)
    });
}

fn put_fqdn<T: Trace>(asker: &Asker<'_, '_>, flags: u8, out: &mut Writer<'_>, trace: &mut T) {
    let mark = out.len();
    let name = asker.port.hostname();
    let outcome = out.dhcp_option(code::CLIENT_FQDN, |out| {
        out.u8(flags)?;
        out.put(name)
    });
    if outcome.is_err() {
        out.truncate(mark);
    }
    trace.note(|| {
        let from = source_of(asker, Origin::Port, code::CLIENT_FQDN);
        format!("option 39 from {from}: the client sent it and asks for it (RFC 4704 §6, DHCP-159)")
    });
}

/// To port 546 whatever port the client used (RFC 9915 §7.2; DHCP-002), from our link-local address (DHCP-011).
#[inline]
fn direct<'b>(asker: &Asker<'_, '_>, out: &'b mut [u8]) -> Result<Open<'b>, Full> {
    let layer = Layer::Udp { source: SERVER_PORT, destination: CLIENT_PORT };
    asker.open(out, asker.network.router_link_local(), asker.frame.source, layer)
}

/// To the relay that sent it, by unicast (RFC 9915 §18.3.10; RLY-016): to port 547, or to the port it came from where the
/// relay says so (RFC 8357 §5.2; RLY-014).
fn relayed<'b>(
    asker: &Asker<'_, '_>,
    chain: &RelayChain<'_>,
    out: &'b mut [u8],
) -> Result<(Open<'b>, Opened), Full> {
    let sent_from = Udp::parse(asker.frame.message).map_or(SERVER_PORT, |udp| udp.source_port);
    let destination = if chain.wants_source_port() { sent_from } else { SERVER_PORT };
    let mut open = asker.open_to_relay(out, Layer::Udp { source: SERVER_PORT, destination })?;
    let relays = chain.open(open.message())?;
    Ok((open, relays))
}

/// The field of the lease source that an option was written in.
fn source_of(asker: &Asker<'_, '_>, origin: Origin, code: u16) -> String {
    let field = options::field(code);
    match origin {
        Origin::Port => format!("ports[{}].{field}", asker.port.id().0),
        Origin::Network => format!("networks.{}.{field}", asker.network.name()),
        Origin::Default => format!("the default of {field}"),
    }
}

/// The flags of a Client FQDN option for a client that sent one and asks for it (RFC 4704 §6; DHCP-159). We update no
/// DNS: N set, S clear, and O tells a client that wanted S that it was overruled (RFC 4704 §4.1; DHCP-158).
fn fqdn_flags(asker: &Asker<'_, '_>, message: &ClientMessage<'_>) -> Option<u8> {
    let client = message.fqdn_flags?;
    let wanted = message.requested.has(code::CLIENT_FQDN) && !asker.port.hostname().is_empty();
    wanted.then_some(0x04 | (client & 0x01) << 1)
}

/// Writes one option.
pub(super) fn option(out: &mut Writer<'_>, code: u16, value: &[u8]) -> Result<(), Full> {
    out.dhcp_option(code, |out| out.put(value))
}

/// The fixed fields of an IA (RFC 9915 §21.4, §21.21).
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct IaHead {
    iaid: U32,
    renew_time: U32,
    rebind_time: U32,
}

/// Writes the answer to one identity association, with T1 and T2 in seconds and what `body` writes inside.
#[inline]
pub(super) fn put_ia(
    out: &mut Writer<'_>,
    ia: &Ia<'_>,
    (t1, t2): (u32, u32),
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>,
) -> Result<(), Full> {
    let head = IaHead { iaid: ia.iaid.into(), renew_time: t1.into(), rebind_time: t2.into() };
    out.dhcp_fields_and(ia.kind.code(), head, body)
}

/// Writes a Status Code option (RFC 9915 §21.13); the text is UTF-8 without a NUL.
pub(super) fn put_status(out: &mut Writer<'_>, status: u16, text: &str) -> Result<(), Full> {
    out.dhcp_option(code::STATUS_CODE, |out| {
        out.u16(status)?;
        out.put(text.as_bytes())
    })
}
