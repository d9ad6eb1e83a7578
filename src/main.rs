//! The `frontdesk` program: hands the command line over and turns its outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    frontdesk::cli::run()
}
