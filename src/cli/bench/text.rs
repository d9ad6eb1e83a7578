//! The reports as a table, and the notice of what is about to be sent.

use std::fmt::{self, Display};

use crate::io::bench::{Counts, Options, Pace, Report, Workload};

/// What is about to happen, where, and for how long.
pub(super) struct Notice<'a> {
    pub(super) options: &'a Options,
    pub(super) workloads: &'a [Workload],
    pub(super) device: &'a str,
}

impl Display for Notice<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, workloads, device } = self;
        let crowd = &options.crowd;
        let last = crowd.mac(crowd.count().saturating_sub(1));
        let names: Vec<&str> = workloads.iter().map(|workload| workload.name()).collect();
        write!(out, "Playing {} guests, {} to {last}, on {device}: ", crowd.count(), crowd.mac(0))?;
        write!(out, "{}; ", names.join(", "))?;
        match options.pace {
            Pace::Window(window) => write!(out, "{window} exchanges under way, ")?,
            Pace::Rate(rate) => write!(out, "{rate} exchanges begun a second, ")?,
            Pace::Storm(within) => write!(out, "all begin within {within} s, at most ")?,
        }
        write!(out, "{} s each", options.time.as_secs_f64())
    }
}

/// All reports as lines of a table, and below it what was not right.
pub(super) struct Table<'a>(pub(super) &'a [Report]);

impl Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:<13}{:>12}{:>12}{:>9}{:>9}{:>7}{:>10}{:>10}{:>10}{:>11}",
            "workload",
            "exchanges/s",
            "messages/s",
            "lost",
            "refused",
            "wrong",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "server µs"
        )?;
        for report in self.0 {
            let cpu = report.server_cpu_us_per_exchange.map_or("–".to_owned(), |cpu| format!("{cpu:.2}"));
            let messages = report.messages as f64 / report.seconds.max(f64::MIN_POSITIVE);
            writeln!(
                out,
                "{:<13}{:>12.0}{:>12.0}{:>9}{:>9}{:>7}{:>10.0}{:>10.0}{:>10.0}{:>11}",
                report.workload.name(),
                report.exchanges_per_second,
                messages,
                report.lost_total(),
                report.refused_total(),
                report.wrong_total(),
                report.latency_us.p50,
                report.latency_us.p99,
                report.latency_us.p999,
                cpu
            )?;
        }
        self.0.iter().try_for_each(|report| remarks(out, report))
    }
}

fn remarks(out: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let name = report.workload.name();
    if let Some(storm) = report.storm {
        write!(out, "{name}: {} of {} guests got all they asked for", storm.bound, report.guests)?;
        match storm.all_bound_after_seconds {
            Some(seconds) => write!(out, ", the last one {seconds:.2} s after the first began")?,
            None => write!(out, " in {:.2} s", report.seconds)?,
        }
        writeln!(out, "; {} messages were repeated", report.retransmissions)?;
    }
    for (what, counts) in [("lost", &report.lost), ("refused", &report.refused), ("wrong", &report.wrong)] {
        if !counts.is_empty() {
            writeln!(out, "{name}: {what}: {}", Listed(counts))?;
        }
    }
    for (count, what) in [
        (report.late, "answers came twice or late"),
        (report.unsent, "messages were not taken by this host's own queue"),
        (report.unread, "answers were lost here, for want of time to read them"),
        (report.skipped, "exchanges were not begun because no guest was free: raise --guests"),
    ] {
        if count > 0 {
            writeln!(out, "{name}: {count} {what}")?;
        }
    }
    Ok(())
}

struct Listed<'a>(&'a Counts);

impl Display for Listed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, count)) in self.0.iter().enumerate() {
            write!(out, "{}{name} {count}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
