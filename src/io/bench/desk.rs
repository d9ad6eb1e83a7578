//! The other side of the desk: says what guests say, hears what they are told, and counts.

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::sync::Arc;

use super::answer::{Heard, Said};
use super::frames::Frames;
use super::guests::{Guests, Outcome};
use super::pace::{Pace, Wait, Waits};
use super::report::{Tally, Wrong};
use super::retransmit;
use super::template;
use super::workload::{Flags, Step};
use crate::io::packet::{BATCH, Outbox, Socket};
use crate::types::ip6;

pub(super) struct Desk {
    pub(super) guests: Guests,
    pub(super) frames: Frames,
    pub(super) tally: Tally,
    pub(super) pace: Pace,
    device: u32,
    socket: Arc<Socket>,
    outbox: Outbox,
    idle: VecDeque<u32>,
    waits: Waits,
    /// Nanoseconds that an answer is waited for, outside of storms.
    timeout: u64,
    /// Exchanges begun and under way.
    begun: u64,
    active: u64,
    /// Guests that are done, in a storm.
    pub(super) bound: u32,
    pub(super) last_bound: u64,
    random: u64,
}

impl Desk {
    pub(super) fn new(
        guests: Guests,
        frames: Frames,
        tally: Tally,
        pace: Pace,
        (device, socket): (u32, Arc<Socket>),
        timeout: u64,
    ) -> Self {
        Self {
            idle: (0..guests.crowd.count()).collect(),
            guests,
            frames,
            tally,
            pace,
            device,
            socket,
            outbox: Outbox::default(),
            waits: Waits::default(),
            timeout,
            begun: 0,
            active: 0,
            bound: 0,
            last_bound: 0,
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.active == 0
    }

    pub(super) fn next_wait(&self) -> Option<u64> {
        self.waits.next()
    }

    /// Begins the exchanges that are due, at most as many as one batch holds; says how many.
    pub(super) fn begin(&mut self, now: u64) -> u64 {
        let due = self.pace.due(now, self.begun, self.active, self.guests.crowd.count()).min(BATCH as u64);
        for _ in 0..due {
            let at = self.pace.scheduled(self.begun).unwrap_or(now);
            let Some(guest) = self.idle.pop_front() else {
                // In the open loop it is never made up for: the rate would not be the one asked for.
                if let Pace::Rate(_) = self.pace {
                    self.tally.skipped += 1;
                    self.begun += 1;
                    continue;
                }
                break;
            };
            self.begun += 1;
            self.active += 1;
            self.guests.begin(guest, at);
            self.say(guest, self.guests.workload.first(), now);
        }
        due
    }

    /// Says a step, and the next ones for as long as silence is the answer.
    fn say(&mut self, guest: u32, step: Step, now: u64) {
        let mut next = Some(step);
        while let Some(step) = next {
            if !self.transmit(guest, step, false, now) {
                self.tally.lost(step);
                self.end(guest);
                return;
            }
            next = if step.awaits() { None } else { self.guests.workload.after(step, Flags::Neither) };
        }
    }

    /// Sends one message; false when there is nothing to be said or the guest has asked often enough. Then it waits for
    /// nothing.
    pub(super) fn transmit(&mut self, guest: u32, step: Step, again: bool, now: u64) -> bool {
        if self.outbox.is_full() {
            self.flush();
        }
        let sent = self.write(guest, step, again, now).is_some();
        if sent {
            self.tally.messages += 1;
            self.tally.retransmissions += u64::from(again);
        } else {
            self.guests.rest(guest);
        }
        sent
    }

    fn write(&mut self, guest: u32, step: Step, again: bool, now: u64) -> Option<()> {
        let chance = self.chance();
        let state = self.guests.say(guest, step, again, now)?;
        if step.awaits() {
            let wait = if self.pace.is_storm() {
                retransmit::wait(step, state.sent, state.wait, chance)?
            } else {
                self.timeout
            };
            state.wait = wait;
            self.waits.add(Wait { until: now + wait, guest, message: state.message });
        }
        let length = self.frames.write(&self.guests, guest, step, now, self.outbox.room())?;
        self.outbox.commit(self.device, length);
        Some(())
    }

    /// Ends or repeats what was waited for long enough.
    pub(super) fn overdue(&mut self, now: u64) {
        while let Some(wait) = self.waits.over(now) {
            let Some(step) = self.guests.give_up(wait.guest, wait.message) else { continue };
            if !self.pace.is_storm() {
                self.tally.lost(step);
                self.end(wait.guest);
            } else if !self.transmit(wait.guest, step, true, now) {
                // Begins anew, as a client does whose Requests nobody answers (RFC 9915 §18.2.2).
                self.say(wait.guest, self.guests.workload.first(), now);
            }
        }
    }

    pub(super) fn hear(&mut self, heard: &Heard<'_>, now: u64) {
        let guest = match &heard.said {
            Said::NeighborSolicitation(target) => return self.advertise(heard, *target),
            Said::Relayed(peer, _) => self.guests.crowd.of_link_local(*peer),
            Said::NeighborAdvertisement(target, _) if heard.to.is_group() => {
                self.guests.crowd.of_link_local(*target)
            }
            _ => self.guests.crowd.of_mac(heard.to),
        };
        match guest {
            Some(guest) => self.hear_as(guest, heard, now),
            None if heard.to.is_group() && matches!(heard.said, Said::RouterAdvertisement(_)) => {
                for guest in self.guests.waiting_for_router() {
                    self.hear_as(guest, heard, now);
                }
            }
            None => {}
        }
    }

    fn hear_as(&mut self, guest: u32, heard: &Heard<'_>, now: u64) {
        if let Some(wrong) = heard.fault.or_else(|| self.misaddressed(guest, heard)) {
            return self.tally.wrong(wrong);
        }
        let outcome = match &heard.said {
            Said::RouterAdvertisement(flags) => self.guests.router_advertisement(guest, heard.source, *flags),
            Said::NeighborAdvertisement(target, solicited) => {
                self.guests.neighbor_advertisement(guest, *target, *solicited)
            }
            Said::Dhcp(message) | Said::Relayed(_, message) => self.guests.dhcp(guest, message),
            Said::NeighborSolicitation(_) => Outcome::Unasked,
            Said::Garbled => Outcome::Stray(Wrong::Malformed),
        };
        match outcome {
            Outcome::Next(step) => self.say(guest, step, now),
            Outcome::Done => {
                let begun = self.guests.state(guest).map_or(now, |state| state.begun);
                self.tally.done(now.saturating_sub(begun));
                (self.bound, self.last_bound) = (self.bound.saturating_add(1), now);
                self.end(guest);
            }
            Outcome::Refused(why) => {
                self.tally.refused(why);
                self.end_unless_patient(guest);
            }
            Outcome::Wrong(wrong) => {
                self.tally.wrong(wrong);
                self.end_unless_patient(guest);
            }
            Outcome::Stray(wrong) => self.tally.wrong(wrong),
            Outcome::Late => self.tally.late += 1,
            Outcome::Unasked => {}
        }
    }

    /// An answer for the guest's MAC that is not for its address.
    fn misaddressed(&self, guest: u32, heard: &Heard<'_>) -> Option<Wrong> {
        let own = self.guests.crowd.link_local(guest);
        let is_right = match heard.said {
            // A server's relay may sit behind another address; whom it is for, the message inside says.
            Said::Relayed(..) => true,
            _ => heard.destination == own || heard.destination.is_multicast(),
        };
        (!is_right).then_some(Wrong::Destination)
    }

    /// Somebody asks for the MAC of a guest, or of the relay: it is told.
    fn advertise(&mut self, heard: &Heard<'_>, target: Ipv6Addr) {
        let path = self.frames.path();
        let of_guest = self.guests.crowd.of_link_local(target).map(|guest| self.guests.crowd.mac(guest));
        let of_relay = path.relay.map(|(mac, _)| mac).filter(|mac| ip6::link_local(*mac) == target);
        // A test of uniqueness has no source; nobody but the guest has this address.
        let Some(mac) = of_guest.or(of_relay).filter(|_| !heard.source.is_unspecified()) else { return };
        if self.outbox.is_full() {
            self.flush();
        }
        let frame = template::advertisement(path.vlan, (mac, target), (heard.from, heard.source));
        let Some(frame) = frame else { return };
        if let Some(room) = self.outbox.room().get_mut(..frame.len()) {
            room.copy_from_slice(&frame);
            self.outbox.commit(self.device, frame.len());
        }
    }

    fn end_unless_patient(&mut self, guest: u32) {
        if !self.pace.is_storm() {
            self.end(guest);
        }
    }

    fn end(&mut self, guest: u32) {
        self.active = self.active.saturating_sub(1);
        if !self.pace.is_storm() {
            self.idle.push_back(guest);
        }
    }

    /// Sends what waits to be sent.
    pub(super) fn flush(&mut self) {
        let socket = &self.socket;
        self.tally.unsent += self.outbox.flush(|_| Some(socket)).lost;
    }

    /// Counts guests that still wait for an answer as lost: the run is over.
    pub(super) fn close(&mut self) {
        for step in self.guests.waiting() {
            self.tally.lost(step);
        }
    }

    /// A number between 0 and 1 (xorshift, Marsaglia 2003): chance enough for timers.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }
}
