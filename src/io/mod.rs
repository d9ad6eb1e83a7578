//! Clocks, sockets, rings, netlink and capture files: the only room with `unsafe`.
//!
//! Nothing here decides what a guest gets; a [`responder::Responder`] does, and the port carries octets both ways.

pub mod atomic;
pub mod bare;
pub mod bench;
pub mod capture;
pub mod child;
pub mod clock;
pub mod descriptors;
mod epoll;
pub mod label;
pub mod links;
pub mod memory;
pub mod metadata;
mod modesty;
pub mod netns;
pub mod packet;
pub mod probe;
mod quarantine;
pub mod replay;
pub mod responder;
pub mod timed;
pub mod upstream;
pub mod worker;
pub mod workers;
