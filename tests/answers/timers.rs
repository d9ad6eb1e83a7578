//! Unsolicited Router Advertisements (RFC 4861 §6.2.4) in virtual time.

use std::time::Duration;

use frontdesk::engine::{Engine, Share};
use frontdesk::types::{Instant, MacAddr, limits::MAX_FRAME};

use crate::world::{Answer, Guest, LEASES, World, ip, table};

const PINNED: u8 = 4;

/// Runs the timers until `end`: moment, device and octets of every RA.
fn run(world: &mut World, end: Instant) -> Vec<(Instant, u32, Vec<u8>)> {
    let pinned = |octets: &[u8]| octets[..6] == Guest::new(PINNED).mac;
    run_all(world, end).into_iter().filter(|(_, _, octets)| pinned(octets)).collect()
}

/// The same for all ports.
fn run_all(world: &mut World, end: Instant) -> Vec<(Instant, u32, Vec<u8>)> {
    let mut sent = Vec::new();
    while let Some(at) = world.engine.next_timeout().filter(|at| *at <= end) {
        world.now = at.max(world.now);
        let mut out = vec![0xa5; MAX_FRAME];
        while let Some((device, length)) = world.engine.timeout(world.now, &mut out) {
            sent.push((world.now, device, out[..length].to_vec()));
        }
    }
    world.now = end;
    sent
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// RA-022, RA-027: random within its bounds, and rare.
#[test]
fn ra_023_a_pinned_port_gets_three_ras_at_most_16_seconds_apart_and_then_one_in_200_to_600() {
    let mut world = World::new();
    let sent = run(&mut world, Instant(0).plus(seconds(7200)));
    assert!(sent.iter().all(|(_, device, _)| *device == 3), "only on its device");
    let times: Vec<Instant> = sent.iter().map(|(at, _, _)| *at).collect();
    assert!(times[0] <= Instant(0).plus(Duration::from_millis(500)));
    let gaps: Vec<Duration> = times.windows(2).map(|w| w[1].since(w[0])).collect();
    assert!(gaps[..2].iter().all(|gap| *gap <= seconds(16)), "{gaps:?}");
    assert!(gaps[2..].iter().all(|gap| (seconds(200)..=seconds(600)).contains(gap)), "RA-022: {gaps:?}");
    assert!(gaps.len() > 12, "it goes on: {gaps:?}");
    let distinct: std::collections::HashSet<_> = gaps[2..].iter().collect();
    assert!(distinct.len() > 5, "RA-022: jitter");
}

#[test]
fn ra_026_an_unsolicited_ra_goes_to_all_nodes_inside_and_to_the_guest_outside() {
    let mut world = World::new();
    let (_, _, octets) = run(&mut world, Instant(600_000)).remove(0);
    let answer = Answer::parse(&octets);
    assert_eq!(answer.destination, ip("ff02::1"));
    assert_eq!(answer.destination_mac, Guest::new(PINNED).mac, "RFC 6085");
    assert_eq!((answer.hop_limit, answer.message[0]), (255, 134));
    let solicited = world.ask(&Guest::new(PINNED).on(3), &Guest::new(PINNED).rs());
    assert_eq!(solicited.message[4..], answer.message[4..], "the same RA");
}

/// The devices that RAs went out on to one guest.
fn devices_of(sent: &[(Instant, u32, Vec<u8>)], guest: &Guest) -> Vec<u32> {
    sent.iter().filter(|(_, _, octets)| octets[..6] == guest.mac).map(|(_, device, _)| *device).collect()
}

/// After a restart nobody has been heard yet, and guests must not lose their default route for that.
#[test]
fn a_port_that_is_pinned_to_nothing_and_was_not_heard_is_advertised_to_on_every_device() {
    let mut world = World::new();
    let guest = Guest::new(1);
    let sent = run_all(&mut world, Instant(0).plus(seconds(60)));
    let mut devices = devices_of(&sent, &guest);
    devices.sort_unstable();
    assert_eq!(devices, [1, 1, 1, 2, 2, 2, 3, 3, 3], "three times everywhere (RA-023)");
    let end = world.now.plus(seconds(1300));
    let later = devices_of(&run_all(&mut world, end), &guest);
    assert!(later.len() >= 6 && later.iter().filter(|d| **d == 2).count() * 3 == later.len(), "{later:?}");
}

#[test]
fn a_port_that_is_pinned_to_nothing_is_advertised_to_where_it_was_last_heard() {
    let mut world = World::new();
    let guest = Guest::new(1);
    run_all(&mut world, Instant(0).plus(seconds(60)));
    world.ask(&guest.on(1), &guest.ns(crate::world::ROUTER));
    let end = world.now.plus(seconds(60));
    assert_eq!(devices_of(&run_all(&mut world, end), &guest), [1, 1, 1]);
    world.ask(&guest.on(2), &guest.ns(crate::world::ROUTER));
    let end = world.now.plus(seconds(1300));
    let moved = devices_of(&run_all(&mut world, end), &guest);
    assert!(!moved.is_empty() && moved.iter().all(|device| *device == 2), "{moved:?}");
    world.engine.detach(2);
    let end = world.now.plus(seconds(1300));
    assert!(!devices_of(&run_all(&mut world, end), &guest).contains(&2), "nobody is there to hear it");
}

/// A table may hold a whole cloud: a bridge is not flooded for MACs that are not there.
#[test]
fn too_many_ports_that_may_be_anywhere_get_no_unsolicited_ra_until_they_are_heard() {
    let mut source = LEASES.to_owned();
    for number in 0..1400 {
        let (high, low) = (number >> 8, number & 0xff);
        source.push_str(&format!(
            "[[ports]]\nmac_address = \"fa:16:3e:01:{high:02x}:{low:02x}\"\nnetwork = \"slaac\"\n"
        ));
    }
    let mut world = World::with(&source);
    let sent = run_all(&mut world, Instant(0).plus(seconds(60)));
    assert_eq!(sent.len(), 3, "the pinned port alone: 1408 ports on three devices are too many");
    let guest = Guest::new(1);
    world.ask(&guest, &guest.ns(crate::world::ROUTER));
    let end = world.now.plus(seconds(60));
    assert_eq!(devices_of(&run_all(&mut world, end), &guest), [1, 1, 1]);
}

/// RFC 4861 §6.2.4 has up to three RAs at first: one that was asked for is enough, or a boot storm is answered four times.
#[test]
fn ra_022_a_guest_that_asks_where_it_was_not_known_gets_that_ra_and_the_next_after_a_whole_interval() {
    let mut world = World::new();
    let guest = Guest::new(1);
    run_all(&mut world, Instant(0).plus(seconds(60)));
    world.ask(&guest.on(1), &guest.rs());
    let asked = world.now;
    let sent = run_all(&mut world, asked.plus(seconds(1300)));
    let times: Vec<Duration> = sent
        .iter()
        .filter(|(_, device, octets)| *device == 1 && octets[..6] == guest.mac)
        .map(|(at, _, _)| at.since(asked))
        .collect();
    assert!(times.len() >= 2 && times[0] >= seconds(200) && times[0] <= seconds(600), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= seconds(200)), "{times:?}");
}

