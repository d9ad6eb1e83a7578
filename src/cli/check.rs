//! `frontdesk check`: Check a lease source and print every problem, or a summary.

use super::{Failure, exit};

/// Check a lease source and print every problem, or a summary.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
