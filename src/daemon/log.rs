//! Where log lines go and what they look like: standard error, as text or as one JSON object per line.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU32, Ordering};

use tracing_subscriber::filter::LevelFilter;

use super::LogFormat;

/// Panics that are logged: a guest that finds a bug must not be able to fill the disk with it.
const MAX_PANICS: u32 = 16;

/// Starts logging. Without effect when the process logs already, as tests do.
pub(super) fn start(format: LogFormat, level: LevelFilter) {
    let lines =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    let _ = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(panicked));
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
