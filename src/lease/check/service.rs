//! The rules of a network's metadata service: each address and port once, none of them the router's, nothing said of
//! a service that is not there.

use crate::lease::problem::{Field, Findings};
use crate::lease::source::{Network, Service};

pub(super) fn check(network: &Network, out: &mut Findings) {
    let at = |key: &'static str| Field::network(&network.name).key(key);
    let metadata = &network.metadata;
    for (i, service) in metadata.services.iter().enumerate() {
        let at = || at("service_addresses").index(service.index);
        let same = |other: &&Service| (other.address, other.port) == (service.address, service.port);
        if let Some(other) = metadata.services.iter().take(i).find(same) {
            let what = format!("is service_addresses[{}] too", other.index);
            out.error(at(), what, shown(service), "write each address and port once");
        }
        let gateway = network.subnets.iter().any(|subnet| subnet.gateway == Some(service.address));
        if gateway || network.answer_address() == service.address {
            let remedy = "give the service an address of its own";
            out.error(at(), "is the router's address", shown(service), remedy);
        }
    }
    if !metadata.services.is_empty() {
        return;
    }
    let remedy = "write metadata = true, or take it out";
    if let Some(name) = &metadata.upstream {
        out.warning(
            at("metadata_upstream"),
            "is never asked: the network has no service address",
            name,
            remedy,
        );
    }
    if metadata.token_required == Some(true) {
        let what = "guards nothing: the network has no service address";
        out.warning(at("metadata_token"), what, "required", remedy);
    }
}

fn shown(service: &Service) -> String {
    format!("[{}]:{}", service.address, service.port)
}
