//! One exchange on the wire: sending again by the clock, hearing, answering for our address, and the checks that a
//! host makes of every envelope.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use super::envelope::{self, Heard, Speaker, Upper, nd};
use super::faults::Faults;
use super::port::Port;
use super::report::{Exchange, RouterAdvert};
use super::{Options, ProbeError, advert, reply};
use crate::io::netns::Link;
use crate::types::{MacAddr, ip6};

/// Times of retransmission (RFC 9915 §15).
#[derive(Clone, Copy)]
pub(super) struct Timing {
    first: Duration,
    max: Duration,
    /// Solicit's first time is never shorter than `first`, so that Advertises can be compared (RFC 9915 §18.2.1).
    longer: bool,
}

/// RFC 9915 §7.6: SOL_TIMEOUT, SOL_MAX_RT.
pub(super) const SOLICIT: Timing =
    Timing { first: Duration::from_secs(1), max: Duration::from_secs(3600), longer: true };
/// RFC 9915 §7.6: REQ_TIMEOUT, REQ_MAX_RT; Release's REL_TIMEOUT is the same.
pub(super) const REQUEST: Timing =
    Timing { first: Duration::from_secs(1), max: Duration::from_secs(30), longer: false };
/// RFC 9915 §7.6: INF_TIMEOUT, INF_MAX_RT.
pub(super) const INFORM: Timing =
    Timing { first: Duration::from_secs(1), max: Duration::from_secs(3600), longer: false };
/// RFC 7559 §2: RTR_SOLICITATION_INTERVAL, then doubling.
pub(super) const ROUTER: Timing =
    Timing { first: Duration::from_secs(4), max: Duration::from_secs(3600), longer: false };

/// RFC 4861 §10: RETRANS_TIMER, without the random factor that does no harm here. A host gives up after three.
pub(super) const NEIGHBOR: Timing =
    Timing { first: Duration::from_secs(1), max: Duration::from_secs(1), longer: false };

/// Routers kept: more than one link has.
const MAX_ROUTERS: usize = 16;

