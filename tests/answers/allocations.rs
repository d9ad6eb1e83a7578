//! No allocation per frame, answered or not: fixed memory whatever guests send.

use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, RxFrame};
use frontdesk::types::limits::MAX_FRAME;

use crate::world::{Guest, ROUTER, World, client_id, ia_na, ia_pd, option, oro, server_id};

#[test]
fn no_frame_makes_the_engine_allocate() {
    let mut world = World::new();
    let guest = Guest::new(1);
    let asked = oro(&[23, 24, 39, 56, 82]);
    let both = [ia_na(1, &["2001:db8:1::4", "2001:db8:99::1"]), ia_pd(1, &[("::", 56)])].concat();
    let fqdn = option(39, &[1]);
    let ids = [client_id(&guest), server_id()].concat();
    let mut frames = vec![guest.rs(), guest.ns(ROUTER), guest.icmp(ROUTER, 64, 128, 0, &[0; 100])];
    for kind in [3, 5, 8, 9] {
        frames.push(guest.dhcp(kind, &[ids.clone(), both.clone(), asked.clone(), fqdn.clone()].concat()));
    }
    for kind in [1, 4, 6] {
        frames.push(guest.dhcp(kind, &[client_id(&guest), both.clone(), asked.clone()].concat()));
    }
    frames.push(guest.dhcp(11, &asked));
    frames.push(Guest::new(0x99).rs());
    frames.push(guest.dhcp(1, &[0, 1, 0xff]));
    let mut out = vec![0; MAX_FRAME];
    let mut answered = 0;
    for frame in &frames {
        let rx =
            |octets| RxFrame { device: 1, vlan: 0, checksum: Checksum::Unknown, length: frame.len(), octets };
        // The first frame of a port starts its timer; from then on nothing is new.
        world.engine.frame(world.now, rx(frame), &mut out);
        let seen = allocation_counter::measure(|| {
            if let Verdict::Answer { .. } = world.engine.frame(world.now, rx(frame), &mut out) {
                answered += 1;
            }
        });
        assert_eq!(seen.count_total, 0, "{frame:02x?}");
    }
    assert_eq!(answered, frames.len() - 2);
}

/// Two guests that say the same MAC, or one that flaps: each of its frames puts it elsewhere, and is answered at once.
#[test]
fn a_guest_that_is_heard_here_and_there_in_turn_takes_no_memory() {
    let mut world = World::quiet();
    let (guest, mut out) = (Guest::new(1), vec![0; MAX_FRAME]);
    let frame = guest.rs();
    let taken = allocation_counter::measure(|| {
        for turn in 0..100_000 {
            let checksum = Checksum::Unknown;
            let rx = RxFrame { device: 1 + turn % 2, vlan: 0, checksum, length: frame.len(), octets: &frame };
            world.now = world.now.plus(std::time::Duration::from_micros(1));
            assert!(matches!(world.engine.frame(world.now, rx, &mut out), Verdict::Answer { .. }));
        }
    });
    assert!(taken.bytes_max < 256 << 10, "{taken:?}");
}
