//! Frontdesk: one dataplane per hypervisor that configures IPv6 guests from a lease table.
//!
//! Every answer is a pure function of the frame and the table: Router Advertisements, neighbour
//! advertisements, DHCPv6 and prefix delegation. A guest is known by the source MAC and the device of its frames,
//! never by a DUID, an IAID or an address that it claims.
//!
//! A module uses only modules to its right; `tests/architecture.rs` fails otherwise:
//!
//! ```text
//! main → cli → daemon → io → engine → { answer, metadata } → lease → wire → types
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | [`types`] | addresses, names, identifiers, lifetimes, limits |
//! | [`wire`] | octets ↔ meaning: frames, Neighbor Discovery, DHCPv6 |
//! | [`lease`] | lease source → check → compile → lease table |
//! | [`answer`] | the pure function, one file per exchange |
//! | [`metadata`] | the metadata service: who asks, documents, the guests' TCP |
//! | [`engine`] | counters, timers, publication of tables; time is an argument |
//! | [`io`] | clocks, sockets, rings, netlink, capture files; the only `unsafe` |
//! | [`daemon`] | configuration, start, reload, stop |
//! | [`cli`] | one file per subcommand |

#![warn(unreachable_pub)]

pub mod answer;
pub mod cli;
pub mod daemon;
pub mod engine;
pub mod io;
pub mod lease;
pub mod metadata;
pub mod types;
pub mod wire;