/// What came in while an exchange waits.
pub(super) enum Input<'a> {
    /// A Router Advertisement, now the last of the guest's routers.
    Router,
    /// A DHCPv6 message from a link-local address.
    Dhcp(Ipv6Addr, &'a [u8]),
    /// A Neighbor Advertisement, not judged yet.
    Neighbor(&'a Heard<'a>, &'a [u8]),
    /// A TCP packet to the address of [`Wire::answer_for`], from its IPv6 header on; its checksum is right.
    Tcp(&'a [u8]),
    /// The time of the last transmission is over.
    Timeout,
}

/// The answer that ends an exchange.
pub(super) struct Taken<T> {
    /// Name of the message.
    answer: &'static str,
    heard: Instant,
    pub(super) value: T,
}

impl<T> Taken<T> {
    pub(super) fn now(answer: &'static str, value: T) -> Self {
        Self { answer, heard: Instant::now(), value }
    }
}

/// The probe's end of the wire and what it heard so far.
pub(super) struct Wire {
    pub(super) me: Speaker,
    pub(super) faults: Faults,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) routers: Vec<RouterAdvert>,
    /// How long each exchange may take.
    pub(super) timeout: Duration,
    /// Address of our TCP.
    second: Option<Speaker>,
    device: String,
    link: Link,
    port: Port,
}

impl Wire {
    pub(super) fn open(link: &Link, options: &Options) -> Result<Self, ProbeError> {
        let device = options.device.clone();
        let mac = options.mac.unwrap_or(link.mac);
        let me = Speaker { mac, address: ip6::link_local(mac), vlan: options.vlan };
        let mut port = Port::open(link.index).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => ProbeError::NotPermitted(device.clone()),
            _ => ProbeError::Os { device: device.clone(), what: "cannot open a raw socket", source },
        })?;
        port.hold_client_port(&device, link.index, ip6::solicited_node(me.address));
        let (exchanges, routers) = (Vec::new(), Vec::new());
        let (faults, timeout, link) = (Faults::default(), options.timeout, link.clone());
        Ok(Self { me, faults, exchanges, routers, timeout, second: None, device, link, port })
    }

    /// Takes a second address: solicitations for it are answered, and TCP to it is heard.
    pub(super) fn answer_for(&mut self, address: Ipv6Addr) {
        self.second = Some(self.me.with_address(address));
        self.port.join(self.link.index, ip6::solicited_node(address));
    }

    /// Octets of the largest packet on the link: what a router says, within what the device takes (RFC 4861 §6.3.4).
    pub(super) fn mtu(&self) -> u32 {
        let told = self.routers.iter().filter_map(|router| router.mtu).min();
        told.map_or(self.link.mtu, |told| told.min(self.link.mtu))
    }

    /// Sends a packet that is complete from its IPv6 header on.
    pub(super) fn send_packet(&self, to: MacAddr, packet: &[u8]) -> Result<(), ProbeError> {
        let sent = self.port.send(&self.me.packet(to, packet));
        sent.map_err(|source| self.failed("cannot send", source))
    }

    /// Sends what `say` makes, again and again by `timing`, until `take` takes an answer or the run's timeout is
    /// over. `take` sees every input, a timeout once per transmission.
    pub(super) fn converse<T>(
        &mut self,
        sent: &'static str,
        timing: Timing,
        say: impl Fn(&Speaker, Duration) -> Vec<u8>,
        mut take: impl FnMut(&mut Faults, Input<'_>) -> Option<Taken<T>>,
    ) -> Result<Option<T>, ProbeError> {
        let start = Instant::now();
        let end = start + self.timeout;
        let mut wait = timing.first.mul_f64(random(if timing.longer { 1.0 } else { 0.9 }, 1.1));
        let mut transmissions = 0;
        loop {
            let sent_at = Instant::now();
            self.port
                .send(&say(&self.me, sent_at - start))
                .map_err(|source| self.failed("cannot send", source))?;
            transmissions += 1;
            let again = (sent_at + wait).min(end);
            let taken = self.listen(again, &mut take)?;
            if taken.is_some() || again == end {
                self.exchanges.push(Exchange {
                    sent,
                    transmissions,
                    answer: taken.as_ref().map(|taken| taken.answer),
                    round_trip_us: taken.as_ref().map(|taken| micros(taken.heard - sent_at)),
                    took_us: micros(start.elapsed()),
                });
                return Ok(taken.map(|taken| taken.value));
            }
            wait = wait.mul_f64(random(1.9, 2.1)).min(timing.max);
        }
    }

    /// Hears frames until `deadline`, answering for our addresses, until `take` takes one.
    pub(super) fn listen<T>(
        &mut self,
        deadline: Instant,
        take: &mut impl FnMut(&mut Faults, Input<'_>) -> Option<T>,
    ) -> Result<Option<T>, ProbeError> {
        loop {
            let frame = match self.port.receive(deadline) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(take(&mut self.faults, Input::Timeout)),
                Err(source) => return Err(self.failed("cannot receive", source)),
            };
            if frame.vlan != self.me.vlan {
                continue;
            }
            let Some(heard) = envelope::read(frame.octets, &self.me, frame.partial_checksum) else {
                continue;
            };
            let taken = match heard.upper {
                Upper::NeighborSolicitation(target) => {
                    let asked =
                        [Some(self.me), self.second].into_iter().flatten().find(|me| me.address == target);
                    let reply = asked
                        .filter(|_| heard.checksum_holds && heard.hop_limit == 255)
                        .map(|me| advertise(&me, heard.source_mac, heard.source));
                    if let Some(reply) = reply {
                        self.port.send(&reply).map_err(|source| self.failed("cannot send", source))?;
                    }
                    continue;
                }
                Upper::RouterAdvertisement(octets) => {
                    if !is_sound(&heard, "Router Advertisement", &mut self.faults) {
                        continue;
                    }
                    let read = advert::read(octets, heard.source, heard.source_mac, &mut self.faults);
                    let Some(mut router) = read else { continue };
                    router.unicast = !heard.destination.is_multicast();
                    remember(&mut self.routers, router);
                    take(&mut self.faults, Input::Router)
                }
                Upper::Dhcp(octets) => {
                    if !is_sound(
                        &heard,
                        reply::name(octets.first().copied().unwrap_or(0).into()),
                        &mut self.faults,
                    ) {
                        continue;
                    }
                    take(&mut self.faults, Input::Dhcp(heard.source, octets))
                }
                Upper::NeighborAdvertisement(octets) => {
                    take(&mut self.faults, Input::Neighbor(&heard, octets))
                }
                Upper::Tcp(packet) => {
                    if self.second.is_none_or(|second| second.address != heard.destination) {
                        continue;
                    }
                    if !heard.checksum_holds {
                        self.faults.add("TCP segment", "RFC 9293 §3.1", "its checksum is wrong");
                        continue;
                    }
                    take(&mut self.faults, Input::Tcp(packet))
                }
            };
            if taken.is_some() {
                return Ok(taken);
            }
        }
    }

    fn failed(&self, what: &'static str, source: io::Error) -> ProbeError {
        match source.raw_os_error() {
            Some(libc::ENETDOWN) => ProbeError::Down(self.device.clone()),
            Some(libc::ENXIO | libc::ENODEV) => ProbeError::NoDevice(self.device.clone()),
            _ => ProbeError::Os { device: self.device.clone(), what, source },
        }
    }
}

