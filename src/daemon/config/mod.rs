//! The settings of `run`: from its flags and, below them, from an optional TOML file.
//!
//! A file's problems are reported all at once, each with its line and field; a field that is not known is one.

mod metadata;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracing_subscriber::filter::LevelFilter;

use crate::io::packet::{MAX_SLOTS, MIN_SLOTS};
use crate::metadata::Config as MetadataConfig;

/// Packet threads at most: more than a hypervisor spares for this.
pub(crate) const MAX_WORKERS: u32 = 64;

/// The longest busy polling, microseconds: beyond it a thread that never sleeps gains nothing more.
pub(crate) const MAX_BUSY_POLL: u32 = 1_000_000;

/// How log lines and counters are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is no log format: write \"text\" or \"json\"")),
        }
    }
}

/// What a file or the flags say; what they do not say is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// File of the lease source or compiled table.
    pub leases: Option<PathBuf>,
    /// Patterns of device names.
    pub attach: Vec<String>,
    /// How log lines are written.
    pub log_format: Option<LogFormat>,
    /// The least severe lines that are written.
    pub log_level: Option<LevelFilter>,
    /// Slots of each receive ring.
    pub ring_frames: Option<u32>,
    /// Packet threads.
    pub workers: Option<u32>,
    /// Patterns of devices that all packet threads serve.
    pub share: Vec<String>,
    /// Microseconds that a device is looked at without sleeping after its last frame.
    pub busy_poll: Option<u32>,
    /// The metadata service.
    pub metadata: Option<MetadataConfig>,
}

/// What `run` works with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// File of the lease source or compiled table.
    pub leases: PathBuf,
    /// The patterns as they were written.
    pub patterns: Vec<String>,
    /// Matches the names of devices to attach.
    pub attach: GlobSet,
    /// How log lines and counters are written.
    pub log_format: LogFormat,
    /// The least severe lines that are written.
    pub log_level: LevelFilter,
    /// Slots of each receive ring; `None` shares a budget among the devices.
    pub ring_frames: Option<u32>,
    /// Packet threads, 1 to 64.
    pub workers: usize,
    /// Matches the names of devices that all packet threads serve, beside bridges and NICs.
    pub share: GlobSet,
    /// How long a device is looked at without sleeping after its last frame; zero for only where frames come in numbers.
    pub busy_poll: Duration,
    /// The metadata service.
    pub metadata: MetadataConfig,
}

/// One problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    file: String,
    line: usize,
    field: String,
    text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, field, text } = self;
        write!(out, "{file}:{line}: ")?;
        if !field.is_empty() {
            write!(out, "{field}: ")?;
        }
        out.write_str(text)
    }
}

/// The patterns of one `--attach` flag or one string of `attach`: separated by commas.
///
/// # Errors
/// Which pattern is none, and why.
pub fn attach_patterns(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(str::trim).map(pattern).collect()
}

fn pattern(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("an empty pattern matches no device: remove it".into());
    }
    Glob::new(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{text:?} is no pattern: {}", error.kind()))
}

/// Checks a number of ring slots.
///
/// # Errors
/// Which numbers are allowed.
pub fn ring_frames(frames: i64) -> Result<u32, String> {
    let fits = |n: &u32| n.is_power_of_two() && (MIN_SLOTS..=MAX_SLOTS).contains(n);
    let wrong = || format!("{frames} is not allowed: write a power of two from {MIN_SLOTS} to {MAX_SLOTS}");
    u32::try_from(frames).ok().filter(fits).ok_or_else(wrong)
}

/// Checks a number of packet threads.
///
/// # Errors
/// Which numbers are allowed.
pub fn workers(count: i64) -> Result<u32, String> {
    let wrong = || format!("{count} is not allowed: write a number from 1 to {MAX_WORKERS}");
    u32::try_from(count).ok().filter(|n| (1..=MAX_WORKERS).contains(n)).ok_or_else(wrong)
}

/// Checks a time of busy polling.
///
/// # Errors
/// Which times are allowed.
pub fn busy_poll(micros: i64) -> Result<u32, String> {
    let wrong = || format!("{micros} is not allowed: write microseconds from 0 to {MAX_BUSY_POLL}");
    u32::try_from(micros).ok().filter(|n| *n <= MAX_BUSY_POLL).ok_or_else(wrong)
}

