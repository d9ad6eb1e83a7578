//! Configuration, start, reload and stop of the running dataplane.

pub mod demo;
