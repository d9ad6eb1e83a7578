//! What must hold for any input of a reader: the bodies of the fuzz targets, and of the test that replays their seeds.
//!
//! The first octets of an input choose who speaks where; the rest is what is read. See [`seeds`] for first inputs.
#![allow(dead_code, reason = "every program uses its part")]

mod answers;
#[path = "../../support/frames.rs"]
mod frames;
mod readers;
#[path = "../../support/reading.rs"]
mod reading;
pub mod seeds;

pub use answers::{dhcp6, frame, ndp, relay};
pub use readers::{lease_source, table_file};

/// What must hold for an input; true when it was answered, or opened.
pub type Law = fn(&[u8]) -> bool;

/// Every target by name.
pub const TARGETS: [(&str, Law); 6] = [
    ("frame", frame),
    ("ndp", ndp),
    ("dhcp6", dhcp6),
    ("relay", relay),
    ("table_file", table_file),
    ("lease_source", lease_source),
];
