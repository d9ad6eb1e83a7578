//! Where log lines go and what they look like: standard error, as text or as one JSON object per line.
//!
//! What dependencies log is short, and less than a warning is not written.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_subscriber::filter::LevelFilter;

use super::LogFormat;

/// Panics that are logged: a guest that finds a bug must not be able to fill the disk with it.
const MAX_PANICS: u32 = 16;

/// Starts logging. Without effect when the process logs already, as tests do.
pub(super) fn start(format: LogFormat, level: LevelFilter) {
    let lines =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    let _ = match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal()).finish();
            tracing::subscriber::set_global_default(lines)
        }
        LogFormat::Json => tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish()),
    };
    if log::set_logger(&Dependencies).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    std::panic::set_hook(Box::new(panicked));
}

/// Takes what dependencies log by the `log` crate.
struct Dependencies;

/// Target of netlink's decoder. It skips a message that it cannot decode and logs all octets of it.
const DECODER: &str = "netlink_proto::codecs";

/// Seconds in which one line tells of all messages that cannot be decoded: the kernel tells of each device several times.
const DECODER_PAUSE: u64 = 10;

/// Characters of a dependency's line from its beginning and from its end, where the cause stands.
const ENDS: (usize, usize) = (80, 120);

impl log::Log for Dependencies {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() > log::Level::Warn {
            return;
        }
        let (target, text) = (record.target(), short(&record.args().to_string()));
        if target == DECODER {
            if decoder_may_speak() {
                tracing::warn!(
                    "left alone: a device that netlink cannot describe; if its name is not UTF-8, rename it: {text}"
                );
            }
        } else if record.level() == log::Level::Error {
            tracing::error!(by = target, "{text}");
        } else {
            tracing::warn!(by = target, "{text}");
        }
    }

    fn flush(&self) {}
}

fn decoder_may_speak() -> bool {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let speak = |next: u64| (next <= now).then_some(now.saturating_add(DECODER_PAUSE));
    NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, speak).is_ok()
}

/// A text on one line, without its middle when it is long.
fn short(text: &str) -> String {
    let one_line: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (head, tail) = ENDS;
    if one_line.len() <= head + tail {
        return one_line.into_iter().collect();
    }
    let (head, tail) = (one_line.iter().take(head), one_line.iter().skip(one_line.len() - tail));
    head.chain(&[' ', '…', ' ']).chain(tail).collect()
}

fn panicked(info: &PanicHookInfo<'_>) {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    if SEEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < MAX_PANICS).then_some(n + 1)).is_err()
    {
        return;
    }
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let message = info.payload_as_str().unwrap_or("");
    tracing::error!(place, "this is a bug, please report it: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_ends() {
        assert_eq!(short("one\ntwo"), "one two");
        let long = format!("failed: {}: the cause", "0x00, ".repeat(1000));
        let text = short(&long);
        assert!(text.starts_with("failed: ") && text.ends_with(": the cause"), "{text}");
        assert_eq!(text.chars().count(), 203);
    }
}
