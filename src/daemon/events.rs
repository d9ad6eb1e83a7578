//! What guests tell of their addresses, as lines of the log: registrations (RFC 9686) and declines (RFC 9915 §18.3.8).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;

use crate::answer::{Event, Happening};
use crate::types::MacAddr;

/// Events that wait to be logged; more are counted as `events-unheard`.
pub(super) const MAX_WAITING: usize = 1024;

/// Lines for one guest in a period: a guest with a dozen addresses registers them all, and none fills the disk.
const MAX_LINES: u32 = 16;
const PERIOD: Duration = Duration::from_secs(10);

/// Lines of each guest in the period that is under way.
struct Lines {
    since: Instant,
    of: HashMap<(MacAddr, u16), u32>,
}

impl Lines {
    /// Counts one more of a guest: how many it has now.
    fn count(&mut self, guest: (MacAddr, u16), now: Instant) -> u32 {
        if now.duration_since(self.since) >= PERIOD {
            self.of.clear();
            self.since = now;
        }
        let lines = self.of.entry(guest).or_default();
        *lines = lines.saturating_add(1);
        *lines
    }
}

/// Logs what comes, until the packet thread is gone.
pub(super) async fn log(mut events: Receiver<(u32, Event)>) {
    let mut lines = Lines { since: Instant::now(), of: HashMap::new() };
    while let Some((device, event)) = events.recv().await {
        match lines.count((event.mac, event.vlan), Instant::now()) {
            ..=MAX_LINES => write(device, &event),
            n if n == MAX_LINES + 1 => {
                tracing::warn!(mac = %event.mac, vlan = event.vlan, "tells more than is logged for now");
            }
            _ => {}
        }
    }
}

fn write(device: u32, event: &Event) {
    let Event { happening, address, mac, vlan, transaction, .. } = *event;
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let (duid, transaction, name) = (hex(event.duid()), hex(&transaction), happening.name());
    match happening {
        Happening::Registered { preferred, valid } => {
            tracing::info!(%mac, vlan, device, %address, preferred, valid, duid, transaction, "{name}");
        }
        Happening::RegistrationRefused | Happening::Declined => {
            tracing::warn!(%mac, vlan, device, %address, duid, transaction, "{name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reg_010_a_guest_that_tells_ever_the_same_fills_no_log_and_silences_nobody() {
        let start = Instant::now();
        let mut lines = Lines { since: start, of: HashMap::new() };
        let [loud, other] = [1, 2].map(|last| (MacAddr([2, 0, 0, 0, 0, last]), 0));
        let logged = (0..1000).filter(|_| lines.count(loud, start) <= MAX_LINES).count();
        assert_eq!(logged, 16);
        assert_eq!(lines.count(other, start), 1);
        assert_eq!(lines.count(loud, start + PERIOD), 1, "a new period");
    }
}
