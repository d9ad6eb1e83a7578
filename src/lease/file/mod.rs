//! The compiled table as a file: written once, read without parsing text, refused unless every octet is right.
//!
//! ```text
//! offset  octets  what
//!      0       8  magic: 89 46 44 54 0d 0a 1a 0a (as PNG: a transfer that mangles text is noticed)
//!      8       4  format version, 4
//!     12       4  CRC-32 (IEEE) of every octet of the file but these four
//!     16       8  length of the file
//!     24   13 × 24 directory: for each section its offset (8), its length in octets (8), the size of one record (4),
//!                 zero (4)
//!    336       …  sections in the order of [`Sections`], one directly behind the other, blobs last
//! ```
//!
//! Numbers are little-endian on every machine.

mod verify;

use std::io::{self, Write};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::record::{
    BlobRef, IndexSlot, InterfaceRecord, LinkRecord, NetworkRecord, PortRecord, PrefixRecord, RelayRecord,
    ServerRecord, ServiceRecord, SubnetRecord,
};
use super::table::{LeaseTable, Sections};

const MAGIC: [u8; 8] = *b"\x89FDT\r\n\x1a\n";

/// Version of the format: of the header, of every record and of `hash_key`.
pub const FORMAT_VERSION: u32 = 4;

const CRC_OFFSET: usize = 12;
const LENGTH_OFFSET: usize = 16;
const DIRECTORY_OFFSET: usize = 24;
const DIRECTORY_ENTRY: usize = 24;

/// Names of the sections, for errors, in the order of the file.
const SECTIONS: [(&str, usize); 13] = [
    ("server", size_of::<ServerRecord>()),
    ("networks", size_of::<NetworkRecord>()),
    ("subnets", size_of::<SubnetRecord>()),
    ("ports", size_of::<PortRecord>()),
    ("addresses", 16),
    ("prefixes", size_of::<PrefixRecord>()),
    ("devices", size_of::<BlobRef>()),
    ("index", size_of::<IndexSlot>()),
    ("links", size_of::<LinkRecord>()),
    ("relays", size_of::<RelayRecord>()),
    ("interfaces", size_of::<InterfaceRecord>()),
    ("services", size_of::<ServiceRecord>()),
    ("blobs", 1),
];

const HEADER: usize = DIRECTORY_OFFSET + SECTIONS.len() * DIRECTORY_ENTRY;

/// Why a file is refused as a compiled table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The first octets are not a table's.
    #[error("not a compiled lease table; make one with `frontdesk compile`")]
    Magic,
    /// Another version of the program wrote it.
    #[error(
        "the table has format version {0}, this program reads version {FORMAT_VERSION}; recompile the lease source with this version"
    )]
    Version(u32),
    /// The file ends too soon.
    #[error(
        "the table is cut off: {found} octets of {expected}; copy it again or recompile the lease source"
    )]
    Truncated {
        /// Octets that the header promises.
        expected: u64,
        /// Octets that are there.
        found: u64,
    },
    /// There is more than the table.
    #[error("{0} octets stand behind the table; copy it again or recompile the lease source")]
    Trailing(u64),
    /// An octet was changed since it was written.
    #[error(
        "the table is damaged: its checksum is {found:08x}, not {expected:08x}; copy it again or recompile the lease source"
    )]
    Checksum {
        /// As the header says.
        expected: u32,
        /// As the octets are.
        found: u32,
    },
    /// The checksum is right and the content is not: no version of this program wrote it.
    #[error("the table contradicts itself: {0}; recompile the lease source with this version")]
    Content(String),
}

/// True when octets start as a compiled table does.
#[must_use]
pub fn is_table(octets: &[u8]) -> bool {
    octets.starts_with(&MAGIC)
}

