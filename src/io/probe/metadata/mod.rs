//! The guest's part in metadata: finds who answers for the service's address, opens TCP to it, and asks by HTTP.
//!
//! TCP is smoltcp's and HTTP is hyper's. The probe speaks from a link-local address that it makes up: the kernel of
//! this machine does not have it, so it does not reset the connections as strange; and a service on the link knows a
//! guest by its MAC.
//!
//! | file | holds |
//! |---|---|
//! | `stack.rs` | TCP: packets in and out, a connection as hyper reads and writes it |
//! | `http.rs` | one GET |
//! | `report.rs` | what came of it |

mod http;
pub(super) mod report;
mod stack;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::Ipv6Addr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use self::http::Got;
use super::converse::{Input, NEIGHBOR, Taken, Wire, entropy, micros};
use super::faults::Faults;
use super::neighbor::{self, NA};
use super::report::{RouterAdvert, hex};
use super::{ProbeError, Service};
use crate::types::{MacAddr, ip6};
use report::{Document, Instance, Metadata};
use stack::{Refused, Stack, Stream};

/// Octets of each body that are kept: more than any document of OpenStack's, where user data have at most 64 KiB.
const MAX_BODY: usize = 1 << 20;

/// What a guest asks of OpenStack first (cloud-init's order), and whether it may be absent: user data are.
const DOCUMENTS: [(&str, bool); 2] =
    [("/openstack/latest/meta_data.json", false), ("/openstack/latest/user_data", true)];

/// How long the other end may take to close its side of a connection after all was said.
const CLOSING: Duration = Duration::from_secs(1);

/// Resolves the service's address and asks for its documents; what is not got is told in `missing`.
pub(super) fn fetch(
    wire: &mut Wire,
    service: &Service,
    missing: &mut Vec<String>,
) -> Result<Metadata, ProbeError> {
    let source = Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(entropy()));
    wire.answer_for(source);
    let (address, port) = (service.address, service.port);
    let hop = next_hop(address, &wire.routers);
    let mac = resolve(wire, source, hop)?;
    let mut metadata = Metadata { address, port, source, mac, documents: Vec::new() };
    let Some(mac) = mac else {
        missing.push(format!("metadata: no answer to the Neighbor Solicitation for {hop}"));
        return Ok(metadata);
    };
    let stack = RefCell::new(Stack::new(source, wire.mtu()));
    let mut client = Client { wire, stack: &stack, hop, mac, sent: 0 };
    let defaults = DOCUMENTS.map(|(path, optional)| (path.to_owned(), optional));
    let asked: Vec<(String, bool)> = service.paths.iter().map(|path| (path.clone(), false)).collect();
    for (path, optional) in if asked.is_empty() { defaults.to_vec() } else { asked } {
        let document = client.document(service, path, optional)?;
        if let Some(failure) = &document.failure {
            missing.push(format!("metadata {}: {failure}", document.path));
        }
        let unreachable = document.connect_us.is_none();
        metadata.documents.push(document);
        if unreachable {
            break;
        }
    }
    Ok(metadata)
}

/// Who is to be asked for on the link: the service itself when it is on it, a router otherwise (RFC 4861 §5.2).
fn next_hop(address: Ipv6Addr, routers: &[RouterAdvert]) -> Ipv6Addr {
    let mut prefixes = routers.iter().flat_map(|router| &router.prefixes);
    let on_link =
        prefixes.any(|p| p.on_link && ip6::mask(address, p.length) == ip6::mask(p.prefix, p.length));
    let router = routers.iter().find(|router| router.lifetime > 0);
    match router {
        Some(router) if !on_link && !ip6::is_link_local(address) => router.router,
        _ => address,
    }
}

/// Address resolution (RFC 4861 §7.2.2), tried for as long as an exchange may take.
fn resolve(wire: &mut Wire, source: Ipv6Addr, hop: Ipv6Addr) -> Result<Option<MacAddr>, ProbeError> {
    let frame = neighbor::solicit(&wire.me.with_address(source), hop);
    let take = |faults: &mut Faults, input: Input<'_>| {
        let Input::Neighbor(heard, octets) = input else { return None };
        neighbor::read(octets, heard, hop, faults).map(|advert| Taken::now(NA, advert.mac))
    };
    wire.converse("Neighbor Solicitation", NEIGHBOR, |_, _| frame.clone(), take)
}

/// Wakes whoever polls by a mark: everything happens on one thread.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Client<'w> {
    wire: &'w mut Wire,
    stack: &'w RefCell<Stack>,
    /// Who was asked for, and who answered.
    hop: Ipv6Addr,
    mac: MacAddr,
    /// Packets sent on this connection.
    sent: u32,
}