fn log_level(text: &str) -> Result<LevelFilter, String> {
    let known = ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
    let wrong = || format!("{text:?} is no log level: write off, error, warn, info, debug or trace");
    text.parse().ok().filter(|_| known).ok_or_else(wrong)
}

impl Config {
    /// Reads a file's text. A relative path inside is relative to the file.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { path, text, problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, "", error.message());
        }
        let mut config = Self::default();
        for (key, value) in table.get_ref() {
            reader.field(&mut config, key, value);
        }
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }

    /// What `self` says, and where it says nothing what `below` says.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            leases: self.leases.or(below.leases),
            attach: if self.attach.is_empty() { below.attach } else { self.attach },
            log_format: self.log_format.or(below.log_format),
            log_level: self.log_level.or(below.log_level),
            ring_frames: self.ring_frames.or(below.ring_frames),
            workers: self.workers.or(below.workers),
            share: if self.share.is_empty() { below.share } else { self.share },
            busy_poll: self.busy_poll.or(below.busy_poll),
            metadata: self.metadata.or(below.metadata),
        }
    }

    /// The settings, with defaults for what may be left out.
    ///
    /// # Errors
    /// What must not be left out.
    pub fn settle(self) -> Result<Settings, String> {
        let leases =
            self.leases.ok_or("no lease file: give --leases, or `leases` in the configuration file")?;
        if self.attach.is_empty() {
            return Err("no devices: give --attach, or `attach` in the configuration file".into());
        }
        Ok(Settings {
            leases,
            attach: globs(&self.attach)?,
            share: globs(&self.share)?,
            patterns: self.attach,
            log_format: self.log_format.unwrap_or_default(),
            log_level: self.log_level.unwrap_or(LevelFilter::INFO),
            ring_frames: self.ring_frames,
            workers: self.workers.map_or(1, |n| n as usize),
            busy_poll: Duration::from_micros(self.busy_poll.unwrap_or(0).into()),
            metadata: self.metadata.unwrap_or_default(),
        })
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet, String> {
    let mut globs = GlobSetBuilder::new();
    for text in patterns {
        globs.add(Glob::new(text).map_err(|error| format!("{text:?} is no pattern: {}", error.kind()))?);
    }
    globs.build().map_err(|error| format!("the patterns cannot be combined: {error}"))
}

/// Reads one file and keeps what is wrong with it.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn field(
        &mut self,
        config: &mut Config,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name: &str = key.get_ref();
        match name {
            "leases" => {
                config.leases = self.file(name, value);
            }
            "attach" => self.patterns(name, &mut config.attach, value),
            "share" => self.patterns(name, &mut config.share, value),
            "log_format" => config.log_format = self.parsed(name, value, str::parse),
            "log_level" => config.log_level = self.parsed(name, value, log_level),
            "ring_frames" => config.ring_frames = self.checked(name, value, ring_frames),
            "workers" => config.workers = self.checked(name, value, workers),
            "busy_poll" => config.busy_poll = self.checked(name, value, busy_poll),
            "metadata" => config.metadata = Some(metadata::read(self, value)),
            _ => {
                let known = "leases, attach, log_format, log_level, ring_frames, workers, share, busy_poll and metadata";
                self.problem(key.span().start, name, &format!("there is no such field; there are {known}"));
            }
        }
    }

    /// The path of a file; a relative one is beside the configuration file.
    fn file(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<PathBuf> {
        let beside = self.path.parent().map(Path::to_path_buf).unwrap_or_default();
        self.string(name, value).map(|file| beside.join(file))
    }

    fn string<'v>(&mut self, name: &str, value: &'v Spanned<DeValue<'_>>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let found = value.get_ref().type_str();
            self.problem(value.span().start, name, &format!("must be a string, not {}", article(found)));
        }
        text
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.string(name, value)?;
        parse(text).map_err(|why| self.problem(value.span().start, name, &why)).ok()
    }

    fn patterns(&mut self, name: &str, patterns: &mut Vec<String>, value: &Spanned<DeValue<'_>>) {
        let Some(items) = value.get_ref().as_array() else {
            self.problem(value.span().start, name, "must be an array of strings, like [\"tap*\"]");
            return;
        };
        for (at, item) in items.iter().enumerate() {
            patterns
                .extend(self.parsed(&format!("{name}[{at}]"), item, attach_patterns).into_iter().flatten());
        }
    }

    fn checked(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        check: impl Fn(i64) -> Result<u32, String>,
    ) -> Option<u32> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let checked = number.ok_or_else(|| "must be a whole number".to_owned()).and_then(check);
        checked.map_err(|why| self.problem(value.span().start, name, &why)).ok()
    }

    fn problem(&mut self, at: usize, field: &str, text: &str) {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        let (file, field, text) = (self.path.display().to_string(), field.to_owned(), text.to_owned());
        self.problems.push(Problem { file, line, field, text });
    }
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(Path::new("etc/frontdesk.toml"), text)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_field_is_read() {
        let text = "leases = 'leases.toml'\nattach = ['tap*,vnet*', 'br0']\nlog_format = 'json'\nlog_level = 'warn'\nring_frames = 0x100\nworkers = 4\nshare = ['veth*']\nbusy_poll = 50\n";
        let expected = Config {
            leases: Some("etc/leases.toml".into()),
            attach: vec!["tap*".into(), "vnet*".into(), "br0".into()],
            log_format: Some(LogFormat::Json),
            log_level: Some(LevelFilter::WARN),
            ring_frames: Some(256),
            workers: Some(4),
            share: vec!["veth*".into()],
            busy_poll: Some(50),
            metadata: None,
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn all_problems_are_told_at_once_with_line_and_field() {
        let text = "leases = 3\nlease = 'x'\nattach = ['tap*', 'tap[', 7, '']\nlog_format = 'xml'\nlog_level = '3'\n\nring_frames = 100\nworkers = 0\nbusy_poll = -1\n";
        let problems = parse(text).expect_err("bad");
        let known =
            "leases, attach, log_format, log_level, ring_frames, workers, share, busy_poll and metadata";
        let mut expected = vec![
            "etc/frontdesk.toml:1: leases: must be a string, not an integer".to_owned(),
            format!("etc/frontdesk.toml:2: lease: there is no such field; there are {known}"),
            "etc/frontdesk.toml:3: attach[1]: \"tap[\" is no pattern: unclosed character class; missing ']'".to_owned(),
            "etc/frontdesk.toml:3: attach[2]: must be a string, not an integer".to_owned(),
            "etc/frontdesk.toml:3: attach[3]: an empty pattern matches no device: remove it".to_owned(),
            "etc/frontdesk.toml:4: log_format: \"xml\" is no log format: write \"text\" or \"json\"".to_owned(),
            "etc/frontdesk.toml:5: log_level: \"3\" is no log level: write off, error, warn, info, debug or trace"
                .to_owned(),
            "etc/frontdesk.toml:7: ring_frames: 100 is not allowed: write a power of two from 32 to 4096".to_owned(),
            "etc/frontdesk.toml:8: workers: 0 is not allowed: write a number from 1 to 64".to_owned(),
            "etc/frontdesk.toml:9: busy_poll: -1 is not allowed: write microseconds from 0 to 1000000".to_owned(),
        ];
        let mut problems = problems;
        problems.sort();
        expected.sort();
        assert_eq!(problems, expected);
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_line() {
        let problems = parse("leases = 'a'\nattach = [\n").expect_err("bad");
        assert!(problems[0].starts_with("etc/frontdesk.toml:"), "{problems:?}");
        let problems = parse("log_level = 'info'\nlog_level = 'warn'\n").expect_err("bad");
        assert!(problems[0].starts_with("etc/frontdesk.toml:2: "), "{problems:?}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let file = Config { leases: Some("a".into()), attach: vec!["tap*".into()], ..Config::default() };
        let flags = Config { leases: Some("b".into()), ring_frames: Some(64), ..Config::default() };
        let settings = flags.over(file).settle().expect("complete");
        assert_eq!(settings.leases, Path::new("b"));
        assert!(settings.attach.is_match("tap17") && !settings.attach.is_match("eth0"));
        assert_eq!((settings.ring_frames, settings.log_level), (Some(64), LevelFilter::INFO));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(Config::default().settle().expect_err("no leases").contains("--leases"));
        let config = Config { leases: Some("a".into()), ..Config::default() };
        assert!(config.settle().expect_err("no devices").contains("--attach"));
    }
}
