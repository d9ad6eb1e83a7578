//! Real guest software of Debian 12 against `frontdesk run` on a bridge's ports: after each exchange the guest's own
//! state must be exactly its lease of `fixtures/clients.toml`.
//!
//! Every test has namespaces of its own ([`house`]); no device, file or process of the machine is touched. Where
//! namespaces are forbidden a test says so, and fails when `CI=true`; where a client is not installed it fails with the
//! name of its Debian package.

#[path = "../namespace/mod.rs"]
mod namespace;
#[path = "../support/mod.rs"]
mod support;

mod dhclient;
mod dhcpcd;
mod dibbler;
mod events;
mod firmware;
mod house;
mod kernel;
mod leases;
mod life;
mod network_manager;
mod networkd;
mod rdisc6;
mod rdnssd;
mod recorded;
mod relay;
mod state;
mod strangers;
mod wide;
