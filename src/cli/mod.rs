//! The command line: one file per subcommand, no logic beyond parsing arguments and printing.

mod bench;
mod check;
mod compile;
mod demo;
mod explain;
mod leases;
mod print;
mod probe;
mod replay;
mod run;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit codes of the program, as `sysexits.h` names them.
pub mod exit {
    /// Done, and everything was well.
    pub const OK: u8 = 0;
    /// Done, and something was not well: a guest of `demo` or `probe` was not configured, or
    /// `bench` got wrong answers or too few.
    pub const FAILED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// The lease source, table or capture holds bad data.
    pub const DATA: u8 = 65;
    /// A file to read does not exist or cannot be read.
    pub const NO_INPUT: u8 = 66;
    /// Something needed is missing on this machine: a device, a namespace, a kernel feature.
    pub const UNAVAILABLE: u8 = 69;
    /// The operating system refused something that should work.
    pub const OS: u8 = 71;
    /// A file to write cannot be created.
    pub const CANNOT_CREATE: u8 = 73;
    /// Not allowed: root or a capability is missing.
    pub const NO_PERMISSION: u8 = 77;
    /// The configuration file is wrong.
    pub const CONFIG: u8 = 78;
}

/// Why a subcommand ended: an exit code of [`exit`] and what to print on standard error.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// What happened, where, and what to do; one or more lines.
    pub message: String,
}

impl Failure {
    /// A failure with its exit code and message.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 a guest was not configured (demo, probe) or answers were wrong or lost (bench); 64 usage; 65 bad data in a lease source, table or \
capture; 66 no such file; 69 something needed is missing on this machine; 71 the operating system refused, or the output cannot be printed; 73 a file \
cannot be written; 77 not permitted (root or CAP_NET_RAW is missing); 78 bad configuration file.

Start with `frontdesk demo`: it needs no root and touches no interface of this machine.";

/// Router Advertisements, DHCPv6 and prefix delegation for guest VMs, from one lease table.
#[derive(Parser)]
#[command(name = "frontdesk", version, about, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Compile(compile::Args),
    Run(run::Args),
    Replay(replay::Args),
    Explain(explain::Args),
    Probe(probe::Args),
    Demo(demo::Args),
    Bench(bench::Args),
}

/// Runs the program with the process's arguments; the exit codes are those of [`exit`].
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is a usage error.
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Compile(args) => compile::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            print::note(format_args!("frontdesk: {failure}"));
            ExitCode::from(failure.code)
        }
    }
}
