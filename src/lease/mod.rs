//! What the operator promised, per MAC: lease source → check → compile → [`LeaseTable`].
//!
//! No packet is known here. A problem of a source names the file, the line, the field, the value and the remedy, and
//! all problems are reported at once. A table that exists is right: every reference and invariant was checked.

pub mod options;
pub mod record;
mod table;

pub use table::{DeviceId, LeaseTable, Lookup, Network, NetworkId, Port, PortId, Sections, hash_key};