/// Writes a table; the same table gives the same octets on every machine.
///
/// # Errors
/// What `out` returns.
pub fn write(table: &LeaseTable, out: &mut dyn Write) -> io::Result<()> {
    let sections = octets(table.sections());
    let mut header = [0_u8; HEADER];
    put(&mut header, 0, &MAGIC);
    put(&mut header, MAGIC.len(), &FORMAT_VERSION.to_le_bytes());
    let mut offset = HEADER;
    for (i, (section, (_, record))) in sections.iter().zip(SECTIONS).enumerate() {
        let at = DIRECTORY_OFFSET + i * DIRECTORY_ENTRY;
        put(&mut header, at, &(offset as u64).to_le_bytes());
        put(&mut header, at + 8, &(section.len() as u64).to_le_bytes());
        put(&mut header, at + 16, &(record as u32).to_le_bytes());
        offset += section.len();
    }
    put(&mut header, LENGTH_OFFSET, &(offset as u64).to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    for part in [&header[..CRC_OFFSET], &header[LENGTH_OFFSET..]].into_iter().chain(sections) {
        checksum.update(part);
    }
    put(&mut header, CRC_OFFSET, &checksum.finalize().to_le_bytes());
    out.write_all(&header)?;
    sections.iter().try_for_each(|section| out.write_all(section))
}

fn put(header: &mut [u8; HEADER], at: usize, octets: &[u8]) {
    header[at..at + octets.len()].copy_from_slice(octets);
}

/// The octets of a table's sections, where they lie in memory.
#[must_use]
pub fn sections(table: &LeaseTable) -> [&[u8]; SECTIONS.len()] {
    octets(table.sections())
}

fn octets(sections: &Sections) -> [&[u8]; SECTIONS.len()] {
    [
        sections.server.as_bytes(),
        sections.networks.as_bytes(),
        sections.subnets.as_bytes(),
        sections.ports.as_bytes(),
        sections.addresses.as_bytes(),
        sections.prefixes.as_bytes(),
        sections.devices.as_bytes(),
        sections.index.as_bytes(),
        sections.links.as_bytes(),
        sections.relays.as_bytes(),
        sections.interfaces.as_bytes(),
        sections.services.as_bytes(),
        &sections.blobs,
    ]
}

/// Reads a table that [`write()`] wrote. The octets become the table's blobs, so they are taken, not borrowed.
///
/// # Errors
/// [`FileError`], and nothing of a file with one is used.
pub fn read(mut octets: Vec<u8>) -> Result<LeaseTable, FileError> {
    let directory = header(&octets)?;
    // The checksum is the slowest part and needs nothing but the octets, so it has a processor of its own.
    let (checked, copied) = std::thread::scope(|scope| {
        let checked = scope.spawn(|| checksum(&octets));
        let copied = copy(&octets, &directory);
        (checked.join(), copied)
    });
    checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let mut sections = copied?;
    let blobs = directory.last().map_or(octets.len(), |entry| entry.offset);
    octets.drain(..blobs);
    // The room of the other sections, which are copies: half of the table's memory.
    octets.shrink_to_fit();
    sections.blobs = octets;
    verify::verify(&sections).map_err(FileError::Content)?;
    Ok(LeaseTable::from_checked(sections))
}

#[derive(Clone, Copy)]
struct DirectoryEntry {
    offset: usize,
    length: usize,
}

/// Checks the header and where it says that the sections are.
fn header(octets: &[u8]) -> Result<[DirectoryEntry; SECTIONS.len()], FileError> {
    if !is_table(octets) {
        return Err(FileError::Magic);
    }
    let found = octets.len() as u64;
    let short = FileError::Truncated { expected: HEADER as u64, found };
    let version = u32::from_le_bytes(field(octets, MAGIC.len()).ok_or_else(|| short.clone())?);
    if version != FORMAT_VERSION {
        return Err(FileError::Version(version));
    }
    if octets.len() < HEADER {
        return Err(short);
    }
    let expected = u64::from_le_bytes(field(octets, LENGTH_OFFSET).ok_or(short)?);
    if found < expected {
        return Err(FileError::Truncated { expected, found });
    }
    if found > expected {
        return Err(FileError::Trailing(found - expected));
    }
    directory(octets).ok_or_else(|| FileError::Content("its directory does not cover the file".to_owned()))
}

/// The directory, if its sections lie one directly behind the other, with whole records, up to the end.
fn directory(octets: &[u8]) -> Option<[DirectoryEntry; SECTIONS.len()]> {
    let mut directory = [DirectoryEntry { offset: 0, length: 0 }; SECTIONS.len()];
    let mut next = HEADER;
    for (i, (entry, (_, record))) in directory.iter_mut().zip(SECTIONS).enumerate() {
        let at = DIRECTORY_OFFSET + i * DIRECTORY_ENTRY;
        let offset = usize::try_from(u64::from_le_bytes(field(octets, at)?)).ok()?;
        let length = usize::try_from(u64::from_le_bytes(field(octets, at + 8)?)).ok()?;
        let size = usize::try_from(u32::from_le_bytes(field(octets, at + 16)?)).ok()?;
        let zero = u32::from_le_bytes(field(octets, at + 20)?);
        if offset != next || size != record || length % record != 0 || zero != 0 {
            return None;
        }
        next = offset.checked_add(length)?;
        *entry = DirectoryEntry { offset, length };
    }
    (next == octets.len()).then_some(directory)
}

fn field<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk::<N>().copied()
}

fn checksum(octets: &[u8]) -> Result<(), FileError> {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(octets.get(..CRC_OFFSET).unwrap_or(&[]));
    checksum.update(octets.get(LENGTH_OFFSET..).unwrap_or(&[]));
    let found = checksum.finalize();
    let expected = u32::from_le_bytes(field(octets, CRC_OFFSET).unwrap_or_default());
    if found == expected { Ok(()) } else { Err(FileError::Checksum { expected, found }) }
}

/// Every section but the blobs.
fn copy(octets: &[u8], directory: &[DirectoryEntry; SECTIONS.len()]) -> Result<Sections, FileError> {
    let [
        server,
        networks,
        subnets,
        ports,
        addresses,
        prefixes,
        devices,
        index,
        links,
        relays,
        interfaces,
        services,
        _,
    ] = directory.map(|entry| octets.get(entry.offset..entry.offset + entry.length).unwrap_or(&[]));
    let server: Vec<ServerRecord> = records(server);
    let [server] = server.as_slice() else {
        return Err(FileError::Content("it has not one server".to_owned()));
    };
    Ok(Sections {
        server: *server,
        networks: records(networks),
        subnets: records(subnets),
        ports: records(ports),
        addresses: records(addresses),
        prefixes: records(prefixes),
        devices: records(devices),
        index: records(index),
        links: records(links),
        relays: records(relays),
        interfaces: records(interfaces),
        services: records(services),
        blobs: Vec::new(),
    })
}

/// Records without parsing; the directory has made sure that there is a whole number of them.
fn records<T: FromBytes + Immutable + KnownLayout + Unaligned + Clone>(octets: &[u8]) -> Vec<T> {
    <[T]>::ref_from_bytes(octets).map_or_else(|_| Vec::new(), <[T]>::to_vec)
}