#[test]
fn a_device_that_comes_back_gets_a_new_burst() {
    let mut world = World::new();
    run(&mut world, Instant(0).plus(seconds(100)));
    world.engine.detach(3);
    let end = world.now.plus(seconds(1300));
    assert_eq!(run(&mut world, end), []);
    world.engine.attach(9, "tap-pinned", MacAddr([2, 0, 0, 0, 0, 9]), world.now);
    let end = world.now.plus(seconds(60));
    let again = run(&mut world, end);
    assert_eq!(again.iter().map(|(_, device, _)| *device).collect::<Vec<_>>(), [9, 9, 9]);
}

#[test]
fn a_device_that_comes_back_at_once_gets_its_burst_at_once() {
    let mut world = World::new();
    run(&mut world, Instant(0).plus(seconds(100)));
    world.engine.detach(3);
    for _ in 0..3 {
        world.engine.attach(3, "tap-pinned", MacAddr([2, 0, 0, 0, 0, 9]), world.now);
    }
    let end = world.now.plus(seconds(60));
    assert_eq!(run(&mut world, end).len(), 3, "one burst, not one per attachment");
}

/// RA-023: the burst may be repeated after a change; without one the deadlines stand.
#[test]
fn a_changed_ra_is_told_at_once_and_an_unchanged_one_is_not() {
    let mut world = World::new();
    run(&mut world, Instant(0).plus(seconds(100)));
    let due = world.engine.next_timeout();
    world.engine.publish(table(LEASES), world.now);
    assert_eq!(world.engine.next_timeout(), due, "the same RA");
    let changed = LEASES.replace("mtu = 1450", "mtu = 1400");
    world.engine.publish(table(&changed), world.now);
    let end = world.now.plus(seconds(60));
    let burst = run(&mut world, end);
    assert_eq!(burst.len(), 3);
    assert!(burst[0].2.windows(4).any(|w| w == 1400_u32.to_be_bytes()));
}

