//! Network namespaces of our own: where `demo` and the tests put a bridge and its guests.
//!
//! Refuses to touch the namespace that the process started in: every device made here is made after
//! [`isolate`], or in a [`Netns`] that lives only as long as its descriptor. Needs no program of the machine (no
//! `ip`), no root where the kernel allows user namespaces, and leaves nothing behind: the kernel frees a namespace
//! and its devices with the last descriptor and process in it.
//!
//! Reading first: user_namespaces(7), network_namespaces(7), and `net_ctl_root` of the kernel: `/proc/sys/net` shows
//! the namespace of the thread that opens it.

#![allow(unsafe_code)]

mod netlink;
mod state;

use std::ffi::c_int;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

pub use netlink::Netlink;
pub use state::{Address, Link, Preference, Route};

/// Why a namespace, or something in it, could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The kernel or its security module does not let this user make namespaces.
    #[error("this machine does not allow a network namespace of one's own ({source}): {remedy}")]
    Forbidden {
        /// Which setting forbids it, and what to do.
        remedy: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// No device of that name.
    #[error("there is no device {0}")]
    NoDevice(String),
    /// A system call or a file of /proc failed.
    #[error("{what}: {source}")]
    Os {
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A netlink request failed.
    #[error("{what}: {source}")]
    Netlink {
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

impl NetnsError {
    fn os(what: impl Into<String>, source: io::Error) -> Self {
        Self::Os { what: what.into(), source }
    }
}

/// Moves the whole process into a new network namespace, with a new user namespace around it when that is needed,
/// and sets its loopback device up.
///
/// Must be called while the process has one thread: a user namespace belongs to a process, not to a thread.
///
/// # Errors
/// [`NetnsError::Forbidden`] names the setting that is in the way.
pub fn isolate() -> Result<(), NetnsError> {
    Maps::of_this_user().unshare().map_err(forbidden)?;
    match Netlink::open().and_then(|netlink| netlink.set_up(LOOPBACK)) {
        // AppArmor lets the unshare pass and takes the capabilities away (Ubuntu 23.10 and later).
        Err(NetnsError::Netlink { .. }) => Err(forbidden(io::Error::from_raw_os_error(libc::EPERM))),
        outcome => outcome,
    }
}

/// Makes `command` start in a new network namespace of its own, as [`isolate`] does for this process; its loopback
/// device is down. The spawn fails with the kernel's error where that is forbidden; see [`forbidden`].
pub fn isolate_command(command: &mut Command) {
    let maps = Maps::of_this_user();
    // SAFETY: the hook runs between fork and exec: it makes system calls on memory that was prepared before.
    unsafe { command.pre_exec(move || maps.unshare()) };
}

/// The error of a refused namespace with the setting that refuses it.
#[must_use]
pub fn forbidden(source: io::Error) -> NetnsError {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let remedy = if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "set kernel.unprivileged_userns_clone=1, or run as root"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "user.max_user_namespaces is 0: raise it, or run as root"
    } else if is("/proc/sys/user/max_net_namespaces", "0") {
        "user.max_net_namespaces is 0: raise it"
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "set kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
    } else {
        "a seccomp filter or a security module refuses it, as in most containers: run it outside, or as root with \
         CAP_SYS_ADMIN"
    };
    NetnsError::Forbidden { remedy: remedy.into(), source }
}

/// Index of the loopback device: the first device of every namespace.
const LOOPBACK: u32 = 1;

/// The identity maps that make this user root in a user namespace of its own: written before the fork, so that the
/// child only makes system calls.
struct Maps {
    uid: Vec<u8>,
    gid: Vec<u8>,
}

impl Maps {
    fn of_this_user() -> Self {
        // SAFETY: both calls take nothing, always succeed and touch no memory.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        Self { uid: format!("0 {uid} 1\n").into_bytes(), gid: format!("0 {gid} 1\n").into_bytes() }
    }

    /// A network namespace for the calling process: alone when the process may, else inside a user namespace.
    fn unshare(&self) -> io::Result<()> {
        match unshare(libc::CLONE_NEWNET) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
            outcome => return outcome,
        }
        unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)?;
        // Without "deny" the kernel refuses a gid map to the unprivileged (user_namespaces(7)).
        write_once(c"/proc/self/setgroups", b"deny")?;
        write_once(c"/proc/self/gid_map", &self.gid)?;
        write_once(c"/proc/self/uid_map", &self.uid)
    }
}

fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: takes flags only and touches no memory of ours.
    check(unsafe { libc::unshare(flags) })
}

/// Writes a file of /proc with one system call and without allocating.
fn write_once(path: &std::ffi::CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: `path` ends with a zero octet; the descriptor is closed below, whatever happens.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    check(fd)?;
    // SAFETY: `bytes` is valid for its whole length.
    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    let outcome = if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: `fd` was opened above and is used by nobody else.
    unsafe { libc::close(fd) };
    outcome
}

fn check(outcome: c_int) -> io::Result<()> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A network namespace without a name, held by its descriptor; it and its devices go when this is dropped and no
/// process is left in it.
#[derive(Debug)]
pub struct Netns {
    file: File,
}

impl Netns {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> Result<Self, NetnsError> {
        let path = "/proc/thread-self/ns/net";
        let file =
            File::open(path).map_err(|source| NetnsError::os(format!("cannot open {path}"), source))?;
        Ok(Self { file })
    }

    /// A new, empty namespace with its loopback device up. The calling thread stays where it is; call [`isolate`]
    /// first when the process is not privileged.
    ///
    /// # Errors
    /// [`NetnsError::Forbidden`] names the setting that is in the way.
    pub fn new() -> Result<Self, NetnsError> {
        let netns = on_a_thread(|| {
            unshare(libc::CLONE_NEWNET).map_err(forbidden)?;
            Self::current()
        })??;
        netns.netlink()?.set_up(LOOPBACK)?;
        Ok(netns)
    }

    /// Runs `job` on a thread of its own inside this namespace and waits for it. Sockets that it opens and processes
    /// that it starts stay inside.
    ///
    /// # Errors
    /// When no thread can be started or the kernel refuses to let it in.
    ///
    /// # Panics
    /// When `job` panics, with its panic.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        on_a_thread(|| {
            self.enter()?;
            Ok(job())
        })?
    }

    /// Moves the calling thread in, for good.
    ///
    /// # Errors
    /// When the kernel refuses it: the caller must be privileged in the user namespace that owns this one.
    pub fn enter(&self) -> Result<(), NetnsError> {
        // SAFETY: takes a descriptor that `self` keeps open, and touches no memory.
        check(unsafe { libc::setns(self.file.as_raw_fd(), libc::CLONE_NEWNET) })
            .map_err(|source| NetnsError::os("cannot enter a network namespace", source))
    }

    /// A netlink connection to this namespace, usable from any thread.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn netlink(&self) -> Result<Netlink, NetnsError> {
        self.run(Netlink::open)?
    }

    /// Reads `/proc/sys/net/KEY` as this namespace has it, without the newline at its end.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn sysctl(&self, key: &str) -> Result<String, NetnsError> {
        let path = format!("/proc/sys/net/{key}");
        self.run(|| fs::read_to_string(&path))?
            .map(|text| text.trim_end().to_owned())
            .map_err(|source| NetnsError::os(format!("cannot read {path}"), source))
    }

    /// Writes `/proc/sys/net/KEY` of this namespace.
    ///
    /// # Errors
    /// When there is no such file or the kernel refuses the value.
    pub fn set_sysctl(&self, key: &str, value: &str) -> Result<(), NetnsError> {
        let path = format!("/proc/sys/net/{key}");
        self.run(|| fs::write(&path, value))?
            .map_err(|source| NetnsError::os(format!("cannot write {value:?} to {path}"), source))
    }
}

impl AsRawFd for Netns {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

fn on_a_thread<T: Send>(job: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("netns".into())
            .spawn_scoped(scope, job)
            .map_err(|source| NetnsError::os("cannot start a thread", source))?;
        worker.join().map_or_else(|panic| std::panic::resume_unwind(panic), Ok)
    })
}
