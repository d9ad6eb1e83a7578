//! `frontdesk replay`: Run a capture through the dataplane and print every frame's verdict.

use super::{Failure, exit};

/// Run a capture through the dataplane and print every frame's verdict.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
