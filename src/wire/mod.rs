//! Octets ↔ meaning: frames, Neighbor Discovery, DHCPv6, the heads of TCP segments.
//!
//! The contract of this room:
//! 1. Reading never panics, never allocates and never reads outside its slice; a nested structure is bounded by its own
//!    length, not by what lies behind it.
//! 2. Writing never passes the end of its buffer; lengths are patched by the [`Writer`].
//! 3. Neither knows a lease or decides anything.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects
    )
)]

pub mod checksum;
pub mod dhcp6;
pub mod envelope;
pub mod frame;
pub mod ndp;
mod reader;
pub mod tcp;
mod writer;

pub use reader::{Reader, Short};
pub use writer::{Full, Writer};