/// The checks of the envelope that a host makes; what fails is noted and must be discarded.
pub(super) fn is_sound(heard: &Heard<'_>, called: &'static str, faults: &mut Faults) -> bool {
    let router = matches!(heard.upper, Upper::RouterAdvertisement(_));
    if !heard.checksum_holds {
        faults.add(called, "RFC 8200 §8.1", "its checksum is wrong");
        return false;
    }
    if router && heard.hop_limit != 255 {
        faults.add(called, "RFC 4861 §6.1.2", format!("its hop limit is {}, not 255", heard.hop_limit));
        return false;
    }
    if !ip6::is_link_local(heard.source) {
        let rule = if router { "RFC 4861 §6.1.2" } else { "RFC 9915 §7.1" };
        faults.add(called, rule, format!("its source {} is not link-local", heard.source));
        // A host must discard the RA; no rule makes a client refuse the DHCPv6 answer.
        return !router;
    }
    true
}

fn remember(routers: &mut Vec<RouterAdvert>, router: RouterAdvert) {
    if let Some(known) = routers.iter_mut().find(|known| known.router == router.router) {
        *known = router;
    } else if routers.len() < MAX_ROUTERS {
        routers.push(router);
    }
}

/// Our answer to who asks for our address: solicited, or to all nodes when the asker has no address yet
/// (RFC 4861 §7.2.4).
fn advertise(me: &Speaker, mac: MacAddr, source: Ipv6Addr) -> Vec<u8> {
    const SOLICITED_OVERRIDE: [u8; 4] = [0x60, 0, 0, 0];
    const OVERRIDE: [u8; 4] = [0x20, 0, 0, 0];
    let [a, b, c, d, e, f] = me.mac.0;
    let body = [me.address.octets().as_slice(), &[2, 1, a, b, c, d, e, f]].concat();
    if source.is_unspecified() {
        let to = (ip6::group_mac(ip6::ALL_NODES), ip6::ALL_NODES);
        return me.nd(to, nd::NEIGHBOR_ADVERTISEMENT, OVERRIDE, &body);
    }
    me.nd((mac, source), nd::NEIGHBOR_ADVERTISEMENT, SOLICITED_OVERRIDE, &body)
}

pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A factor for the next wait: 1 or 2, with RAND of RFC 9915 §15 in it.
fn random(least: f64, most: f64) -> f64 {
    least + (most - least) * f64::from(entropy() as u32) / f64::from(u32::MAX)
}

/// Unpredictable enough for a transaction id: the standard library's hash keys are random.
pub(super) fn entropy() -> u64 {
    RandomState::new().hash_one(0)
}