#[test]
fn a_port_new_in_the_table_is_advertised_to_and_a_removed_one_is_not() {
    let mut world = World::new();
    run(&mut world, Instant(0).plus(seconds(100)));
    let without = LEASES.replace("device = \"tap-pinned\"", "device = \"tap9\"");
    world.engine.publish(table(&without), world.now);
    let end = world.now.plus(seconds(2000));
    assert_eq!(run(&mut world, end), []);
    world.engine.publish(table(LEASES), world.now);
    let end = world.now.plus(seconds(60));
    assert_eq!(run(&mut world, end).len(), 3);
}

/// RA-031: an RA whose router lifetime is shorter than the pause would leave guests without a default route.
#[test]
fn ra_031_a_short_router_lifetime_shortens_the_pause() {
    let source = LEASES.replace("lifetime = 1800, preference = \"high\"", "lifetime = 30");
    let mut world = World::with(&source);
    run(&mut world, Instant(0).plus(seconds(100)));
    let end = world.now.plus(seconds(100));
    let times: Vec<Instant> = run(&mut world, end).iter().map(|(at, _, _)| *at).collect();
    assert!(times.windows(2).all(|w| w[1].since(w[0]) < seconds(30)), "{times:?}");
    assert!(times.len() >= 8);
}

#[test]
fn dev_010_a_network_advertised_elsewhere_has_no_timers() {
    let source = LEASES
        .replace("network = \"stateful\"\ndevice", "network = \"advertised-elsewhere\"\ndevice")
        .replace("2001:db8:1::7", "2001:db8:4::7");
    let mut world = World::with(&source);
    assert_eq!(run(&mut world, Instant(0).plus(seconds(60))), []);
}

/// A router that is given up: its lifetime is set to 0 first, and that is told like every change.
#[test]
fn ra_024_a_router_that_goes_says_so_three_times() {
    let mut world = World::new();
    run(&mut world, Instant(0).plus(seconds(100)));
    let gone = LEASES.replace("lifetime = 1800, preference = \"high\"", "lifetime = 0");
    world.engine.publish(table(&gone), world.now);
    let end = world.now.plus(seconds(60));
    let last = run(&mut world, end);
    assert_eq!(last.len(), 3, "MAX_FINAL_RTR_ADVERTISEMENTS");
    for (_, _, octets) in last {
        let ra = Answer::parse(&octets).message;
        assert_eq!((ra[0], &ra[6..8]), (134, [0, 0].as_slice()), "Router Lifetime 0");
        assert_eq!(ra[5] & 0x18, 0, "RA-033: medium preference with it");
    }
}

/// A world without devices, one of several.
fn among_others() -> World {
    let mut world = World::new();
    world.engine = Engine::new(table(LEASES), 7).among_others();
    world
}

