//! What every Advertise and Reply has in common: header, identifiers, status, and the options of the port.
//!
//! The order is fixed (OPT-003): Client Identifier, Server Identifier, then Preference, Rapid Commit or Status Code, the
//! identity associations, the rest by ascending code.

use super::super::guard::Asker;
use super::super::{Outcome, Trace};
use crate::answer::AnswerKind;
use crate::lease::options::{self, OPTION_INFORM_ONLY, OPTION_REPLY_ONLY, OPTION_UNASKED, Origin};
use crate::wire::dhcp6::{CLIENT_PORT, ClientMessage, MessageType, SERVER_PORT, code};
use crate::wire::envelope::{Layer, Open};
use crate::wire::{Full, Writer};

/// An answer whose identifiers are written.
pub(super) struct Reply<'b> {
    open: Open<'b>,
    number: u8,
    inform: bool,
}

impl<'b> Reply<'b> {
    /// Starts an Advertise or a Reply (`number`) to `message`.
    pub(super) fn start(
        asker: &Asker<'_, '_>,
        message: &ClientMessage<'_>,
        number: u8,
        out: &'b mut [u8],
    ) -> Result<Self, Full> {
        // To port 546 whatever port the client used (RFC 9915 §7.2; DHCP-002), from our link-local address (DHCP-011).
        let layer = Layer::Udp { source: SERVER_PORT, destination: CLIENT_PORT };
        let mut open = asker.open(out, asker.network.router_link_local(), asker.frame.source, layer)?;
        let [x0, x1, x2] = message.transaction;
        open.message().put(&[number, x0, x1, x2])?;
        let mut reply = Self { open, number, inform: message.kind == MessageType::InformationRequest };
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
    ) -> Result<(), Full> {
        let mut fqdn = fqdn_flags(asker, message);
        for entry in options::entries(asker.port.options()).filter(|entry| entry.condition.is_none()) {
            if entry.code > code::CLIENT_FQDN
                && let Some(flags) = fqdn.take()
            {
                self.fqdn(asker, flags, trace);
            }
            let asked = entry.flags & OPTION_UNASKED != 0 || message.requested.has(entry.code);
            let here = (entry.flags & OPTION_INFORM_ONLY == 0 || self.inform)
                && (entry.flags & OPTION_REPLY_ONLY == 0 || self.number == MessageType::REPLY);
            if asked && here {
                let fits = self.out().put(entry.wire).is_ok();
                trace.note(|| {
                    let why = if entry.flags & OPTION_UNASKED == 0 { "asked for" } else { "sent unasked" };
                    let fate = if fits { "" } else { "; left out, it does not fit the MTU" };
                    format!(
                        "option {} from {}, {why}{fate}",
                        entry.code,
                        source_of(asker, entry.origin, entry.code)
                    )
                });
            }
        }
        if let Some(flags) = fqdn {
            self.fqdn(asker, flags, trace);
        }
        Ok(())
    }

    fn fqdn<T: Trace>(&mut self, asker: &Asker<'_, '_>, flags: u8, trace: &mut T) {
        let mark = self.out().len();
        let name = asker.port.hostname();
        let outcome = self.out().u16(code::CLIENT_FQDN).and_then(|()| {
            self.out().length16(|out| {
                out.u8(flags)?;
                out.put(name)
            })
        });
        if outcome.is_err() {
            self.out().truncate(mark);
        }
        trace.note(|| {
            let from = source_of(asker, Origin::Port, code::CLIENT_FQDN);
            format!("option 39 from {from}: the client sent it and asks for it (RFC 4704 §6, DHCP-159)")
        });
    }

    /// Seals the answer.
    pub(super) fn seal(self, kind: AnswerKind) -> Outcome {
        Ok((kind, self.open.seal()?))
    }
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
    out.u16(code)?;
    out.length16(|out| out.put(value))
}

/// Writes a Status Code option (RFC 9915 §21.13); the text is UTF-8 without a NUL.
pub(super) fn put_status(out: &mut Writer<'_>, status: u16, text: &str) -> Result<(), Full> {
    out.u16(code::STATUS_CODE)?;
    out.length16(|out| {
        out.u16(status)?;
        out.put(text.as_bytes())
    })
}
