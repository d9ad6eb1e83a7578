//! What every guest waits for, and what an answer means to it. Pure: octets and `now` in, a verdict out.

use std::net::Ipv6Addr;

use super::answer::{ADVERTISE, Association, Message, REPLY};
use super::crowd::{self, Crowd};
use super::leases::Leases;
use super::report::Wrong;
use super::workload::{Flags, Step, Workload};

/// Servers told apart on one link: more than any link has; answers of others are wrong.
const MAX_SERVERS: usize = 8;

/// All guests of a run.
#[derive(Debug)]
pub(super) struct Guests {
    pub(super) workload: Workload,
    pub(super) crowd: Crowd,
    leases: Option<Leases>,
    states: Vec<State>,
    servers: Vec<Vec<u8>>,
    /// A guest that is refused or told nonsense waits on for a better answer (RFC 9915 §18.2.9), and asks again.
    patient: bool,
    /// Whom Neighbor Solicitations are for: the router heard last, if none was given.
    pub(super) router: Option<Ipv6Addr>,
}

/// One guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// The message whose answer it waits for.
    pub(super) waiting: Option<Step>,
    /// Number of its last message; the last octet is that of the transaction id.
    pub(super) message: u32,
    /// Transmissions of that message.
    pub(super) sent: u8,
    /// Place of the server that it chose.
    pub(super) server: u8,
    /// When its exchange began, when its message was first sent, and how long it waits for the answer; nanoseconds.
    pub(super) begun: u64,
    pub(super) asked: u64,
    pub(super) wait: u64,
    pub(super) address: Ipv6Addr,
    pub(super) prefix: (Ipv6Addr, u8),
}

const IDLE: State = State {
    waiting: None,
    message: 0,
    sent: 0,
    server: 0,
    begun: 0,
    asked: 0,
    wait: 0,
    address: Ipv6Addr::UNSPECIFIED,
    prefix: (Ipv6Addr::UNSPECIFIED, 0),
};

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The exchange goes on with this step.
    Next(Step),
    /// The exchange is complete.
    Done,
    /// The server says no.
    Refused(&'static str),
    /// It answers what the guest asked, and wrongly.
    Wrong(Wrong),
    /// It answers nothing that this guest ever asked.
    Stray(Wrong),
    /// It was answered before, or given up.
    Late,
    /// Nobody asked, and nothing is wrong with it.
    Unasked,
}

enum Fault {
    Refused(&'static str),
    Wrong(Wrong),
}

impl Guests {
    pub(super) fn new(workload: Workload, crowd: Crowd, leases: Option<Leases>, patient: bool) -> Self {
        let states = vec![IDLE; crowd.count() as usize];
        Self { workload, crowd, leases, states, servers: Vec::new(), patient, router: None }
    }

    pub(super) fn state(&self, guest: u32) -> Option<&State> {
        self.states.get(guest as usize)
    }

    /// The DUID of a server.
    pub(super) fn server(&self, server: u8) -> Option<&[u8]> {
        self.servers.get(usize::from(server)).map(Vec::as_slice)
    }

    /// A guest's exchange begins.
    pub(super) fn begin(&mut self, guest: u32, at: u64) {
        if let Some(state) = self.states.get_mut(guest as usize) {
            state.begun = at;
        }
    }

    /// A guest says something, for the first time or `again`; its state with the number of the message.
    pub(super) fn say(&mut self, guest: u32, step: Step, again: bool, now: u64) -> Option<&mut State> {
        let state = self.states.get_mut(guest as usize)?;
        if again {
            state.sent = state.sent.saturating_add(1);
        } else {
            // The same transaction id for every transmission (RFC 9915 §15).
            state.message = state.message.wrapping_add(1);
            (state.sent, state.asked) = (1, now);
        }
        state.waiting = step.awaits().then_some(step);
        Some(state)
    }

    /// A guest gives up; the step whose answer it waited for, if its message is still the one of that number.
    pub(super) fn give_up(&mut self, guest: u32, message: u32) -> Option<Step> {
        let state = self.states.get_mut(guest as usize)?;
        if state.message == message { state.waiting.take() } else { None }
    }

    /// Guests that wait for a router.
    pub(super) fn waiting_for_router(&self) -> Vec<u32> {
        let waiting = |(_, state): &(u32, &State)| state.waiting == Some(Step::RouterSolicitation);
        (0..).zip(&self.states).filter(waiting).map(|(guest, _)| guest).collect()
    }

    /// A Router Advertisement reached a guest.
    pub(super) fn router_advertisement(&mut self, guest: u32, router: Ipv6Addr, flags: Flags) -> Outcome {
        if self.awaits(guest) != Some(Step::RouterSolicitation) {
            return Outcome::Unasked;
        }
        if let Some(Err(wrong)) = self.leases.as_ref().map(|leases| leases.router(guest, router)) {
            return self.fail(guest, Outcome::Wrong(wrong));
        }
        self.router = Some(router);
        self.advance(guest, Step::RouterSolicitation, flags)
    }

    /// A Neighbor Advertisement reached a guest.
    pub(super) fn neighbor_advertisement(
        &mut self,
        guest: u32,
        target: Ipv6Addr,
        solicited: bool,
    ) -> Outcome {
        if target == self.crowd.link_local(guest) {
            return Outcome::Stray(Wrong::Duplicate);
        }
        if self.awaits(guest) != Some(Step::NeighborSolicitation) {
            return Outcome::Late;
        }
        if Some(target) != self.router || !solicited {
            return self.fail(guest, Outcome::Wrong(Wrong::Target));
        }
        self.advance(guest, Step::NeighborSolicitation, Flags::Neither)
    }

