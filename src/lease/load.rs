//! From the octets of a file, source or table, to a [`LeaseTable`] in one call. Files themselves are read by others.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::allocate::{Outcome, allocate};
use super::file::{self, FileError};
use super::problem::{Findings, Problem, Severity};
use super::source::Source;
use super::table::LeaseTable;
use super::{check, compile, source};

/// What a file was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A lease source, TOML or JSON.
    Source,
    /// A compiled table.
    Table,
}

/// A table, and what its source should be told.
#[derive(Debug)]
pub struct Loaded {
    /// The table.
    pub table: LeaseTable,
    /// What the file was.
    pub form: Form,
    /// Problems that did not prevent it, in the order of the file; a compiled table has none.
    pub warnings: Vec<Problem>,
    /// The lock file as it has to be; `None` when it is so already, or when nothing comes out of pools.
    pub lock: Option<LockChange>,
}

/// What a lock file has to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockChange {
    /// Its whole text.
    pub text: String,
    /// Lines that are new.
    pub added: usize,
    /// Lines that were taken out, because nobody uses them and the operator prunes.
    pub pruned: usize,
    /// Lines that nobody uses and that are kept.
    pub unused: usize,
}

/// The lock file beside a source: which allocations were made before, and whether those that nobody uses are to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Octets of the file; `None` when there is none.
    pub octets: Option<Vec<u8>>,
    /// Take lines out that nobody uses.
    pub prune: bool,
}

/// The name of the lock file beside a source: the same with the ending `.lock`, and never the source's own.
#[must_use]
pub fn lock_path(source: &Path) -> PathBuf {
    if source.extension().is_some_and(|extension| extension == "lock") {
        return source.with_extension("lock.lock");
    }
    source.with_extension("lock")
}

/// Why there is no table.
#[derive(Debug)]
pub enum LoadError {
    /// The source has errors; warnings are among them. In the order of the file.
    Source(Vec<Problem>),
    /// The compiled table is refused.
    Table {
        /// Name of the file, as the caller gave it.
        file: Arc<str>,
        /// Why.
        why: FileError,
    },
}

impl fmt::Display for LoadError {
    /// One line for each problem.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(problems) => {
                for (i, problem) in problems.iter().enumerate() {
                    write!(out, "{}{problem}", if i == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            Self::Table { file, why } => write!(out, "{file}: {why}"),
        }
    }
}

impl std::error::Error for LoadError {}

/// Makes a table of the octets of a file that needs no lock file. A compiled table is known by its first octets;
/// anything else is a source, JSON if its name ends in `.json` or its text starts with a brace, TOML otherwise.
///
/// # Errors
/// [`LoadError`] with every problem of a source, or the reason why a compiled table is refused.
pub fn load(name: &str, octets: Vec<u8>) -> Result<Loaded, LoadError> {
    load_locked(name, octets, None)
}

/// [`load`] with the lock file beside the source, which must list everything that comes out of pools.
///
/// # Errors
/// As those of [`load`]; a problem of the lock file when it would have to change.
pub fn load_locked(name: &str, octets: Vec<u8>, lock: Option<Vec<u8>>) -> Result<Loaded, LoadError> {
    let mut loaded = load_with_lock(name, octets, Lock { octets: lock, prune: false })?;
    let Some(change) = loaded.lock else { return Ok(loaded) };
    let what = match change.added {
        1 => "1 allocation is missing".to_owned(),
        added => format!("{added} allocations are missing"),
    };
    let remedy = "run `frontdesk compile` on the lease source, and keep the lock file under version control";
    loaded.warnings.push(whole_file(&lock_name(name), 1, &what, remedy));
    Err(LoadError::Source(loaded.warnings))
}

/// [`load`] with the lock file beside the source; what is missing in it is allocated, and the caller writes it.
///
/// # Errors
/// As those of [`load`]; the problems of the lock file stand among those of the source.
pub fn load_with_lock(name: &str, octets: Vec<u8>, lock: Lock) -> Result<Loaded, LoadError> {
    let file: Arc<str> = name.into();
    if file::is_table(&octets) {
        let table = file::read(octets).map_err(|why| LoadError::Table { file, why })?;
        return Ok(Loaded { table, form: Form::Table, warnings: Vec::new(), lock: None });
    }
    let text = text(&file, octets)?;
    let read = source::read(name, text.strip_prefix('\u{feff}').unwrap_or(&text));
    let (source, mut findings, document) = (read.source, read.findings, read.document);
    check::check(&source, &mut findings);
    let mut allocated = Ok((Outcome::default(), None));
    if !findings.has_errors() {
        allocated = allocations(&source, &lock_name(name), lock, &mut findings);
    }
    let failed = findings.has_errors() || allocated.is_err();
    let mut warnings = document.problems(&file, findings);
    if failed {
        warnings.extend(allocated.err().into_iter().flatten());
        return Err(LoadError::Source(warnings));
    }
    // A large source and its table need not be in memory at once.
    drop(document);
    let (outcome, lock) = allocated.unwrap_or_default();
    let table = compile::compile(&source, &outcome.allocations, text.into_bytes()).map_err(|why| {
        let remedy = "compile one table for each hypervisor";
        LoadError::Source(vec![whole_file(&file, 1, &why.to_string(), remedy)])
    })?;
    Ok(Loaded { table, form: Form::Source, warnings, lock })
}

fn lock_name(source: &str) -> Arc<str> {
    lock_path(Path::new(source)).display().to_string().into()
}

/// What the ports get out of pools, and what the lock file has to become; or what is wrong with the lock file.
fn allocations(
    source: &Source,
    file: &Arc<str>,
    lock: Lock,
    of_source: &mut Findings,
) -> Result<(Outcome, Option<LockChange>), Vec<Problem>> {
    let prune = lock.prune;
    let text = lock.octets.map(|octets| text(file, octets)).transpose().map_err(|error| match error {
        LoadError::Source(problems) => problems,
        LoadError::Table { .. } => Vec::new(),
    })?;
    let mut of_lock = Findings::default();
    let listed = text.as_deref().map(|text| source::read_lock(text, &mut of_lock)).unwrap_or_default();
    let problems = |findings| source::lock_problems(text.as_deref().unwrap_or(""), file, findings);
    if of_lock.has_errors() {
        return Err(problems(of_lock));
    }
    let mut outcome = allocate(source, listed, prune, (of_source, &mut of_lock));
    if of_lock.has_errors() {
        return Err(problems(of_lock));
    }
    let change = (outcome.added > 0 || outcome.pruned > 0).then(|| LockChange {
        text: source::write_lock(outcome.lines.iter()),
        added: outcome.added,
        pruned: outcome.pruned,
        unused: outcome.unused,
    });
    outcome.lines = Vec::new();
    Ok((outcome, change))
}

/// The octets as text.
fn text(file: &Arc<str>, octets: Vec<u8>) -> Result<String, LoadError> {
    String::from_utf8(octets).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let octets = error.as_bytes();
        let line = 1 + octets.iter().take(good).filter(|b| **b == b'\n').count();
        let value = octets.get(good).map_or_else(String::new, |octet| format!("octet 0x{octet:02x}"));
        let mut problem = whole_file(file, line, "the text is not UTF-8", "save the file as UTF-8");
        problem.value = value;
        LoadError::Source(vec![problem])
    })
}

fn whole_file(file: &Arc<str>, line: usize, what: &str, remedy: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        file: Arc::clone(file),
        line,
        field: String::new(),
        what: what.to_owned(),
        value: String::new(),
        remedy: remedy.to_owned(),
    }
}
