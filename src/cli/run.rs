//! `frontdesk run`: Answer guests on the devices of this machine.

use super::{Failure, exit};

/// Answer guests on the devices of this machine.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
