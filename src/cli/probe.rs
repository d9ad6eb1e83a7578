//! `frontdesk probe`: Act as a guest on a device and print what it would get.

use super::{Failure, exit};

/// Act as a guest on a device and print what it would get.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
