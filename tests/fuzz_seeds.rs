//! The seeds of the fuzz targets, and every input that once broke something (`tests/fuzz/crashes`), shown to the laws
//! that the fuzzer checks: the same code on every machine, without a fuzzer.

#[path = "fuzz/laws/mod.rs"]
mod laws;

use std::fs;
use std::path::Path;

#[test]
fn every_seed_and_every_old_crash_keeps_the_laws() {
    for (target, law) in laws::TARGETS {
        let seeds = laws::seeds::of(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        let answered = seeds.iter().filter(|seed| law(seed)).count();
        assert!(answered > 0, "no seed of {target} is answered: its laws would say nothing");
        println!("{target}: {answered} of {} seeds answered", seeds.len());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/crashes").join(target);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            println!("{}", path.display());
            law(&fs::read(path).expect("a readable file"));
        }
    }
}

/// Seeds with single octets changed: the laws hold for them too, and the test needs no fuzzer to say so.
#[test]
fn seeds_with_one_octet_changed_keep_the_laws() {
    for (target, law) in
        laws::TARGETS.into_iter().filter(|(target, _)| !matches!(*target, "lease_source" | "table_file"))
    {
        for (number, seed) in laws::seeds::of(target).iter_mut().enumerate().filter(|(n, _)| n % 4 == 0) {
            for step in 0..8 {
                let at = (number * 31 + step * 17) % seed.len();
                let octet = seed[at];
                for other in [0, 0xff, octet ^ 1, octet.wrapping_add(1)] {
                    seed[at] = other;
                    law(seed);
                }
                seed[at] = octet;
            }
        }
    }
}
