//! To be deleted when `lease::load` lands.
use super::{LeaseTable, Sections};
/// Shim.
#[derive(Debug)]
pub struct Loaded {
    /// Shim.
    pub table: LeaseTable,
    /// Shim.
    pub warnings: Vec<String>,
}
/// Shim.
#[derive(Debug)]
pub struct LoadError(String);
impl std::fmt::Display for LoadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}
/// Shim.
pub fn load(name: &str, bytes: Vec<u8>) -> Result<Loaded, LoadError> {
    if bytes.windows(11).any(|w| w == b"version = 1") {
        Ok(Loaded { table: LeaseTable::from_checked(Sections::default()), warnings: Vec::new() })
    } else {
        Err(LoadError(format!("{name}:1: version: missing\n{name}:2: another problem")))
    }
}
