//! Files of operators and orchestrators: what is wrong in them is told, what opens is whole.

use std::sync::Arc;

use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease::{LeaseTable, LoadError, Lock, file, load_with_lock};
use frontdesk::types::limits::MAX_FRAME;
use frontdesk::types::{Instant, MacAddr};

use super::frames::{Guest, client_id, ia_na, ia_pd};

/// Octets of the header of a table, and where its checksum and its length stand.
const HEADER: usize = 312;

/// A compiled table, as it stands and with its length and checksum mended, so that what lies behind them is read.
pub fn table_file(octets: &[u8]) -> bool {
    let opened = open(octets.to_vec());
    let mut mended = octets.to_vec();
    if mended.len() >= HEADER {
        let length = (mended.len() as u64).to_le_bytes();
        mended[16..24].copy_from_slice(&length);
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&mended[..12]);
        checksum.update(&mended[16..]);
        mended[12..16].copy_from_slice(&checksum.finalize().to_le_bytes());
        return open(mended);
    }
    opened
}

fn open(octets: Vec<u8>) -> bool {
    match file::read(octets) {
        Ok(table) => {
            walk(table);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// A lease source: its name's ending by the first octet; a lock file may stand behind a line of `%`.
pub fn lease_source(octets: &[u8]) -> bool {
    let [form, text @ ..] = octets else { return false };
    let name = if form & 1 == 0 { "leases.toml" } else { "leases.json" };
    let cut = text.windows(3).position(|window| window == b"\n%\n");
    let (source, lock) = cut.map_or((text, None), |at| (&text[..at], Some(text[at + 3..].to_vec())));
    match load_with_lock(name, source.to_vec(), Lock { octets: lock, prune: form & 2 != 0 }) {
        Ok(loaded) => {
            if let Some(change) = loaded.lock {
                let again = Lock { octets: Some(change.text.into_bytes()), prune: false };
                let again =
                    load_with_lock(name, source.to_vec(), again).expect("it compiles with its own lock file");
                assert!(again.lock.is_none(), "nothing is missing in the lock file that was just written");
            }
            let mut octets = Vec::new();
            file::write(&loaded.table, &mut octets).expect("memory");
            walk(file::read(octets).expect("what was written opens"));
            true
        }
        Err(LoadError::Source(problems)) => {
            assert!(!problems.is_empty(), "a refusal has its reasons");
            for problem in problems {
                assert!(!problem.to_string().is_empty());
            }
            false
        }
        Err(LoadError::Table { why, .. }) => {
            assert!(!why.to_string().is_empty());
            false
        }
    }
}

/// Reads all of a table, and has it answer.
fn walk(table: LeaseTable) {
    let table = Arc::new(table);
    assert!(!table.server_duid().is_empty());
    for network in table.networks() {
        let _ = (network.id(), network.name(), network.router_mac(), network.router_link_local());
        let _ = (network.options(), network.own_addresses(), network.subnets());
        assert!(network.router_advertisements().all(|ra| ra.len() >= 16));
        let _ = network.is_on_link(network.router_link_local());
    }
    let mut engine = Engine::new(Arc::clone(&table), 1);
    let mut out = vec![0; MAX_FRAME];
    engine.attach(1, "tap1", MacAddr([0xfe, 0, 0, 0, 0, 1]), Instant(0));
    while engine.timeout(Instant(0), &mut out).is_some() {}
    for port in table.ports().take(16) {
        let _ = (port.addresses(), port.prefixes(), port.options(), port.hostname(), port.metadata());
        let _ = port.slaac_addresses().count();
        let name = port.device().map(|id| table.device_name(id).to_owned());
        engine.attach(2, name.as_deref().unwrap_or("tap2"), MacAddr([0xfe, 0, 0, 0, 0, 2]), Instant(0));
        let guest = Guest { device: 2, vlan: port.vlan(), ..Guest::with_mac(port.mac().0) };
        let solicit = [client_id(&guest), ia_na(1, &[]), ia_pd(2, &[])].concat();
        for frame in [guest.rs(), guest.dhcp(1, &solicit), guest.dhcp(11, &client_id(&guest))] {
            let (vlan, length) = (guest.vlan, frame.len());
            let rx = RxFrame { device: 2, vlan, checksum: Checksum::Unknown, length, octets: &frame };
            engine.frame(Instant(0), rx, &mut out);
        }
    }
}
