//! `frontdesk compile`: writes the table of a lease source.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::check::counted;
use super::leases::Files;
use super::{Failure, exit, print};
use crate::io::atomic::{self, Readers};
use crate::lease::{Form, LoadError, Lock, LockChange, file, load_locked, load_with_lock, lock_path};

const LONG: &str = "\
Compile a lease source (TOML or JSON) into a table file that `frontdesk run` opens without parsing text.

The table is checksummed, carries its format version and is the same, octet for octet, whichever machine compiles it. It \
is written beside its final name, synced and renamed, so that a reader sees the old table or the new one, never a \
half; if anything fails the old one stays. A new file is readable by its owner only (metadata may hold secrets of \
guests); a file that is replaced keeps its permissions.

Addresses and prefixes that ports get out of pools are listed in the lock file beside the source (leases.lock for \
leases.toml): one line each, to be kept under version control. What it lists stays as it is; what is missing is taken \
from the lowest free place and added; lines of ports that are gone stay, and are given to nobody else, until --prune \
takes them out.

Problems are printed on standard error as `frontdesk check` prints them; with an error no table is written.";

const AFTER: &str = "\
Exit codes: 0 written; 65 the source has errors, or the lock file would change and --locked is given; 66 the source \
cannot be read; 71 the summary cannot be printed; 73 the table or the lock file cannot be written.

Examples:
  frontdesk compile leases.toml -o leases.table
  frontdesk compile --locked leases.toml -o leases.table   # in a pipeline: allocates nothing
  frontdesk compile --prune leases.toml -o leases.table    # frees what nobody uses";

/// Compile a lease source into a table file.
#[derive(clap::Args)]
#[command(long_about = LONG, after_help = AFTER)]
pub(super) struct Args {
    /// Lease source: TOML, or JSON if it ends in .json or starts with a brace.
    #[arg(value_name = "LEASES")]
    leases: PathBuf,
    /// Table file to write or replace.
    #[arg(short, long, value_name = "TABLE")]
    output: PathBuf,
    /// Fail if the lock file would change.
    #[arg(long, conflicts_with = "prune")]
    locked: bool,
    /// Take allocations out of the lock file that no port uses any more.
    #[arg(long)]
    prune: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, Failure> {
    let started = Instant::now();
    let name = args.leases.display();
    let Files { leases, lock, .. } = Files::read(&args.leases)?;
    let named = args.leases.display().to_string();
    let loaded = if args.locked {
        load_locked(&named, leases, lock)
    } else {
        load_with_lock(&named, leases, Lock { octets: lock, prune: args.prune })
    };
    let loaded = loaded.map_err(|error| {
        let counted = match &error {
            LoadError::Source(problems) => format!("{name}: {}, no table is written\n", counted(problems)),
            LoadError::Table { .. } => String::new(),
        };
        Failure::new(exit::DATA, format!("{counted}{error}"))
    })?;
    if loaded.form == Form::Table {
        let message = format!("{name}: is a compiled table already; name its lease source, or copy the file");
        return Err(Failure::new(exit::DATA, message));
    }
    for warning in &loaded.warnings {
        print::note(warning);
    }
    // The lock file first: a table must never hold what no lock file lists.
    if let Some(change) = &loaded.lock {
        write_lock(&lock_path(&args.leases), change)?;
    }
    let table = &loaded.table;
    let mut length = 0;
    let written = atomic::replace(&args.output, Readers::Owner, |out| {
        let mut counting = Counting { out, octets: 0 };
        file::write(table, &mut counting)?;
        length = counting.octets;
        Ok(())
    });
    written.map_err(|error| {
        let message = format!("{}: cannot write the table: {error}", args.output.display());
        Failure::new(exit::CANNOT_CREATE, message)
    })?;
    print::text(format_args!(
        "{}: {} ports on {} networks, {length} octets, {:.3} s\n",
        args.output.display(),
        table.port_count(),
        table.network_count(),
        started.elapsed().as_secs_f64(),
    ))?;
    Ok(exit::OK)
}

fn write_lock(path: &Path, change: &LockChange) -> Result<(), Failure> {
    let name = path.display();
    atomic::replace(path, Readers::All, |out| out.write_all(change.text.as_bytes())).map_err(|error| {
        Failure::new(exit::CANNOT_CREATE, format!("{name}: cannot write the lock file: {error}"))
    })?;
    let unused = match change.unused {
        0 => String::new(),
        unused => format!(", {unused} unused (--prune takes them out)"),
    };
    print::text(format!("{name}: {} allocations added, {} pruned{unused}\n", change.added, change.pruned))
}

/// Counts what passes.
struct Counting<'w> {
    out: &'w mut dyn std::io::Write,
    octets: u64,
}

impl std::io::Write for Counting<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(octets)?;
        self.octets += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
