//! Clocks, sockets, rings, netlink and capture files: the only room with `unsafe`.

pub mod capture;
pub mod label;
pub mod replay;
