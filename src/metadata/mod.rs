//! The metadata service, without sockets and clocks: who asks, what is answered, and the guests' TCP.
//!
//! A guest's connection to a service address is terminated from its own frames, so it is known by the MAC, VLAN and
//! device of those frames, whatever link-local address it uses and whatever its headers say. Octets and the time come
//! in; frames and requests go out.
//!
//! | file | holds |
//! |---|---|
//! | `guest.rs` | who asks: the port, its instance and its project |
//! | `limits.rs` | every bound of the service, with its default and its reason |

mod guest;
mod limits;

pub use guest::{Guest, Identity};
pub use limits::Limits;
