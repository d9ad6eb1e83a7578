//! Who answers on this hypervisor, and within which bounds.

use std::collections::BTreeMap;

use super::{Limits, UpstreamConfig};
use crate::lease::LeaseTable;

/// The name of the upstream that is always there: documents of the guest's own lease.
pub const DOCUMENTS: &str = "documents";

/// The metadata service as the operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who answers for networks that do not say: [`DOCUMENTS`] or one of `upstreams`.
    pub default: String,
    /// The bounds of the service.
    pub limits: Limits,
    /// Who else can be asked, by the names that networks use.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self { default: DOCUMENTS.to_owned(), limits: Limits::default(), upstreams: BTreeMap::new() }
    }
}

impl Config {
    /// What there would be to complain of before `table` may be served: one sentence for each name of an upstream that
    /// is not configured here.
    #[must_use]
    pub fn complaints(&self, table: &LeaseTable) -> Vec<String> {
        let mut missing: BTreeMap<&str, &str> = BTreeMap::new();
        for network in table.networks() {
            let name = network.metadata_upstream();
            let known = name.is_empty() || name == DOCUMENTS || self.upstreams.contains_key(name);
            if !known && !network.services().is_empty() {
                missing.entry(name).or_insert(network.name());
            }
        }
        let complaint = |(name, network)| {
            format!(
                "networks.{network}.metadata_upstream: no upstream is called {name:?} on this hypervisor; write \
                 [metadata.upstreams.{name}] in its configuration file, or another name"
            )
        };
        missing.into_iter().map(complaint).collect()
    }
}
