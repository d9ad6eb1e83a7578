//! A `frontdesk run` in the test's namespace.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use frontdesk::io::child::end_with_parent;

use super::{sh, wait};

/// A running daemon whose log and counters are read as they come.
pub(crate) struct Daemon {
    child: Child,
    log: Lines,
    counters: Lines,
    readers: Vec<JoinHandle<()>>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Daemon {
    /// Starts it and waits until it has attached what there is.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(Command::new(env!("CARGO_BIN_EXE_frontdesk")).arg("run").args(arguments))
    }

    /// As [`start`](Self::start), with a command of the caller's.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        end_with_parent(command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (log, counters) = (Lines::default(), Lines::default());
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let readers = vec![collect(out, &counters), collect(err, &log)];
        let daemon = Self { child, log, counters, readers };
        let started = || daemon.log().iter().any(|line| line.contains("started"));
        let over = || daemon.readers.iter().all(JoinHandle::is_finished);
        wait("started, or the end", || (started() || over()).then_some(()));
        assert!(started(), "it did not start: {}", daemon.log().join("\n"));
        daemon
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the log holds a line with `text`.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        wait(text, || self.log().into_iter().find(|line| line.contains(text)))
    }

    /// Waits until the log holds `count` lines with `text`.
    pub(crate) fn wait_for_logs(&self, text: &str, count: usize) {
        wait(text, || (self.log().iter().filter(|line| line.contains(text)).count() >= count).then_some(()));
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        sh(&format!("kill -{name} {}", self.pid()));
    }

    /// The counters that it prints when asked.
    pub(crate) fn counters(&self) -> BTreeMap<String, u64> {
        self.counters.lock().expect("no panic").clear();
        self.signal("USR1");
        wait("counters", || {
            // `frames-sent` is the last that always stands; the whole text comes in one write.
            let text = self.counters.lock().expect("no panic");
            text.iter().any(|line| line.starts_with("frames-sent ")).then(|| parse(&text))
        })
    }

    /// Waits until a counter has a value.
    pub(crate) fn wait_for_counter(&self, name: &str, value: u64) {
        wait(name, || (self.counters().get(name) == Some(&value)).then_some(()));
    }

    /// Sends a signal and waits for the end: the exit status, the log, and the lines of standard output since the last
    /// counters.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, Vec<String>, Vec<String>) {
        self.counters.lock().expect("no panic").clear();
        self.signal(signal);
        let status = wait("the end", || self.child.try_wait().expect("a child"));
        self.readers.drain(..).for_each(|reader| reader.join().expect("no panic"));
        let counters = self.counters.lock().expect("no panic").clone();
        (status, self.log(), counters)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Name and value of every counter in a text.
pub(crate) fn parse(lines: &[String]) -> BTreeMap<String, u64> {
    let pair = |line: &String| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    lines.iter().map(|line| pair(line).unwrap_or_else(|| panic!("no counter: {line}"))).collect()
}

/// Reads lines as they come. What one write brought is added at once: who sees one counter sees them all.
fn collect(from: impl Read + Send + 'static, into: &Lines) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut text = Vec::new();
        while let Ok(octets) = from.fill_buf()
            && !octets.is_empty()
        {
            text.extend_from_slice(octets);
            let length = octets.len();
            from.consume(length);
            let whole = text.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
            let lines: Vec<u8> = text.drain(..whole).collect();
            into.lock().expect("no panic").extend(String::from_utf8_lossy(&lines).lines().map(str::to_owned));
        }
    })
}

/// A lease source with so many ports on one untagged network, each with the MAC of its number.
pub(crate) fn leases(ports: u32) -> String {
    let network = "version = 1\n[server]\ncloud = \"test\"\n\
        [networks.one]\nrouter = { mac_address = \"fa:16:3e:ff:00:01\", link_local = \"fe80::1\" }\n\
        [[networks.one.subnets]]\ncidr = \"2001:db8:7::/64\"\nipv6_ra_mode = \"slaac\"\nipv6_address_mode = \"slaac\"\n";
    let port = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        format!("[[ports]]\nmac_address = \"fa:16:3e:{a:02x}:{b:02x}:{c:02x}\"\nnetwork = \"one\"\n")
    };
    (0..ports).fold(network.to_owned(), |text, n| text + &port(n))
}

/// Writes a file of this test and returns its path.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = super::scratch(name);
    std::fs::write(&path, text).expect("written");
    path
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
