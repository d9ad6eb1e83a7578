//! The compiled table as a file: read back as it was written, and refused when anything about it is wrong.

mod lease_support;

use frontdesk::lease::file::{FileError, read, write};
use frontdesk::lease::{LoadError, Lookup, load, load_locked};
use frontdesk::types::MacAddr;
use lease_support::{NETWORKS, table};

const EXAMPLE: &str = include_str!("../fixtures/leases.example.toml");

/// The octets of the table of the reference of all fields.
fn full() -> Vec<u8> {
    let source = include_bytes!("../fixtures/leases.full.toml");
    let lock = include_bytes!("../fixtures/leases.full.lock");
    let loaded = load_locked("leases.full.toml", source.to_vec(), Some(lock.to_vec()));
    let mut octets = Vec::new();
    write(&loaded.unwrap_or_else(|error| panic!("{error}")).table, &mut octets).expect("memory");
    octets
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    write(&table(text), &mut octets).expect("memory");
    octets
}

#[test]
fn a_table_is_read_back_as_it_was_written() {
    let written = table(EXAMPLE);
    let back = read(octets(EXAMPLE)).expect("its own file");
    assert_eq!(back.sections(), written.sections());
    assert_eq!(octets(EXAMPLE), octets(EXAMPLE), "the same every time");
    let loaded = load("leases.table", octets(EXAMPLE)).expect("recognised by its first octets");
    assert_eq!(loaded.table.sections(), written.sections());
}

#[test]
fn the_empty_table_is_a_table() {
    let empty = read(octets("version = 1\nserver = { cloud = \"c\" }\n")).expect("readable");
    assert_eq!((empty.port_count(), empty.network_count()), (0, 0));
    assert_eq!(empty.find(0, MacAddr([2, 0, 0, 0, 0, 1]), None), Lookup::Unknown);
}

/// Enough ports on enough threads that the pieces are joined; every one is found again, and no stranger is.
#[test]
fn every_port_of_a_large_table_is_found() {
    let ports: String = (0..10_000_u32)
        .map(|i| {
            let [_, b, c, d] = i.to_be_bytes();
            format!("[[ports]]\nmac_address = \"02:00:00:{b:02x}:{c:02x}:{d:02x}\"\nnetwork = \"x\"\ndevice = \"tap{i}\"\n")
        })
        .collect();
    let written = octets(&format!("{NETWORKS}{ports}"));
    // Two hundred octets for each port and its device's name, and a little for the networks.
    assert!(written.len() < 10_000 * 200 + 4096, "{} octets", written.len());
    let table = read(written).expect("its own file");
    for i in 0..10_000_u32 {
        let [_, b, c, d] = i.to_be_bytes();
        let mac = MacAddr([2, 0, 0, b, c, d]);
        let device = table.device(&format!("tap{i}"));
        let Lookup::Found(id) = table.find(0, mac, device) else { panic!("port {i} is there") };
        assert_eq!((id.0, table.port(id).map(|p| p.mac())), (i, Some(mac)));
        assert_eq!(table.find(0, mac, None), Lookup::WrongDevice);
        assert_eq!(table.find(1, mac, device), Lookup::Unknown);
    }
    assert_eq!(table.find(0, MacAddr([2, 0, 1, 0, 0, 0]), None), Lookup::Unknown);
}

/// Every bit of a small table matters: the header's by themselves, all others by the checksum.
#[test]
fn a_changed_bit_is_refused_wherever_it_is() {
    let good = octets(EXAMPLE);
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut changed = good.clone();
            changed[at] ^= bit;
            let error = read(changed).err().unwrap_or_else(|| panic!("octet {at} was not missed"));
            match (at, &error) {
                (0..8, FileError::Magic)
                | (8..12, FileError::Version(_))
                | (16..24, FileError::Truncated { .. } | FileError::Trailing(_))
                | (24..336, FileError::Content(_) | FileError::Checksum { .. }) => {}
                (12..16 | 336.., FileError::Checksum { .. }) => {}
                _ => panic!("octet {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_off_or_goes_on_is_refused() {
    let good = octets(EXAMPLE);
    for length in 0..good.len() {
        let error =
            read(good[..length].to_vec()).err().unwrap_or_else(|| panic!("{length} octets are not all"));
        let expected = match length {
            0..8 => matches!(error, FileError::Magic),
            _ => matches!(error, FileError::Truncated { found, .. } if found == length as u64),
        };
        assert!(expected, "{length} octets: {error}");
    }
    let long = [good.as_slice(), b"more"].concat();
    assert_eq!(read(long).err(), Some(FileError::Trailing(4)));
}

#[test]
fn what_is_refused_is_said_with_a_remedy() {
    let mut newer = octets(EXAMPLE);
    newer[8] = 9;
    let Err(error) = load("t", newer) else { panic!("refused") };
    assert_eq!(
        error.to_string(),
        "t: the table has format version 9, this program reads version 4; recompile the lease source with this version"
    );
    let mut cut = octets(EXAMPLE);
    cut.pop();
    let Err(LoadError::Table { why, .. }) = load("t", cut) else { panic!("refused") };
    let said = why.to_string();
    assert!(
        said.starts_with("the table is cut off: ") && said.ends_with("or recompile the lease source"),
        "{said}"
    );
    assert_eq!(read(b"[networks]".to_vec()).err(), Some(FileError::Magic));
}

/// Offset of a section and octets of its records, from the directory.
fn section(octets: &[u8], number: usize) -> (usize, usize) {
    let field = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().expect("eight octets"));
    let entry = 24 + number * 24;
    (field(entry) as usize, field(entry + 16) as usize & 0xffff_ffff)
}

/// A file with octets changed and its checksum made right again.
fn forged(mut octets: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    octets[at..at + new.len()].copy_from_slice(new);
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&octets[..12]);
    checksum.update(&octets[16..]);
    octets[12..16].copy_from_slice(&checksum.finalize().to_le_bytes());
    octets
}

