//! `frontdesk demo`: Boot three guests in a namespace of their own and show what each ended with.

use super::{Failure, exit};

/// Boot three guests in a namespace of their own and show what each ended with.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
