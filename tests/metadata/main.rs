//! The metadata service with real software on real devices: guests' kernels, curl and cloud-init in namespaces, against
//! `frontdesk run`, documents and upstreams.

mod crowd;
mod documents;
#[path = "../support/frames.rs"]
mod frames;
mod hostile;
mod house;
#[path = "../namespace/mod.rs"]
mod namespace;
mod nova;
mod persistence;
mod support;
mod upstreams;