/// A right checksum proves nothing: what the table refers to is verified too. The offsets are those of the records.
#[test]
fn a_table_that_contradicts_itself_is_refused() {
    const NETWORK: usize = 1;
    const SUBNET: usize = 2;
    const PORT: usize = 3;
    const PREFIX: usize = 5;
    const INDEX: usize = 7;
    const SERVICE: usize = 11;
    let good = octets(EXAMPLE);
    let at = |number: usize, record: usize, offset: usize| {
        let (first, size) = section(&good, number);
        first + record * size + offset
    };
    let (index, _) = section(&good, INDEX);
    let used = (0..8).find(|slot| good[index + slot * 8 + 4] != 0).expect("three of eight slots are used");
    let far = &u32::MAX.to_le_bytes()[..];
    for (name, offset, new, said) in [
        ("DUID outside", at(0, 0, 0), far, "the server's DUID lies outside the blobs"),
        ("DUID too short", at(0, 0, 4), &[2, 0, 0, 0], "the server's DUID has 2 octets"),
        ("name outside", at(NETWORK, 0, 0), far, "network 0: its name lies outside the blobs"),
        ("RA outside", at(NETWORK, 0, 8), far, "network 0: its RA lies outside the blobs"),
        ("RA cut", at(NETWORK, 0, 12), &[20, 0], "network 0: its RA is none"),
        ("options outside", at(NETWORK, 1, 20), far, "network 1: its options lie outside the blobs"),
        ("options cut", at(NETWORK, 1, 20), &[3, 0, 0, 0], "network 1: its options are no block"),
        ("own addresses outside", at(NETWORK, 0, 24), far, "network 0: it has no address of its own"),
        ("subnets outside", at(NETWORK, 0, 30), far, "network 0: its subnets lie outside the section"),
        ("MTU too small", at(NETWORK, 0, 40), &[0xff, 4, 0, 0], "network 0: its MTU is below 1280"),
        ("no VLAN", at(NETWORK, 0, 38), &[0xff, 0x0f], "network 0: its VLAN is none"),
        ("group MAC", at(NETWORK, 0, 44), &[1], "network 0: its answers have no source"),
        ("host bits", at(SUBNET, 0, 15), &[1], "2001:db8:cafe::1/64 is no prefix"),
        ("prefix too long", at(PREFIX, 0, 16), &[129], "2001:db8:face:2ff2::/129 is no prefix"),
        ("no network", at(PORT, 0, 8), &[3], "port 0: it has no network"),
        ("another VLAN", at(PORT, 0, 6), &[9], "port 0: its VLAN is not its network's"),
        ("no device", at(PORT, 0, 12), &[7, 0, 0, 0], "port 0: its device is none"),
        (
            "addresses outside",
            at(PORT, 2, 16),
            far,
            "port 2: its addresses are too many or lie outside the section",
        ),
        (
            "prefixes outside",
            at(PORT, 2, 22),
            far,
            "port 2: its prefixes are too many or lie outside the section",
        ),
        ("port options outside", at(PORT, 2, 28), far, "port 2: its options lie outside the blobs"),
        ("host name outside", at(PORT, 2, 36), far, "port 2: its host name lies outside the blobs"),
        ("host name cut", at(PORT, 2, 40), &[5, 0], "port 2: its host name is no name"),
        ("metadata outside", at(PORT, 2, 44), far, "port 2: its metadata lie outside the blobs"),
        ("port's end not empty", at(PORT, 2, 63), &[1], "port 2: its last octets are not zero"),
        ("empty slot", index + used * 8 + 4, &[0], "is not in its index"),
        ("wrong tag", index + used * 8, far, "cannot be found through its index"),
        ("strange port", index + used * 8 + 4, &[9], "of its index has no port"),
        ("further RAs outside", at(NETWORK, 0, 92), far, "network 0: its further RAs lie outside the blobs"),
        ("further RAs cut", at(NETWORK, 0, 96), &[3], "network 0: its further RAs are none"),
        (
            "services outside",
            at(NETWORK, 0, 100),
            far,
            "network 0: its services are too many or lie outside the section",
        ),
        ("upstream outside", at(NETWORK, 0, 106), far, "network 0: its upstream has no name"),
        ("id outside", at(NETWORK, 0, 114), far, "network 0: its id is not UTF-8"),
        ("service without port", at(SERVICE, 0, 16), &[0], "network 0: its services are none"),
        ("service of nobody", at(SERVICE, 0, 15), &[0], "network 0: its services are none"),
    ] {
        let error =
            read(forged(good.clone(), offset, new)).err().unwrap_or_else(|| panic!("{name} was not missed"));
        assert!(
            matches!(&error, FileError::Content(_)) && error.to_string().contains(said),
            "{name}: {error}"
        );
    }
}

