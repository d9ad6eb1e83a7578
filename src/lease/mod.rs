//! What the operator promised, per MAC: lease source → check → compile → [`LeaseTable`].
//!
//! No packet is known here. A problem of a source names the file, the line, the field, the value and the remedy, and
//! all problems are reported at once. A table that exists is right: every reference and invariant was checked.
//!
//! [`load`] does it all for the octets of one file; [`file::write`] gives the octets that `load` reads without parsing.

mod allocate;
mod check;
mod compile;
mod derive;
pub mod file;
mod instances;
mod load;
pub mod options;
mod problem;
pub mod record;
mod relay;
mod source;
mod table;

pub use load::{Form, LoadError, Loaded, Lock, LockChange, load, load_locked, load_with_lock, lock_path};
pub use problem::{Problem, Severity};
pub use relay::{Identify, Relay};
pub use table::{DeviceId, LeaseTable, Lookup, Network, NetworkId, Port, PortId, Sections, hash_key};
