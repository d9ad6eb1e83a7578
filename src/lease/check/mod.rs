//! What a source must hold so that its table can be relied on: every rule that concerns more than one value.
//!
//! All problems are found in one pass over the whole file; it refuses to mend anything.

mod cross;
mod network;
mod pool;
mod port;
mod relay;
mod service;
mod size;

use super::problem::Findings;
use super::source::Source;

/// Adds what is wrong with a source to the findings.
pub(super) fn check(source: &Source, out: &mut Findings) {
    for net in &source.networks {
        network::check(net, out);
        service::check(net, out);
        pool::network(net, out);
        size::advertisement(net, out);
    }
    cross::check(source, out, |out| port::check(source, out));
    relay::check(source, out);
}
