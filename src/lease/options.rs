//! The block of DHCPv6 options that a port is entitled to, encoded once at compile time.
//!
//! A block is a run of entries in ascending order of code. An entry is one octet of `OPTION_*` flags, one octet that
//! says which field of the source it came from ([`Origin`]), and then the option exactly as it goes on the wire:
//! code, length, value (RFC 9915 §21.1). Answering copies the option; nothing is encoded per frame.

/// Sent even if the client's Option Request does not name it (boot file URL for iPXE, captive portal).
pub const OPTION_UNASKED: u8 = 1;
/// Only in a Reply to Information-request: Information Refresh Time (RFC 9915 §21.23).
pub const OPTION_INFORM_ONLY: u8 = 2;
/// Only in a Reply: INF_MAX_RT (RFC 9915 §21.25).
pub const OPTION_REPLY_ONLY: u8 = 4;

/// Where in the lease source an option was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// Built in: the source says nothing and the default stands.
    Default = 0,
    /// A field of the network.
    Network = 1,
    /// A field of the port.
    Port = 2,
}

/// One option of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'b> {
    /// `OPTION_*` bits.
    pub flags: u8,
    /// Where it was written.
    pub origin: Origin,
    /// Option code.
    pub code: u16,
    /// Code, length and value as they go on the wire.
    pub wire: &'b [u8],
}

/// The entries of a block. Ends at the first octet that is not an entry; `verify` proves that there is none.
pub fn entries(block: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (head, _) = rest.split_first_chunk::<6>()?;
        let [flags, origin, c0, c1, l0, l1] = *head;
        let length = usize::from(u16::from_be_bytes([l0, l1])).saturating_add(6);
        let (entry, tail) = rest.split_at_checked(length)?;
        rest = tail;
        let origin = match origin {
            1 => Origin::Network,
            2 => Origin::Port,
            _ => Origin::Default,
        };
        Some(Entry { flags, origin, code: u16::from_be_bytes([c0, c1]), wire: entry.get(2..)? })
    })
}

/// The field of the lease source that an option comes from.
#[must_use]
pub const fn field(code: u16) -> &'static str {
    match code {
        23 => "dns_nameservers",
        24 => "dns_domains",
        31 => "sntp_servers",
        32 => "information_refresh_time",
        39 => "hostname",
        56 => "ntp_servers",
        59 => "boot_file_url",
        82 => "sol_max_rt",
        83 => "inf_max_rt",
        103 => "captive_portal",
        _ => "options",
    }
}

/// True when a block is a whole number of entries in ascending order of code, each once unless the option may repeat.
#[must_use]
pub fn verify(block: &[u8]) -> bool {
    let (mut octets, mut last) = (0_usize, 0);
    for entry in entries(block) {
        octets = octets.saturating_add(entry.wire.len()).saturating_add(2);
        if entry.code < last {
            return false;
        }
        last = entry.code;
    }
    octets == block.len()
}
