//! Configuration, start, reload and stop of the running dataplane.
//!
//! The control thread: it opens sockets, follows netlink and signals, loads lease tables and hands all of it to the
//! packet thread. It touches no packet. A lease file that is bad never replaces a good one.

mod closer;
mod config;
mod counters;
pub mod demo;
mod devices;
mod events;
mod leases;
mod listener;
mod log;
mod notify;
pub mod pair;
mod service;
mod stock;

pub use config::{Config, LogFormat, Problem, Settings, attach_patterns, busy_poll, ring_frames, workers};
pub use service::{RunError, run};
