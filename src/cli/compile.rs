//! `frontdesk compile`: Compile a lease source into a table file.

use super::{Failure, exit};

/// Compile a lease source into a table file.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
