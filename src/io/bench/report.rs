//! What a run counted, and what is told of it.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::pace::Pace;
use super::workload::{Step, Workload};

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// Octets that are no such message.
    Malformed,
    /// The checksum does not hold.
    Checksum,
    /// Neighbor Discovery that may come from another link (RFC 4861 §6.1.2).
    HopLimit,
    /// Sent to another IPv6 address than the guest's.
    Destination,
    /// Not a transaction id of this guest.
    TransactionId,
    /// A message that does not answer the one sent.
    MessageType,
    /// No Client Identifier, or another client's.
    ClientId,
    /// No Server Identifier, or not that of the server asked.
    ServerId,
    /// No association, or one that was not asked for.
    Association,
    /// An address that the lease table does not give to this guest.
    Address,
    /// A prefix that the lease table does not give to this guest.
    Prefix,
    /// A router that is not the one of the lease table.
    Router,
    /// A Neighbor Advertisement for another address, or an unsolicited one.
    Target,
    /// Somebody claims the address whose uniqueness the guest tests.
    Duplicate,
}

impl Wrong {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Checksum => "checksum",
            Self::HopLimit => "hop-limit",
            Self::Destination => "destination",
            Self::TransactionId => "transaction-id",
            Self::MessageType => "message-type",
            Self::ClientId => "client-id",
            Self::ServerId => "server-id",
            Self::Association => "association",
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Router => "router",
            Self::Target => "target",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Events by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// What one workload came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What every guest did.
    pub workload: Workload,
    /// How many guests took turns.
    pub guests: u32,
    /// How exchanges were begun.
    pub pace: Pace,
    /// Seconds that were measured.
    pub seconds: f64,
    /// Complete exchanges in that time: every message answered, and rightly.
    pub exchanges: u64,
    /// Complete exchanges per second.
    pub exchanges_per_second: f64,
    /// Messages sent to the server, repeated ones among them.
    pub messages: u64,
    /// Messages sent for want of an answer to the same message before.
    pub retransmissions: u64,
    /// Exchanges that ended without an answer, by the message that got none.
    pub lost: Counts,
    /// Answers that say no, by their status (RFC 9915 §21.13) or in other words.
    pub refused: Counts,
    /// Wrong answers, by what is wrong with them.
    pub wrong: Counts,
    /// Answers that came twice or after their time.
    pub late: u64,
    /// Messages that this host's own queue did not take; their exchanges are lost.
    pub unsent: u64,
    /// Answers that this program was too slow to read; their exchanges are lost.
    pub unread: u64,
    /// Exchanges that were due at the wanted rate when no guest was free.
    pub skipped: u64,
    /// Lost exchanges in per cent of all that ended.
    pub loss_percent: f64,
    /// From the begin of an exchange to its last answer, microseconds.
    pub latency_us: Latency,
    /// Processor time of the server's process for each exchange, microseconds, if its number was given.
    pub server_cpu_us_per_exchange: Option<f64>,
    /// What became of a boot storm, when it was one.
    pub storm: Option<Storm>,
}

/// Latencies of complete exchanges, microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
#[allow(missing_docs)] // the names say it
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// A boot storm: every guest begins once, within a given time, and repeats itself until it is answered.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Storm {
    /// Guests that got all that they asked for.
    pub bound: u32,
    /// Seconds from the first guest's begin to the last one's last answer; none when some guest never got there.
    pub all_bound_after_seconds: Option<f64>,
}

impl Report {
    /// All wrong answers.
    #[must_use]
    pub fn wrong_total(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// All lost exchanges.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost.values().sum()
    }

    /// All refusals.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// True when nothing was wrong or refused, at most `max_loss` per cent was lost, and something was answered; in a
    /// storm also when every guest was bound.
    #[must_use]
    pub fn is_good(&self, max_loss: f64) -> bool {
        let bound = self.storm.is_none_or(|storm| storm.all_bound_after_seconds.is_some());
        let right = self.wrong_total() == 0 && self.refused_total() == 0;
        right && bound && self.exchanges > 0 && self.loss_percent <= max_loss
    }
}

/// Counters of a run, reset when the warm-up is over.
pub(super) struct Tally {
    latencies: Histogram<u64>,
    pub(super) exchanges: u64,
    pub(super) messages: u64,
    pub(super) retransmissions: u64,
    pub(super) lost: Counts,
    pub(super) refused: Counts,
    pub(super) wrong: Counts,
    pub(super) late: u64,
    pub(super) unsent: u64,
    pub(super) unread: u64,
    pub(super) skipped: u64,
}

/// Decimal digits of a latency that are kept: one part in a thousand, 3 % of the memory of four.
const DIGITS: u8 = 3;

/// The longest latency that is told apart from longer ones, nanoseconds: an hour, as no run lasts longer.
const LONGEST: u64 = 3_600_000_000_000;

impl Tally {
    /// Empty counters; `None` when there is no memory for the latencies.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            latencies: Histogram::new_with_bounds(100, LONGEST, DIGITS).ok()?,
            exchanges: 0,
            messages: 0,
            retransmissions: 0,
            lost: Counts::new(),
            refused: Counts::new(),
            wrong: Counts::new(),
            late: 0,
            unsent: 0,
            unread: 0,
            skipped: 0,
        })
    }

    pub(super) fn done(&mut self, nanoseconds: u64) {
        self.exchanges += 1;
        self.latencies.saturating_record(nanoseconds);
    }

    pub(super) fn lost(&mut self, step: Step) {
        *self.lost.entry(step.name()).or_default() += 1;
    }

    pub(super) fn refused(&mut self, why: &'static str) {
        *self.refused.entry(why).or_default() += 1;
    }

    pub(super) fn wrong(&mut self, wrong: Wrong) {
        *self.wrong.entry(wrong.name()).or_default() += 1;
    }

    /// The report on `span`, in which `exchanges` were completed (those that ended later are not in the rate).
    pub(super) fn report(
        self,
        workload: Workload,
        guests: u32,
        pace: Pace,
        exchanges: u64,
        span: Duration,
    ) -> Report {
        let seconds = span.as_secs_f64();
        let ended = self.exchanges + [&self.lost, &self.refused].map(total).iter().sum::<u64>();
        let lost = total(&self.lost) as f64;
        let micros = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let at = |quantile| micros(self.latencies.value_at_quantile(quantile));
        Report {
            workload,
            guests,
            pace,
            seconds,
            exchanges,
            exchanges_per_second: if seconds > 0.0 { exchanges as f64 / seconds } else { 0.0 },
            messages: self.messages,
            retransmissions: self.retransmissions,
            late: self.late,
            unsent: self.unsent,
            unread: self.unread,
            skipped: self.skipped,
            loss_percent: if ended > 0 { 100.0 * lost / ended as f64 } else { 0.0 },
            latency_us: Latency {
                mean: self.latencies.mean() / 1000.0,
                p50: at(0.5),
                p99: at(0.99),
                p999: at(0.999),
                max: micros(self.latencies.max()),
            },
            server_cpu_us_per_exchange: None,
            storm: None,
            lost: self.lost,
            refused: self.refused,
            wrong: self.wrong,
        }
    }
}

fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}
