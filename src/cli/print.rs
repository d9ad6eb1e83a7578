//! Standard output and standard error for every subcommand.
//!
//! A reader who has seen enough (`| head`) is no error: the command ends quietly with the exit code that it would have
//! had. Output that is lost for another reason, such as a full disk, is a failure with [`exit::OS`]. Standard error
//! is written for people, and nobody can be told that it failed.

use std::fmt::Display;
use std::io::{self, BufWriter, StdoutLock, Write};

use super::{Failure, exit};

/// Prints a whole text.
pub(super) fn text(text: impl Display) -> Result<(), Failure> {
    let mut printer = Printer::new();
    printer.print(text)?;
    printer.finish()
}

/// Prints a line on standard error.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a text in parts.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    enough: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), enough: false }
    }

    /// Prints one part; false when nobody reads any more, so that further parts need not be made.
    pub(super) fn print(&mut self, part: impl Display) -> Result<bool, Failure> {
        let written = write!(self.out, "{part}");
        self.judge(written)?;
        Ok(!self.enough)
    }

    /// Hands over what is buffered.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.out.flush();
        self.judge(flushed)
    }

    fn judge(&mut self, outcome: io::Result<()>) -> Result<(), Failure> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.enough = true;
                Ok(())
            }
            Err(error) => {
                Err(Failure::new(exit::OS, format!("standard output: cannot print the result: {error}")))
            }
            Ok(()) => Ok(()),
        }
    }
}
