//! Reading the file that `--leases` names, for the subcommands that need its table and not its problems.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, check, exit};
use crate::lease::LeaseTable;

/// Reads a lease source or a compiled table; warnings go to standard error, errors are a failure that lists them.
pub(super) fn load(path: &Path) -> Result<Arc<LeaseTable>, Failure> {
    let loaded = check::open(path)?.map_err(|error| Failure::new(exit::DATA, error.to_string()))?;
    for warning in &loaded.warnings {
        eprintln!("frontdesk: {warning}");
    }
    Ok(Arc::new(loaded.table))
}