#[test]
fn the_full_table_is_read_back_as_it_was_written() {
    let mut again = Vec::new();
    write(&read(full()).expect("its own file"), &mut again).expect("memory");
    assert_eq!(again, full());
}

/// What relays are told by, and what is excluded, is verified as everything else.
#[test]
fn a_table_whose_relays_contradict_themselves_is_refused() {
    const PREFIX: usize = 5;
    const DEVICE: usize = 6;
    const LINK: usize = 8;
    const RELAY: usize = 9;
    const INTERFACE: usize = 10;
    let good = full();
    let at = |number: usize, record: usize, offset: usize| {
        let (first, size) = section(&good, number);
        first + record * size + offset
    };
    let far = &u32::MAX.to_le_bytes()[..];
    for (name, offset, new, said) in [
        ("excluded elsewhere", at(PREFIX, 1, 17), &[0x3f][..], "is no part of 2001:db8:face:200::/56"),
        ("excluded whole", at(PREFIX, 1, 33), &[56], "is no prefix"),
        ("excluded without length", at(PREFIX, 1, 33), &[0], "2001:db8:face:2ff::/0 is no prefix"),
        ("link with host bits", at(LINK, 1, 15), &[1], "is no prefix"),
        ("links in disorder", at(LINK, 1, 0), &[0x10], "link 1 is not behind the one before"),
        ("link into the other", at(LINK, 0, 16), &[32], "is no prefix"),
        ("link without network", at(LINK, 0, 18), &[7], "link 0 has no network"),
        ("relay's devices outside", at(RELAY, 0, 0), far, "its relay: its devices lie outside the blobs"),
        ("relay without devices", at(RELAY, 0, 4), &[0], "its relay: its devices are none"),
        (
            "relay's ways outside",
            at(RELAY, 0, 8),
            far,
            "its relay: its ways to identify lie outside the blobs",
        ),
        ("relay without ways", at(RELAY, 0, 12), &[0], "its relay: its ways to identify are none"),
        ("sources outside", at(RELAY, 0, 16), far, "its relay: its addresses lie outside the section"),
        ("our addresses outside", at(RELAY, 0, 22), far, "its relay: its addresses lie outside the section"),
        ("sources in disorder", at(RELAY, 0, 20), &[3], "its relay: its sources are not in order"),
        ("strange format", at(RELAY, 0, 34), &[2], "its relay: its Remote-ID is none"),
        ("group MAC", at(RELAY, 0, 36), &[1], "its relay: its answers have no source"),
        ("global source", at(RELAY, 0, 42), &[0x20], "its relay: its answers have no source"),
        ("id outside", at(INTERFACE, 0, 0), far, "interface 0 has no id"),
        ("ids in disorder", at(INTERFACE, 1, 4), &[0], "interface 1 is not in the order of ids"),
        ("device without name", at(DEVICE, 0, 0), far, "device 0 has no name"),
    ] {
        let error =
            read(forged(good.clone(), offset, new)).err().unwrap_or_else(|| panic!("{name} was not missed"));
        assert!(
            matches!(&error, FileError::Content(_)) && error.to_string().contains(said),
            "{name}: {error}"
        );
    }
}
