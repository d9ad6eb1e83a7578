//! How long a guest of a boot storm waits before it says the same again (RFC 9915 §15).

use super::workload::Step;

/// Parameters of RFC 9915 §15, nanoseconds.
struct Timing {
    first: u64,
    max: u64,
    /// Transmissions after which it begins anew; none for never.
    count: Option<u8>,
}

const SECOND: u64 = 1_000_000_000;

/// SOL_TIMEOUT, SOL_MAX_RT and INF_TIMEOUT, INF_MAX_RT are the same (RFC 9915 §7.6).
const SOLICIT: Timing = Timing { first: SECOND, max: 3600 * SECOND, count: None };
/// REQ_TIMEOUT, REQ_MAX_RT, REQ_MAX_RC (RFC 9915 §7.6).
const REQUEST: Timing = Timing { first: SECOND, max: 30 * SECOND, count: Some(10) };
/// RTR_SOLICITATION_INTERVAL, then doubling (RFC 7559 §2).
const ROUTER: Timing = Timing { first: 4 * SECOND, max: 3600 * SECOND, count: None };
/// RETRANS_TIMER and MAX_MULTICAST_SOLICIT (RFC 4861 §10).
const NEIGHBOR: Timing = Timing { first: SECOND, max: SECOND, count: Some(3) };

/// The time to wait after transmission number `sent` of a message, nanoseconds; `None` when the guest gives up and
/// begins anew. `last` is the wait before; `chance` is even between 0 and 1.
pub(super) fn wait(step: Step, sent: u8, last: u64, chance: f64) -> Option<u64> {
    let timing = match step {
        Step::Solicit | Step::InformationRequest => SOLICIT,
        Step::Request => REQUEST,
        Step::RouterSolicitation => ROUTER,
        Step::NeighborSolicitation | Step::ClaimLinkLocal | Step::ClaimAddress => NEIGHBOR,
    };
    if timing.count.is_some_and(|count| sent > count) {
        return None;
    }
    // RAND is between -0.1 and 0.1; for the first Solicit it is above 0 (RFC 9915 §18.2.1).
    let random = 0.2 * chance - 0.1;
    let random = if step == Step::Solicit && sent == 1 { chance / 10.0 } else { random };
    let times = |base: u64, factor: f64| (base as f64 * factor) as u64;
    let wait = if sent == 1 { times(timing.first, 1.0 + random) } else { times(last, 2.0 + random) };
    Some(if wait > timing.max { times(timing.max, 1.0 + random) } else { wait })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(step: Step, chance: f64) -> Vec<u64> {
        let mut waits = Vec::new();
        for sent in 1..=20 {
            let Some(next) = wait(step, sent, waits.last().copied().unwrap_or(0), chance) else { break };
            waits.push(next);
        }
        waits
    }

    #[test]
    fn a_solicit_is_repeated_for_ever_and_ever_more_rarely() {
        // The middle of the range: the first wait is longer than a second, the others double.
        let middle = waits(Step::Solicit, 0.5);
        assert_eq!(middle.get(..4), Some(&[1_050_000_000, 2_100_000_000, 4_200_000_000, 8_400_000_000][..]));
        assert_eq!(middle.len(), 20);
        assert_eq!(middle.last(), Some(&(3600 * SECOND)));
        let (least, most) = (waits(Step::Solicit, 0.0), waits(Step::Solicit, 1.0));
        assert_eq!((least.first(), most.first()), (Some(&SECOND), Some(&1_100_000_000)));
        assert_eq!(least.get(1), Some(&1_900_000_000));
    }

    #[test]
    fn a_request_is_given_up_after_ten() {
        let all = waits(Step::Request, 0.5);
        assert_eq!((all.len(), all.last()), (10, Some(&(30 * SECOND))));
        assert_eq!(waits(Step::NeighborSolicitation, 0.5).len(), 3);
    }
}
