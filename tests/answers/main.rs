//! The pure function, asked by frames that others build (etherparse, hand-written octets) and read by others
//! (dhcproto, etherparse). Each test names the rule of RFC 9915, 4861 or 8200 that it proves. The frames of every
//! test are left as a capture under cargo's target directory, to be opened in Wireshark.

mod allocations;
mod boot;
mod dhcp6_corners;
mod dhcp6_matrix;
mod dhcp6_options;
mod dhcp6_validity;
mod documents;
mod echo;
mod envelope;
#[path = "../support/frames.rs"]
mod frames;
mod identity;
mod laws;
mod neighbor;
mod openstack_2017;
#[path = "../support/reading.rs"]
mod reading;
mod registration;
mod relay;
mod router;
mod tape;
mod tcp;
mod timers;
mod world;
