//! The counters as people and programs read them.

use std::fmt::Write as _;
use std::time::Duration;

use super::LogFormat;
use crate::io::worker::Report;
use crate::lease::LeaseTable;

/// Everything that is counted, at one moment.
pub(super) struct Counters<'a> {
    pub(super) uptime: Duration,
    pub(super) table: &'a LeaseTable,
    pub(super) devices: usize,
    /// Frames that passed the filter and found no slot in the ring.
    pub(super) ring_drops: u64,
    pub(super) report: &'a Report,
    /// What the metadata service counts.
    pub(super) metadata: &'a [(&'static str, u64)],
}

impl Counters<'_> {
    /// Name and value: first what always stands, then each answer kind, drop reason and failure that happened.
    fn list(&self) -> Vec<(&str, u64)> {
        let report = self.report;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let always = [
            ("uptime-seconds", self.uptime.as_secs()),
            ("devices", count(self.devices)),
            ("table-ports", count(self.table.port_count())),
            ("table-networks", count(self.table.network_count())),
            ("frames-received", report.received),
            ("frames-sent", report.sent),
        ];
        let sometimes = [
            ("frames-unsent", report.unsent),
            ("ring-drops", self.ring_drops),
            ("foreign-tag", report.foreign_tag),
            ("devices-refused", report.refused),
            ("events-unheard", report.unheard),
            ("metadata-segments-refused", report.refused_segments),
            ("engine-panics", report.panics),
        ];
        let happened = sometimes.into_iter().chain(report.counts.iter().copied());
        let happened = happened.chain(self.metadata.iter().copied()).filter(|(_, n)| *n != 0);
        always.into_iter().chain(happened).collect()
    }

    /// One line per counter, or one JSON object on one line.
    pub(super) fn print(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Text => self.list().into_iter().fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name} {value}");
                text
            }),
            LogFormat::Json => {
                let object: serde_json::Map<_, _> =
                    self.list().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                format!("{}\n", serde_json::Value::Object(object))
            }
        }
    }
}
