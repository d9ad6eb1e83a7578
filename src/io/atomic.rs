//! Whole files: read in one go, replaced whole or not at all.
//!
//! Readers of a replaced file see the old octets or the new ones, also after a crash.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may read a file that was not there before. One that was keeps its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone, unless somebody widens it: a lease table holds user data of guests.
    Owner,
    /// Everybody whom the umask lets, as with any file that is kept under version control and reviewed by others.
    All,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::All => 0o644,
        }
    }
}

/// Files of fewer octets are not worth a second thread.
const LARGE: usize = 16 << 20;

/// Reads a file.
///
/// # Errors
/// What the system says.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    let length = usize::try_from(about.len()).unwrap_or(0);
    if about.is_file()
        && length >= LARGE
        && let Some(octets) = read_halves(&file, length)
    {
        return Ok(octets);
    }
    // Also a file that grows or shrinks, a pipe, and one whose errors shall be told by the plain way.
    fs::read(path)
}

/// Both halves of a file at the same time: most of the time goes into pages that are touched for the first time.
/// Nothing if it does not have exactly this length.
fn read_halves(file: &File, length: usize) -> Option<Vec<u8>> {
    let mut octets = vec![0; length];
    let middle = length / 2;
    let (left, right) = octets.split_at_mut(middle);
    let whole = std::thread::scope(|scope| {
        let left = scope.spawn(|| file.read_exact_at(left, 0).is_ok());
        let right = file.read_exact_at(right, middle as u64).is_ok();
        left.join().unwrap_or(false) && right
    });
    let ends = matches!(file.read_at(&mut [0], length as u64), Ok(0));
    (whole && ends).then_some(octets)
}

/// Writes a new file in the same directory, syncs it, puts it in the place of `path` and syncs the directory. A file
/// that was there keeps its permissions. A symbolic link stays one: what it points at is replaced.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] when something else than a regular file is there, as a device or a FIFO: it is left
/// alone. What the system says, or what `write` returns; `path` is then as it was.
pub fn replace(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let path = &target(path)?;
    let directory = directory(path);
    let old = fs::metadata(path).ok().map(|old| old.permissions().mode() & 0o777);
    // The kernel takes the umask's bits out of the mode of a new file, and not out of one that is set later.
    let mut new = tempfile::Builder::new();
    let mut file = new.permissions(Permissions::from_mode(readers.mode())).tempfile_in(directory)?;
    let mut out = BufWriter::new(file.as_file_mut());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    if let Some(mode) = old {
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

/// The regular file, there or not yet, that a path leads to.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let kind = name(found.file_type());
            let text =
                format!("it is {kind} and stays as it is: name a regular file, or one that is not there");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The kernel has just followed the links, so there is an end to them unless somebody makes new ones meanwhile.
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = directory(&path).join(to),
            Err(_) => break,
        }
    }
    Ok(path)
}

/// Symbolic links followed, as many as the kernel does (path_resolution(7)).
const MAX_LINKS: usize = 40;

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn name(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("table");
        replace(&path, Readers::Owner, |out| out.write_all(b"one")).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("allowed");
        replace(&path, Readers::Owner, |out| out.write_all(b"two")).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_large_file_is_read_whole() {
        let octets: Vec<u8> = (0..LARGE as u32 / 4 + 1).flat_map(u32::to_le_bytes).collect();
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), &octets).expect("written");
        assert!(read(file.path()).expect("there") == octets);
        assert!(read_halves(file.as_file(), octets.len()).is_some_and(|halves| halves == octets));
        assert_eq!(read_halves(file.as_file(), octets.len() - 1), None, "it has grown");
        assert_eq!(read_halves(file.as_file(), octets.len() + 1), None, "it has shrunk");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("table");
        fs::write(&path, b"old").expect("written");
        let failed = replace(&path, Readers::Owner, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("stop"))
        });
        assert_eq!(failed.expect_err("it failed").to_string(), "stop");
        assert_eq!(fs::read(&path).expect("there"), b"old");
        assert_eq!(fs::read_dir(directory.path()).expect("there").count(), 1);
    }
}
