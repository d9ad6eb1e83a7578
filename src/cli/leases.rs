//! Reading the file that names the leases, and the lock file beside it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::{Failure, exit, print};
use crate::io::atomic;
use crate::lease::{LeaseTable, file, load_locked, lock_path};

/// A lease source or a compiled table, and the lock file if there is one.
pub(super) struct Files {
    pub(super) name: String,
    pub(super) leases: Vec<u8>,
    pub(super) lock: Option<Vec<u8>>,
}

impl Files {
    /// Reads both; a compiled table has no lock file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let leases = atomic::read(path).map_err(|error| {
            Failure::new(exit::NO_INPUT, format!("{name}: cannot read the lease source or table: {error}"))
        })?;
        if file::is_table(&leases) {
            return Ok(Self { name, leases, lock: None });
        }
        let lock = match atomic::read(&lock_path(path)) {
            Ok(octets) => Some(octets),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let name = lock_path(path);
                let message = format!("{}: cannot read the lock file: {error}", name.display());
                return Err(Failure::new(exit::NO_INPUT, message));
            }
        };
        Ok(Self { name, leases, lock })
    }
}

/// Reads a lease source or a compiled table; warnings go to standard error, errors are a failure that lists them.
pub(super) fn load(path: &Path) -> Result<Arc<LeaseTable>, Failure> {
    let files = Files::read(path)?;
    let loaded = load_locked(&files.name, files.leases, files.lock)
        .map_err(|error| Failure::new(exit::DATA, error.to_string()))?;
    for warning in &loaded.warnings {
        print::note(format!("frontdesk: {warning}"));
    }
    Ok(Arc::new(loaded.table))
}