impl Client<'_> {
    /// One GET on a connection of its own, as cloud-init makes it.
    fn document(&mut self, service: &Service, path: String, optional: bool) -> Result<Document, ProbeError> {
        let started = Instant::now();
        let got = RefCell::new(Got { document: Document { path, ..Document::default() }, body: Vec::new() });
        let failure = match self.open(service)? {
            Some(failure) => Some(failure),
            None => {
                got.borrow_mut().document.connect_us = Some(micros(started.elapsed()));
                self.ask(service, &got)?
            }
        };
        got.borrow_mut().document.took_us = micros(started.elapsed());
        self.close()?;
        let Got { mut document, body } = got.into_inner();
        document.failure = failure.or_else(|| match document.status {
            Some(200..300) | None => None,
            Some(404) if optional => None,
            Some(code) => Some(http::status(code)),
        });
        fill(&mut document, body, &mut self.wire.faults);
        Ok(document)
    }

    /// Opens a connection, or says why there is none.
    fn open(&mut self, service: &Service) -> Result<Option<String>, ProbeError> {
        self.sent = 0;
        let stack = self.stack;
        if stack.borrow_mut().connect(service.address, service.port).is_err() {
            return Ok(Some("no address to connect to".into()));
        }
        let opened = poll_fn(|context| stack.borrow_mut().poll_open(context));
        Ok(match self.drive(self.wire.timeout, pin!(opened))? {
            Some(Ok(())) => None,
            Some(Err(Refused)) => Some("connection refused (RST)".into()),
            None => Some(match self.sent {
                1 => "timed out after SYN".into(),
                times => format!("timed out after SYN, sent {times} times"),
            }),
        })
    }

    /// Sends the request and waits for the whole answer, or says why there is none.
    fn ask(&mut self, service: &Service, got: &RefCell<Got>) -> Result<Option<String>, ProbeError> {
        let answer = http::get(Stream(self.stack), service, got);
        Ok(match self.drive(self.wire.timeout, pin!(answer))? {
            Some(outcome) => outcome.err(),
            None if got.borrow().document.status.is_none() => Some("timed out after the request".into()),
            None => Some(format!("timed out after {} octets of the body", got.borrow().document.octets)),
        })
    }

    /// Closes the connection in order, so that the other end keeps nothing of it; resets it when that takes too long.
    fn close(&mut self) -> Result<(), ProbeError> {
        let stack = self.stack;
        let closed = poll_fn(|context| stack.borrow_mut().poll_close(context));
        if self.drive(CLOSING, pin!(closed))?.is_none() {
            stack.borrow_mut().abort();
            self.transmit()?;
        }
        Ok(())
    }

    /// Moves packets until the task is ready, at most for `span`.
    fn drive<T>(
        &mut self,
        span: Duration,
        mut task: Pin<&mut impl Future<Output = T>>,
    ) -> Result<Option<T>, ProbeError> {
        let end = Instant::now() + span;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        loop {
            woken.0.store(false, Ordering::Relaxed);
            let poll = task.as_mut().poll(&mut context);
            let due = self.transmit()?;
            if let Poll::Ready(value) = poll {
                return Ok(Some(value));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            // The parts of the task wake each other; packets are waited for when they have nothing left to say.
            if !woken.0.load(Ordering::Relaxed) {
                self.hear(due.map_or(end, |due| due.min(end)))?;
            }
        }
    }

    /// Sends what the stack has to say, and says when it will have more.
    fn transmit(&mut self) -> Result<Option<Instant>, ProbeError> {
        let (packets, due) = self.stack.borrow_mut().transmit();
        for packet in packets {
            self.sent = self.sent.saturating_add(1);
            self.wire.send_packet(self.mac, &packet)?;
        }
        Ok(due)
    }

    /// Waits for a packet to the stack.
    fn hear(&mut self, until: Instant) -> Result<(), ProbeError> {
        let (stack, hop, mac) = (self.stack, self.hop, self.mac);
        let mut take = |faults: &mut Faults, input: Input<'_>| match input {
            Input::Tcp(packet) => {
                stack.borrow_mut().receive(packet);
                Some(())
            }
            Input::Timeout => Some(()),
            Input::Neighbor(heard, octets) => {
                let advert = neighbor::read(octets, heard, hop, faults);
                if let Some(other) = advert.filter(|advert| advert.overrides && advert.mac != mac) {
                    let what = format!("{} answers for {hop} as {mac} does", other.mac);
                    faults.add(NA, "RFC 4862 §5.4", what);
                }
                None
            }
            Input::Router | Input::Dhcp(..) => None,
        };
        self.wire.listen(until, &mut take).map(drop)
    }
}

/// Writes the body into the document, and what it says of the instance.
fn fill(document: &mut Document, body: Vec<u8>, faults: &mut Faults) {
    let whole = document.failure.is_none() && document.octets == body.len() as u64;
    if whole && document.status == Some(200) && document.path.ends_with("/meta_data.json") {
        match serde_json::from_slice::<Instance>(&body) {
            Ok(instance) => document.instance = Some(instance),
            Err(error) => faults.add("meta_data.json", "OpenStack metadata", error.to_string()),
        }
    }
    if document.status.is_some() {
        match String::from_utf8(body) {
            Ok(text) => document.text = Some(text),
            // Cut off inside a character.
            Err(error) if error.utf8_error().error_len().is_none() => {
                let end = error.utf8_error().valid_up_to();
                document.text =
                    error.as_bytes().get(..end).map(|text| String::from_utf8_lossy(text).into_owned());
            }
            Err(error) => document.data = Some(hex(error.as_bytes())),
        }
    }
}