    /// A DHCPv6 message reached a guest.
    pub(super) fn dhcp(&mut self, guest: u32, message: &Message<'_>) -> Outcome {
        let Some(state) = self.state(guest).copied() else { return Outcome::Unasked };
        if !message.xid.starts_with(&crowd::mark(guest)) {
            return Outcome::Stray(Wrong::TransactionId);
        }
        let step = match state.waiting {
            Some(step @ (Step::Solicit | Step::Request | Step::InformationRequest)) => step,
            _ => return Outcome::Late,
        };
        if message.xid != transaction_id(guest, state.message) {
            return Outcome::Late;
        }
        match self.judge(guest, step, &state, message) {
            Ok(lease) => {
                if let Some(state) = self.states.get_mut(guest as usize) {
                    *state = lease;
                }
                self.advance(guest, step, Flags::Managed)
            }
            Err(Fault::Refused(why)) => self.fail(guest, Outcome::Refused(why)),
            Err(Fault::Wrong(wrong)) => self.fail(guest, Outcome::Wrong(wrong)),
        }
    }

    /// The guest's state with what was leased or offered.
    fn judge(
        &mut self,
        guest: u32,
        step: Step,
        state: &State,
        message: &Message<'_>,
    ) -> Result<State, Fault> {
        let mut lease = *state;
        self.is_for(guest, step, message)?;
        lease.server =
            self.place_of(message.server.unwrap_or_default()).ok_or(Fault::Wrong(Wrong::ServerId))?;
        if step == Step::Request && lease.server != state.server {
            return Err(Fault::Wrong(Wrong::ServerId));
        }
        refusal(message.status)?;
        if step == Step::InformationRequest {
            return Ok(lease);
        }
        if self.workload.wants_address() {
            let ia = self.association(guest, message.addresses)?;
            let address = ia.addresses().next().ok_or(Fault::Refused("no-address"))?;
            lease.address = address.into();
            self.leases.as_ref().map_or(Ok(()), |own| own.address(guest, &ia)).map_err(Fault::Wrong)?;
        }
        if self.workload.wants_prefix() {
            let ia = self.association(guest, message.prefixes)?;
            let (prefix, length) = ia.prefixes().next().ok_or(Fault::Refused("no-prefix"))?;
            lease.prefix = (prefix.into(), length);
            self.leases.as_ref().map_or(Ok(()), |own| own.prefix(guest, &ia)).map_err(Fault::Wrong)?;
        }
        Ok(lease)
    }

    /// The checks of RFC 9915 §16.3 and §16.10.
    fn is_for(&self, guest: u32, step: Step, message: &Message<'_>) -> Result<(), Fault> {
        let rapid = self.workload == Workload::RapidCommit;
        let kind = if step == Step::Solicit && !rapid { ADVERTISE } else { REPLY };
        if message.client != Some(self.crowd.duid(guest).as_slice()) {
            return Err(Fault::Wrong(Wrong::ClientId));
        }
        if message.kind == kind {
            return Ok(());
        }
        // A server may leave Rapid Commit to others (RFC 9915 §18.3.1).
        let offered = rapid && message.kind == ADVERTISE;
        Err(if offered { Fault::Refused("no-rapid-commit") } else { Fault::Wrong(Wrong::MessageType) })
    }

    fn association<'a>(&self, guest: u32, ia: Option<Association<'a>>) -> Result<Association<'a>, Fault> {
        let ia = ia.filter(|ia| ia.iaid == self.crowd.iaid(guest));
        let ia = ia.ok_or(Fault::Wrong(Wrong::Association))?;
        refusal(ia.status)?;
        Ok(ia)
    }

    /// The place of a server, a new one for a new server.
    fn place_of(&mut self, duid: &[u8]) -> Option<u8> {
        if duid.is_empty() {
            return None;
        }
        let known = self.servers.iter().position(|known| known == duid);
        let place = known.or_else(|| {
            (self.servers.len() < MAX_SERVERS).then(|| {
                self.servers.push(duid.to_vec());
                self.servers.len() - 1
            })
        })?;
        u8::try_from(place).ok()
    }

    /// What all guests that wait for something wait for.
    pub(super) fn waiting(&self) -> Vec<Step> {
        self.states.iter().filter_map(|state| state.waiting).collect()
    }

    fn awaits(&self, guest: u32) -> Option<Step> {
        self.state(guest)?.waiting
    }

    fn fail(&mut self, guest: u32, outcome: Outcome) -> Outcome {
        if !self.patient {
            self.rest(guest);
        }
        outcome
    }

    fn advance(&mut self, guest: u32, step: Step, flags: Flags) -> Outcome {
        self.rest(guest);
        self.workload.after(step, flags).map_or(Outcome::Done, Outcome::Next)
    }

    /// A guest waits for nothing.
    pub(super) fn rest(&mut self, guest: u32) {
        if let Some(state) = self.states.get_mut(guest as usize) {
            state.waiting = None;
        }
    }
}

/// The transaction id of a guest's message.
pub(super) fn transaction_id(guest: u32, message: u32) -> [u8; 3] {
    let [a, b] = crowd::mark(guest);
    let [.., number] = message.to_be_bytes();
    [a, b, number]
}

/// Status codes of RFC 9915 §21.13 that say no.
fn refusal(status: u16) -> Result<(), Fault> {
    Err(Fault::Refused(match status {
        0 => return Ok(()),
        1 => "unspec-fail",
        2 => "no-addrs-avail",
        3 => "no-binding",
        4 => "not-on-link",
        5 => "use-multicast",
        6 => "no-prefix-avail",
        _ => "other-status",
    }))
}

#[cfg(test)]
mod tests;
