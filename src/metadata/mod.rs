//! The metadata service, without sockets and clocks: who asks, what is answered, and the guests' TCP.
//!
//! A guest's connection to a service address is terminated from its own frames, so it is known by the MAC, VLAN and
//! device of those frames, whatever link-local address it uses and whatever its headers say. Octets and the time come
//! in; frames and requests go out.
//!
//! | file | holds |
//! |---|---|
//! | `guest.rs` | who asks: the port, its instance and its project |
//! | `request.rs` | which requests are refused before anybody is asked |
//! | `meter.rs` | how many requests a guest may send |
//! | `limits.rs` | every bound of the service, with its default and its reason |
//! | `segment.rs` | a TCP segment on its way to the guest's stack |
//! | `stacks/` | the guests' TCP, one small stack for each guest that has a connection |

mod guest;
mod limits;
mod meter;
pub mod request;
mod segment;
pub mod stacks;

pub use guest::{Guest, Identity};
pub use limits::Limits;
pub use segment::Segment;
