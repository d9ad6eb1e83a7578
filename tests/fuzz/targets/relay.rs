#![cfg_attr(feature = "libfuzzer", no_main)]

#[path = "../laws/mod.rs"]
mod laws;

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    laws::relay(octets);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() {}
