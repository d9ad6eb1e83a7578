//! Reads a lease source or a compiled table from its file.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use crate::io::memory;
use crate::lease::{self, LeaseTable};

/// Why a file gave no table.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// It cannot be read.
    #[error("{name}: cannot be read: {error}")]
    Read { name: String, error: std::io::Error },
    /// It holds bad data; one line per problem.
    #[error("{0}")]
    Data(lease::LoadError),
    /// Loading panicked.
    #[error("this is a bug, please report it: {0}")]
    Bug(String),
}

/// Reads `path` and compiles it when it is a source; what is odd but no problem is logged. The lock file beside a source is
/// read and never written: two hypervisors that allocate by themselves would give the same to two guests.
pub(super) fn load(path: &Path) -> Result<Arc<LeaseTable>, LoadError> {
    let name = path.display().to_string();
    let read = |path: &Path| {
        let name = path.display().to_string();
        std::fs::read(path).map_err(|error| LoadError::Read { name, error })
    };
    let bytes = read(path)?;
    let lock = match read(&lease::lock_path(path)) {
        _ if lease::file::is_table(&bytes) => None,
        Ok(octets) => Some(octets),
        Err(LoadError::Read { error, .. }) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let loaded = lease::load_locked(&name, bytes, lock).map_err(LoadError::Data)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let table = on_this_host(loaded.table);
    lease::file::sections(&table).into_iter().for_each(memory::use_large_pages);
    Ok(Arc::new(table))
}

/// What tells this host from all others and stays over restarts (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// The table with what each host has of its own.
fn on_this_host(table: LeaseTable) -> LeaseTable {
    if table.relay().is_none() {
        return table;
    }
    let id = std::fs::read_to_string(MACHINE_ID).unwrap_or_default();
    let table = match id.trim() {
        // What stands there before the first boot has ended.
        "" | "uninitialized" => {
            tracing::warn!(
                "{MACHINE_ID} has no identity of this host: write server_mac where several answer relays on one segment"
            );
            table
        }
        id => table.on_host(id),
    };
    if let Some(relay) = table.relay() {
        tracing::info!(mac = %relay.server_mac(), address = %relay.server_link_local(), "answers to relays come from");
    }
    table
}
