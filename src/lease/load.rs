//! From the octets of a file, source or table, to a [`LeaseTable`] in one call. Files themselves are read by others.

use std::fmt;
use std::sync::Arc;

use super::file::{self, FileError};
use super::problem::{Problem, Severity};
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

/// Makes a table of the octets of a file. A compiled table is known by its first octets; anything else is a source,
/// JSON if its name ends in `.json` or its text starts with a brace, TOML otherwise.
///
/// # Errors
/// [`LoadError`] with every problem of a source, or the reason why a compiled table is refused.
pub fn load(name: &str, octets: Vec<u8>) -> Result<Loaded, LoadError> {
    let file: Arc<str> = name.into();
    if file::is_table(&octets) {
        let table = file::read(octets).map_err(|why| LoadError::Table { file, why })?;
        return Ok(Loaded { table, form: Form::Table, warnings: Vec::new() });
    }
    let text = text(&file, octets)?;
    let read = source::read(name, text.strip_prefix('\u{feff}').unwrap_or(&text));
    let (source, mut findings, document) = (read.source, read.findings, read.document);
    check::check(&source, &mut findings);
    let failed = findings.has_errors();
    let warnings = document.problems(&file, findings);
    if failed {
        return Err(LoadError::Source(warnings));
    }
    // A large source and its table need not be in memory at once.
    drop(document);
    let table = compile::compile(&source, text.into_bytes()).map_err(|why| {
        LoadError::Source(vec![whole_file(
            &file,
            1,
            &why.to_string(),
            "compile one table for each hypervisor",
        )])
    })?;
    Ok(Loaded { table, form: Form::Source, warnings })
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
