//! Upstreams of the metadata service, asked for a guest: by scripted servers that break off, hang, refuse and dawdle, and
//! by one that checks Nova's contract. No privileges are needed.

mod bodies;
mod health;
mod house;
mod identity;
#[path = "../metadata/nova.rs"]
#[allow(dead_code)] // the tests in namespaces use the rest
mod nova;
mod server;
