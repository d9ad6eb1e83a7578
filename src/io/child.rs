//! A server process of ours: started, waited for until it says that it is ready, and stopped with us.
//!
//! Speaks `sd_notify(3)` from the service manager's side. Nothing is left behind, not even by a crash: the kernel kills
//! the child when the thread that started it ends, and neither the socket nor the output has a name in the file system.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started at all.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{program} ended with {status} before it was ready:\n{output}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        output: String,
    },
    /// It neither ended nor said that it is ready.
    #[error("{program} was not ready after {seconds} s:\n{output}")]
    Late {
        /// The program.
        program: String,
        /// How long it was waited for.
        seconds: u64,
        /// What it wrote to standard error.
        output: String,
    },
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    output: File,
}

/// Servers started by this process, for the names of their sockets.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// How long a server may take to stop by itself before it is killed.
const STOPPING: Duration = Duration::from_secs(3);

/// How often the state of a child is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Octets of a server's output that are read back: one that writes more is not waiting to be read.
const MAX_OUTPUT: usize = 1 << 20;

impl Server {
    /// Starts `command` in the calling thread's namespaces and waits until it notifies `READY=1`. What it writes is
    /// kept for [`output`](Self::output).
    ///
    /// # Errors
    /// [`ChildError`] with what it wrote.
    pub fn start(mut command: Command, patience: Duration) -> Result<Self, ChildError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let start = |command: &mut Command| -> io::Result<(Self, UnixDatagram)> {
            // Abstract names belong to the network namespace, which the child shares.
            let name =
                format!("frontdesk-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
            let ready = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
            let output = tempfile::tempfile()?;
            command.env("NOTIFY_SOCKET", format!("@{name}"));
            command.stdout(output.try_clone()?).stderr(output.try_clone()?);
            end_with_parent(command);
            Ok((Self { child: command.spawn()?, output }, ready))
        };
        let (mut server, ready) = match start(&mut command) {
            Ok(started) => started,
            Err(source) => return Err(ChildError::Start { program, source }),
        };
        let failed = |source| ChildError::Start { program: program.clone(), source };
        ready.set_read_timeout(Some(TICK)).map_err(failed)?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let mut words = [0; 256];
            if let Ok(length) = ready.recv(&mut words)
                && words
                    .get(..length)
                    .is_some_and(|words| words.split(|c| *c == b'\n').any(|line| line == b"READY=1"))
            {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait().map_err(failed)? {
                return Err(ChildError::Ended { program, status, output: server.output() });
            }
        }
        Err(ChildError::Late { program, seconds: patience.as_secs(), output: server.output() })
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output and standard error so far.
    #[must_use]
    pub fn output(&self) -> String {
        let mut octets = vec![0; MAX_OUTPUT];
        let mut length = 0;
        while let Ok(more @ 1..) =
            self.output.read_at(octets.get_mut(length..).unwrap_or_default(), length as u64)
        {
            length += more;
        }
        octets.truncate(length);
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// Stops it with SIGTERM, and with SIGKILL when it does not listen. Says how it ended and what it wrote.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn stop(mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.end()?;
        Ok((status, self.output()))
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        if let Ok(id) = i32::try_from(self.child.id()) {
            // SAFETY: takes numbers only. The child has not been waited for, so the id is still its own.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
        let deadline = Instant::now() + STOPPING;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(TICK);
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a child that cannot be ended; the kernel ends it with this process.
        let _ = self.end();
    }
}

/// Makes the kernel kill the child when the thread that starts it ends.
pub fn end_with_parent(command: &mut Command) {
    let hook = || {
        // SAFETY: takes numbers only, and is safe between fork and exec.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the hook makes one system call and allocates nothing.
    unsafe { command.pre_exec(hook) };
}