/// Packet threads share a table, not their devices: a guest that may be anywhere is advertised to by all until one of
/// them hears it, and by that one alone afterwards.
#[test]
fn a_guest_that_another_engine_has_heard_is_advertised_to_by_that_one() {
    let (mut one, mut other) = (among_others(), among_others());
    one.engine.attach(1, "tap1", MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
    other.engine.attach(2, "tap2", MacAddr([2, 0, 0, 0, 0, 2]), Instant(0));
    let guest = Guest::new(1);
    assert!(one.engine.moved().is_none());
    one.ask(&guest.on(1), &guest.rs());
    let heard = one.engine.moved().expect("it was heard");
    assert_eq!((heard.mac.0, heard.device), (guest.mac, 1));
    assert!(one.engine.moved().is_none(), "told once");
    one.ask(&guest.on(1), &guest.rs());
    assert!(one.engine.moved().is_none(), "told once");
    other.engine.moved_elsewhere(heard);

    let end = Instant(0).plus(seconds(2000));
    assert_eq!(devices_of(&run_all(&mut other, end), &guest), Vec::<u32>::new());
    assert!(devices_of(&run_all(&mut one, end), &guest).len() >= 3);

    // Neither another table nor another device makes it be looked for again.
    other.engine.publish(table(LEASES), other.now);
    other.engine.attach(4, "tap4", MacAddr([2, 0, 0, 0, 0, 4]), other.now);
    let end = end.plus(seconds(2000));
    assert_eq!(devices_of(&run_all(&mut other, end), &guest), Vec::<u32>::new());

    // It moves: who hears it advertises to it, and the other one stops.
    other.ask(&guest.on(2), &guest.rs());
    one.engine.moved_elsewhere(other.engine.moved().expect("it was heard"));
    let end = end.plus(seconds(2000));
    let later = devices_of(&run_all(&mut other, end), &guest);
    assert!(later.len() >= 3 && later.iter().all(|device| *device == 2), "{later:?}");
    assert_eq!(devices_of(&run_all(&mut one, end), &guest), Vec::<u32>::new());

    // Its device goes, which all are told: it may be anywhere again, once there is a new device.
    one.engine.detach(2);
    other.engine.detach(2);
    one.engine.attach(5, "tap5", MacAddr([2, 0, 0, 0, 0, 5]), one.now);
    let end = end.plus(seconds(60));
    assert_eq!(devices_of(&run_all(&mut one, end), &guest).len(), 6, "three on each of two devices");
}

#[test]
fn engines_that_share_a_device_advertise_to_their_share_of_its_guests() {
    let mut guests = Vec::new();
    for index in 0..2 {
        let mut world = among_others();
        for (device, name) in [(1, "tap1"), (2, "tap2"), (3, "tap-pinned")] {
            let share = Share::new(index, 2).expect("a share");
            world.engine.attach_share(device, name, MacAddr([2, 0, 0, 0, 0, 1]), share, Instant(0));
        }
        let sent = run_all(&mut world, Instant(0).plus(seconds(60)));
        let mut macs: Vec<[u8; 6]> =
            sent.iter().map(|(_, _, octets)| octets[..6].try_into().expect("six octets")).collect();
        macs.sort_unstable();
        macs.dedup();
        let share = Share::new(index, 2).expect("a share");
        assert!(!macs.is_empty() && macs.iter().all(|mac| share.has(MacAddr(*mac))), "{macs:02x?}");
        guests.extend(macs);
    }
    let mut whole = World::new();
    let mut all: Vec<[u8; 6]> = run_all(&mut whole, Instant(0).plus(seconds(60)))
        .iter()
        .map(|(_, _, octets)| octets[..6].try_into().expect("six octets"))
        .collect();
    all.sort_unstable();
    all.dedup();
    guests.sort_unstable();
    assert_eq!(guests, all, "each guest by exactly one of them");
}

/// What a guest says of relays decides which packet thread its frame goes to, and while a device comes up the kernel has
/// not put all sockets of its group back: a stray frame is answered and starts no timers beside those of the other thread.
#[test]
fn a_stray_frame_of_anothers_guest_is_answered_and_starts_no_timers() {
    let of =
        |guest: &Guest| (0..2).find(|n| Share::new(*n, 2).is_some_and(|share| share.has(MacAddr(guest.mac))));
    for guest in [Guest::new(1), Guest::new(PINNED)] {
        let mut world = among_others();
        let index = of(&guest).expect("it is somebody's");
        let share = Share::new(1 - index, 2).expect("a share");
        world.engine.attach_share(3, "tap-pinned", MacAddr([2, 0, 0, 0, 0, 3]), share, Instant(0));
        run_all(&mut world, Instant(0).plus(seconds(60)));
        world.ask(&guest.on(3), &guest.rs());
        let end = world.now.plus(seconds(2000));
        assert_eq!(devices_of(&run_all(&mut world, end), &guest), Vec::<u32>::new());
        assert!(world.engine.moved().is_none());
    }
}
