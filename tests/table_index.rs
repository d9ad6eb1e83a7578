//! The hash of the compiled index spreads the keys that clouds have: chains stay short at a million ports.

use frontdesk::lease::hash_key;
use frontdesk::types::MacAddr;

fn mac(number: u64) -> MacAddr {
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    MacAddr([a, b, c, d, e, f])
}

/// Longest and mean number of slots looked at, over all keys, in an index twice as large as the number of keys.
fn chains(keys: impl Iterator<Item = (u16, MacAddr)>) -> (usize, f64) {
    let keys: Vec<(u16, MacAddr)> = keys.collect();
    let slots = (keys.len() * 2).next_power_of_two();
    let mut used = vec![false; slots];
    let (mut longest, mut total) = (0, 0);
    for (vlan, mac) in &keys {
        let mut at = hash_key(*vlan, *mac) as usize & (slots - 1);
        let mut steps = 1;
        while std::mem::replace(&mut used[at], true) {
            at = (at + 1) & (slots - 1);
            steps += 1;
        }
        longest = longest.max(steps);
        total += steps;
    }
    (longest, total as f64 / keys.len() as f64)
}

/// Linear probing of a half-full table by an ideal hash looks at 1.5 slots for a key that is there (Knuth, vol. 3, 6.4)
/// and, among a million keys, at some fifty at worst.
#[test]
fn chains_are_as_short_as_an_ideal_hash_would_have_them() {
    const PORTS: u64 = 1 << 20;
    let base = 0xfa16_3e00_0000;
    type Keys = Box<dyn Iterator<Item = (u16, MacAddr)>>;
    let patterns: [(&str, Keys); 6] = [
        ("sequential", Box::new((0..PORTS).map(move |i| (0, mac(base + i))))),
        (
            "sequential on 4094 VLANs",
            Box::new((0..PORTS).map(move |i| ((i % 4094) as u16 + 1, mac(base + i)))),
        ),
        (
            "the same few on 4094 VLANs",
            Box::new((0..PORTS).map(move |i| ((i % 4094) as u16 + 1, mac(base + i / 4094)))),
        ),
        ("every sixteenth", Box::new((0..PORTS).map(move |i| (0, mac(base + i * 16))))),
        ("counted in the first octets", Box::new((0..PORTS).map(|i| (7, mac(i << 26))))),
        ("scattered", Box::new((0..PORTS).map(|i| (1, mac(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16))))),
    ];
    for (name, keys) in patterns {
        let (longest, mean) = chains(keys);
        println!("{name}: longest {longest}, mean {mean:.3}");
        assert!(longest <= 100, "{name}: longest chain {longest}");
        assert!(mean < 1.6, "{name}: mean chain {mean}");
    }
}
