//! The metadata service, without sockets and clocks: who asks, what is answered, and the guests' TCP.
//!
//! A guest's connection to a service address is terminated from its own frames, so it is known by the MAC, VLAN and
//! device of those frames, whatever link-local address it uses and whatever its headers say. Octets and the time come
//! in; frames and requests go out.
//!
//! | file | holds |
//! |---|---|
//! | `guest.rs` | who asks: the port, its instance and its project |
//! | `segment.rs` | a TCP segment on its way to the guest's stack |
//! | `stacks/` | the guests' TCP, one small stack for each guest that has a connection |
//! | `meter.rs` | how many requests a guest may send |
//! | `limits.rs` | every bound of the service, with its default and its reason |
//! | `config.rs` | who answers on this hypervisor |
//! | `request.rs` | which requests are refused before anybody is asked |
//! | `path.rs` | the path of a request in its one plain form |
//! | `documents/` | answers made of the port's own lease |
//! | `upstream.rs` | where an upstream is, and how it is told who asks |
//! | `template.rs` | values of identity fields as operators write them |
//! | `fields.rs` | header fields that stop at us, and those that only we may set |
//! | `forward.rs` | a guest's request as an upstream may see it, an upstream's answer as the guest may |
//! | `secret.rs` | octets that no log shows |

mod config;
pub mod documents;
pub mod fields;
pub mod forward;
mod guest;
mod limits;
mod meter;
mod path;
pub mod request;
mod secret;
mod segment;
pub mod stacks;
mod template;
pub mod upstream;

pub use config::{Config, DOCUMENTS};
pub use forward::Forwarding;
pub use guest::{Guest, Identity};
pub use limits::Limits;
pub use path::is_plain_path;
pub use secret::Secret;
pub use segment::Segment;
pub use template::Template;
pub use upstream::{Endpoint, TlsConfig, UpstreamConfig, UpstreamKind};
