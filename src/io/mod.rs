//! Clocks, sockets, rings, netlink and capture files: the only room with `unsafe`.
//!
//! Nothing here decides what a guest gets; the engine does, and the port carries octets both ways.

pub mod atomic;
pub mod capture;
pub mod label;
pub mod replay;
