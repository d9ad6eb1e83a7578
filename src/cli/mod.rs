//! The command line: one file per subcommand.

use std::process::ExitCode;

/// Runs the program with the process's arguments; the exit code is documented in `--help`.
#[must_use]
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
