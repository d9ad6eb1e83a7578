//! `frontdesk explain`: Say why one frame of a capture is answered as it is.

use super::{Failure, exit};

/// Say why one frame of a capture is answered as it is.
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, Failure> {
    Err(Failure::new(exit::UNAVAILABLE, "not built yet"))
}
