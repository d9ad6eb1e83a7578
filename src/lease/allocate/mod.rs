//! Addresses and prefixes out of pools.

mod wants;

pub(super) use wants::{address_subnets, prefix_length};
