//! The option walk of DHCPv6 (RFC 9915 §21.1).

use crate::wire::reader::Reader;

/// Option codes of the IANA registry that are spoken here.
pub mod code {
    /// Client Identifier (RFC 9915 §21.2).
    pub const CLIENT_ID: u16 = 1;
    /// Server Identifier (RFC 9915 §21.3).
    pub const SERVER_ID: u16 = 2;
    /// Identity Association for Non-temporary Addresses (RFC 9915 §21.4).
    pub const IA_NA: u16 = 3;
    /// Identity Association for Temporary Addresses, obsolete (RFC 9915 §21.5).
    pub const IA_TA: u16 = 4;
    /// IA Address (RFC 9915 §21.6).
    pub const IAADDR: u16 = 5;
    /// Option Request (RFC 9915 §21.7).
    pub const ORO: u16 = 6;
    /// Preference (RFC 9915 §21.8).
    pub const PREFERENCE: u16 = 7;
    /// Relay Message (RFC 9915 §21.10).
    pub const RELAY_MSG: u16 = 9;
    /// Status Code (RFC 9915 §21.13).
    pub const STATUS_CODE: u16 = 13;
    /// Rapid Commit (RFC 9915 §21.14).
    pub const RAPID_COMMIT: u16 = 14;
    /// User Class (RFC 9915 §21.15).
    pub const USER_CLASS: u16 = 15;
    /// Vendor Class (RFC 9915 §21.16).
    pub const VENDOR_CLASS: u16 = 16;
    /// Interface-Id of a relay (RFC 9915 §21.18).
    pub const INTERFACE_ID: u16 = 18;
    /// Recursive DNS servers (RFC 3646 §3).
    pub const DNS_SERVERS: u16 = 23;
    /// Domain search list (RFC 3646 §4).
    pub const DOMAIN_LIST: u16 = 24;
    /// Identity Association for Prefix Delegation (RFC 9915 §21.21).
    pub const IA_PD: u16 = 25;
    /// IA Prefix (RFC 9915 §21.22).
    pub const IAPREFIX: u16 = 26;
    /// SNTP servers (RFC 4075 §4).
    pub const SNTP_SERVERS: u16 = 31;
    /// Information Refresh Time (RFC 9915 §21.23).
    pub const INFORMATION_REFRESH_TIME: u16 = 32;
    /// Remote-Id of a relay (RFC 4649 §3).
    pub const REMOTE_ID: u16 = 37;
    /// Client FQDN (RFC 4704 §4).
    pub const CLIENT_FQDN: u16 = 39;
    /// Relay Agent Echo Request (RFC 4994).
    pub const ERO: u16 = 43;
    /// NTP server (RFC 5908 §4).
    pub const NTP_SERVER: u16 = 56;
    /// Boot file URL (RFC 5970 §3.1).
    pub const BOOTFILE_URL: u16 = 59;
    /// Client system architecture (RFC 5970 §3.3).
    pub const CLIENT_ARCH_TYPE: u16 = 61;
    /// Prefix Exclude, inside an IA Prefix (RFC 6603 §4.2).
    pub const PD_EXCLUDE: u16 = 67;
    /// Client link-layer address, from a relay (RFC 6939 §4).
    pub const CLIENT_LINKLAYER_ADDR: u16 = 79;
    /// SOL_MAX_RT (RFC 9915 §21.24).
    pub const SOL_MAX_RT: u16 = 82;
    /// INF_MAX_RT (RFC 9915 §21.25).
    pub const INF_MAX_RT: u16 = 83;
    /// Captive portal (RFC 8910 §2.2).
    pub const CAPTIVE_PORTAL: u16 = 103;
    /// Relay Source Port (RFC 8357 §4).
    pub const RELAY_PORT: u16 = 135;
    /// Address registration is offered (RFC 9686 §4.1).
    pub const ADDR_REG_ENABLE: u16 = 148;
}

/// An option whose length crosses the end of what holds it: the whole message is malformed (DHCP-014).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct Opt<'a> {
    /// Option code.
    pub code: u16,
    /// Value, as long as the option says.
    pub value: &'a [u8],
}

/// The options in `octets`, in order; the first that crosses the end is `Err` and nothing follows it.
pub fn options(octets: &[u8]) -> impl Iterator<Item = Result<Opt<'_>, Broken>> {
    let mut reader = Reader::new(octets);
    std::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let option = next(&mut reader);
        if option.is_none() {
            reader = Reader::new(&[]);
        }
        Some(option.ok_or(Broken))
    })
}

#[inline]
fn next<'a>(reader: &mut Reader<'a>) -> Option<Opt<'a>> {
    let [c0, c1, l0, l1] = reader.array::<4>().ok()?;
    let value = reader.take(usize::from(u16::from_be_bytes([l0, l1]))).ok()?;
    Some(Opt { code: u16::from_be_bytes([c0, c1]), value })
}
