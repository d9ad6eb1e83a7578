//! A server process of ours: started, waited for until it says that it is ready, and stopped with us.
//!
//! Speaks `sd_notify(3)` from the service manager's side. The child is killed by the kernel when the thread that
//! started it ends, so that nothing is left behind by a crash.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

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
    home: TempDir,
}

/// How long a server may take to stop by itself before it is killed.
const STOPPING: Duration = Duration::from_secs(3);

/// How often the state of a child is looked at.
const TICK: Duration = Duration::from_millis(10);

impl Server {
    /// Starts `command` in the calling thread's namespaces and waits until it notifies `READY=1`. What it writes is
    /// kept for [`output`](Self::output).
    ///
    /// # Errors
    /// [`ChildError`] with what it wrote.
    pub fn start(mut command: Command, patience: Duration) -> Result<Self, ChildError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let start = |command: &mut Command| -> io::Result<(Self, UnixDatagram)> {
            let home = tempfile::tempdir()?;
            let socket = home.path().join("notify");
            let ready = UnixDatagram::bind(&socket)?;
            let output = File::create(home.path().join("output"))?;
            command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null());
            command.stdout(output.try_clone()?).stderr(output);
            end_with_parent(command);
            Ok((Self { child: command.spawn()?, home }, ready))
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

    /// What it wrote to standard output and standard error so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.home.path().join("output")).unwrap_or_default()
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
