//! Neighbor Discovery messages and options (RFC 4861 §4).

pub mod advertisement;
