//! Values that everybody shares: addresses, names, identifiers, durations and every limit of the program.
//!
//! Nothing here does I/O, reads a clock or knows a packet; allocation is avoided where it can be.

mod duid;
pub mod ip6;
pub mod limits;
mod mac;
mod name;
mod time;

pub use duid::{Duid, DuidError};
pub use mac::{MacAddr, MacError};
pub use name::{DomainName, NameError};
pub use time::{Instant, Lifetime};
