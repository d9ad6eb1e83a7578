//! The documents that are made of a port's own lease, asked for as guests ask. Expected documents are Nova's documented
//! ones and what AWS documents; cloud-init's own readers take in the rest.

mod access;
mod cloud_init;
mod desk;
mod ec2;
mod laws;
mod network;
mod openstack;
