//! The option walk of DHCPv6 (RFC 9915 §21.1).

use crate::wire::reader::Reader;

/// Option codes by the names of the IANA registry, without their `OPTION_`: those that are read, written or refused here.
/// This is their only list.
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
    /// Elapsed Time (RFC 9915 §21.9).
    pub const ELAPSED_TIME: u16 = 8;
    /// Relay Message (RFC 9915 §21.10).
    pub const RELAY_MSG: u16 = 9;
    /// Authentication (RFC 9915 §21.11).
    pub const AUTH: u16 = 11;
    /// Server Unicast, obsolete (RFC 9915 §21.12).
    pub const UNICAST: u16 = 12;
    /// Status Code (RFC 9915 §21.13).
    pub const STATUS_CODE: u16 = 13;
    /// Rapid Commit (RFC 9915 §21.14).
    pub const RAPID_COMMIT: u16 = 14;
    /// User Class (RFC 9915 §21.15).
    pub const USER_CLASS: u16 = 15;
    /// Vendor Class (RFC 9915 §21.16).
    pub const VENDOR_CLASS: u16 = 16;
    /// Vendor-specific Information (RFC 9915 §21.17).
    pub const VENDOR_OPTS: u16 = 17;
    /// Interface-Id of a relay (RFC 9915 §21.18).
    pub const INTERFACE_ID: u16 = 18;
    /// Reconfigure Message (RFC 9915 §21.19).
    pub const RECONF_MSG: u16 = 19;
    /// Reconfigure Accept (RFC 9915 §21.20).
    pub const RECONF_ACCEPT: u16 = 20;
    /// Names of SIP servers (RFC 3319 §3.1).
    pub const SIP_SERVER_D: u16 = 21;
    /// Addresses of SIP servers (RFC 3319 §3.2).
    pub const SIP_SERVER_A: u16 = 22;
    /// Recursive DNS servers (RFC 3646 §3).
    pub const DNS_SERVERS: u16 = 23;
    /// Domain search list (RFC 3646 §4).
    pub const DOMAIN_LIST: u16 = 24;
    /// Identity Association for Prefix Delegation (RFC 9915 §21.21).
    pub const IA_PD: u16 = 25;
    /// IA Prefix (RFC 9915 §21.22).
    pub const IAPREFIX: u16 = 26;
    /// NIS servers (RFC 3898 §3).
    pub const NIS_SERVERS: u16 = 27;
    /// NIS+ servers (RFC 3898 §4).
    pub const NISP_SERVERS: u16 = 28;
    /// NIS domain (RFC 3898 §5).
    pub const NIS_DOMAIN_NAME: u16 = 29;
    /// NIS+ domain (RFC 3898 §6).
    pub const NISP_DOMAIN_NAME: u16 = 30;
    /// SNTP servers (RFC 4075 §4).
    pub const SNTP_SERVERS: u16 = 31;
    /// Information Refresh Time (RFC 9915 §21.23).
    pub const INFORMATION_REFRESH_TIME: u16 = 32;
    /// Remote-Id of a relay (RFC 4649 §3).
    pub const REMOTE_ID: u16 = 37;
    /// Subscriber-Id, from a relay (RFC 4580 §2).
    pub const SUBSCRIBER_ID: u16 = 38;
    /// Client FQDN (RFC 4704 §4).
    pub const CLIENT_FQDN: u16 = 39;
    /// Time zone as a POSIX TZ string (RFC 4833 §3).
    pub const NEW_POSIX_TIMEZONE: u16 = 41;
    /// Time zone by its name in the TZ database (RFC 4833 §3).
    pub const NEW_TZDB_TIMEZONE: u16 = 42;
    /// Relay Agent Echo Request (RFC 4994).
    pub const ERO: u16 = 43;
    /// Query of a Leasequery (RFC 5007 §4.1.2.1).
    pub const LQ_QUERY: u16 = 44;
    /// Client data of a Leasequery (RFC 5007 §4.1.2.2).
    pub const CLIENT_DATA: u16 = 45;
    /// Client last transaction time of a Leasequery (RFC 5007 §4.1.2.3).
    pub const CLT_TIME: u16 = 46;
    /// Relay data of a Leasequery (RFC 5007 §4.1.2.4).
    pub const LQ_RELAY_DATA: u16 = 47;
    /// Client link of a Leasequery (RFC 5007 §4.1.2.5).
    pub const LQ_CLIENT_LINK: u16 = 48;
    /// LoST server (RFC 5223 §3).
    pub const V6_LOST: u16 = 51;
    /// CAPWAP access controllers (RFC 5417 §4).
    pub const CAPWAP_AC_V6: u16 = 52;
    /// DUID of a relay (RFC 5460 §5.4.1).
    pub const RELAY_ID: u16 = 53;
    /// NTP server (RFC 5908 §4).
    pub const NTP_SERVER: u16 = 56;
    /// Access network domain (RFC 5986 §3.3).
    pub const V6_ACCESS_DOMAIN: u16 = 57;
    /// SIP user agent configuration domains (RFC 6011 §4.1).
    pub const SIP_UA_CS_LIST: u16 = 58;
    /// Boot file URL (RFC 5970 §3.1).
    pub const BOOTFILE_URL: u16 = 59;
    /// Boot file parameters (RFC 5970 §3.2).
    pub const BOOTFILE_PARAM: u16 = 60;
    /// Client system architecture (RFC 5970 §3.3).
    pub const CLIENT_ARCH_TYPE: u16 = 61;
    /// Address family transition router (RFC 6334 §3).
    pub const AFTR_NAME: u16 = 64;
    /// Options that a relay supplies (RFC 6422).
    pub const RSOO: u16 = 66;
    /// Prefix Exclude, inside an IA Prefix (RFC 6603 §4.2).
    pub const PD_EXCLUDE: u16 = 67;
    /// Selection of recursive DNS servers (RFC 6731 §4.2).
    pub const RDNSS_SELECTION: u16 = 74;
    /// Client link-layer address, from a relay (RFC 6939 §4).
    pub const CLIENT_LINKLAYER_ADDR: u16 = 79;
    /// Link address of a relay's Reconfigure-Request (RFC 6977).
    pub const LINK_ADDRESS: u16 = 80;
    /// RADIUS attributes, from a relay (RFC 7037).
    pub const RADIUS: u16 = 81;
    /// SOL_MAX_RT (RFC 9915 §21.24).
    pub const SOL_MAX_RT: u16 = 82;
    /// INF_MAX_RT (RFC 9915 §21.25).
    pub const INF_MAX_RT: u16 = 83;
    /// Address selection (RFC 7078 §2).
    pub const ADDRSEL: u16 = 84;
    /// A line of the address selection policy, inside an ADDRSEL (RFC 7078 §2).
    pub const ADDRSEL_TABLE: u16 = 85;
    /// PCP servers (RFC 7291 §4.1).
    pub const V6_PCP_SERVER: u16 = 86;
    /// DHCPv4 message (RFC 7341 §7.1).
    pub const DHCPV4_MSG: u16 = 87;
    /// DHCPv4-over-DHCPv6 servers (RFC 7341 §7.2).
    pub const DHCP4_O_DHCP6_SERVER: u16 = 88;
    /// Mapping rule, inside a container (RFC 7598 §4.1).
    pub const S46_RULE: u16 = 89;
    /// Border relay, inside a container (RFC 7598 §4.2).
    pub const S46_BR: u16 = 90;
    /// Default mapping rule, inside a container (RFC 7598 §4.3).
    pub const S46_DMR: u16 = 91;
    /// Address binding, inside a container (RFC 7598 §4.4).
    pub const S46_V4V6BIND: u16 = 92;
    /// Port parameters, inside a container's rule (RFC 7598 §4.5).
    pub const S46_PORTPARAMS: u16 = 93;
    /// Container of MAP-E (RFC 7598 §5.1).
    pub const S46_CONT_MAPE: u16 = 94;
    /// Container of MAP-T (RFC 7598 §5.2).
    pub const S46_CONT_MAPT: u16 = 95;
    /// Container of lightweight 4over6 (RFC 7598 §5.3).
    pub const S46_CONT_LW: u16 = 96;
    /// Captive portal (RFC 8910 §2.2).
    pub const CAPTIVE_PORTAL: u16 = 103;
    /// Order of the transition mechanisms (RFC 8026).
    pub const S46_PRIORITY: u16 = 111;
    /// URL of a device's MUD file, from a client (RFC 8520 §10).
    pub const MUD_URL_V6: u16 = 112;
    /// First of failover's options (RFC 8156).
    pub const F_BINDING_STATUS: u16 = 114;
    /// Last of failover's options (RFC 8156).
    pub const F_STATE_EXPIRATION_TIME: u16 = 134;
    /// Relay Source Port (RFC 8357 §4).
    pub const RELAY_PORT: u16 = 135;
    /// Bootstrap servers (RFC 8572 §8.1).
    pub const V6_SZTP_REDIRECT: u16 = 136;
    /// Identity Association for Link-Layer Addresses (RFC 8947 §11.1).
    pub const IA_LL: u16 = 138;
    /// Link-layer addresses, inside an IA_LL (RFC 8947 §11.2).
    pub const LLADDR: u16 = 139;
    /// Preferred quadrants of link-layer addresses, from a client (RFC 8948).
    pub const SLAP_QUAD: u16 = 140;
    /// ANDSF servers (RFC 6153 §3.2).
    pub const IPV6_ADDRESS_ANDSF: u16 = 143;
    /// Encrypted resolver (RFC 9463 §4.1).
    pub const V6_DNR: u16 = 144;
    /// Registered homenet domain (RFC 9527 §4.1).
    pub const REGISTERED_DOMAIN: u16 = 145;
    /// Address registration is offered (RFC 9686 §4.1).
    pub const ADDR_REG_ENABLE: u16 = 148;
    /// Identity Association for SRv6 Locators (registered for a draft).
    pub const IA_SRV6_LOCATOR: u16 = 149;
    /// SRv6 locator, inside its association (registered for a draft).
    pub const IALOCATOR: u16 = 150;
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
        let option = take(&mut reader);
        if option.is_err() {
            reader = Reader::new(&[]);
        }
        Some(option)
    })
}

/// Takes the next option.
#[inline]
pub(super) fn take<'a>(reader: &mut Reader<'a>) -> Result<Opt<'a>, Broken> {
    let [c0, c1, l0, l1] = reader.array::<4>().map_err(|_| Broken)?;
    let value = reader.take(usize::from(u16::from_be_bytes([l0, l1]))).map_err(|_| Broken)?;
    Ok(Opt { code: u16::from_be_bytes([c0, c1]), value })
}

#[cfg(test)]
mod tests {
    use dhcproto::v6::OptionCode as Theirs;

    use super::code;

    #[test]
    fn codes_are_those_that_another_implementation_has_under_the_same_names() {
        for (ours, theirs) in [
            (code::CLIENT_ID, Theirs::ClientId),
            (code::SERVER_ID, Theirs::ServerId),
            (code::IA_NA, Theirs::IANA),
            (code::IA_TA, Theirs::IATA),
            (code::IAADDR, Theirs::IAAddr),
            (code::ORO, Theirs::ORO),
            (code::PREFERENCE, Theirs::Preference),
            (code::ELAPSED_TIME, Theirs::ElapsedTime),
            (code::RELAY_MSG, Theirs::RelayMsg),
            (code::AUTH, Theirs::Authentication),
            (code::UNICAST, Theirs::ServerUnicast),
            (code::STATUS_CODE, Theirs::StatusCode),
            (code::RAPID_COMMIT, Theirs::RapidCommit),
            (code::USER_CLASS, Theirs::UserClass),
            (code::VENDOR_CLASS, Theirs::VendorClass),
            (code::VENDOR_OPTS, Theirs::VendorOpts),
            (code::INTERFACE_ID, Theirs::InterfaceId),
            (code::RECONF_MSG, Theirs::ReconfMsg),
            (code::RECONF_ACCEPT, Theirs::ReconfAccept),
            (code::SIP_SERVER_D, Theirs::SipServerD),
            (code::SIP_SERVER_A, Theirs::SipServerA),
            (code::DNS_SERVERS, Theirs::DomainNameServers),
            (code::DOMAIN_LIST, Theirs::DomainSearchList),
            (code::IA_PD, Theirs::IAPD),
            (code::IAPREFIX, Theirs::IAPrefix),
            (code::NIS_SERVERS, Theirs::NisServers),
            (code::NISP_SERVERS, Theirs::NispServers),
            (code::NIS_DOMAIN_NAME, Theirs::NisDomainName),
            (code::NISP_DOMAIN_NAME, Theirs::NispDomainName),
            (code::SNTP_SERVERS, Theirs::SntpServers),
            (code::INFORMATION_REFRESH_TIME, Theirs::InformationRefreshTime),
            (code::REMOTE_ID, Theirs::RemoteId),
            (code::SUBSCRIBER_ID, Theirs::SubscriberId),
            (code::CLIENT_FQDN, Theirs::ClientFqdn),
            (code::NEW_POSIX_TIMEZONE, Theirs::NewPosixTimezone),
            (code::NEW_TZDB_TIMEZONE, Theirs::NewTzdbTimezone),
            (code::ERO, Theirs::ERO),
            (code::LQ_QUERY, Theirs::LqQuery),
            (code::CLIENT_DATA, Theirs::ClientData),
            (code::CLT_TIME, Theirs::CltTime),
            (code::LQ_RELAY_DATA, Theirs::LqRelayData),
            (code::LQ_CLIENT_LINK, Theirs::LqClientLink),
            (code::V6_LOST, Theirs::V6Lost),
            (code::CAPWAP_AC_V6, Theirs::CapwapAcV6),
            (code::RELAY_ID, Theirs::RelayId),
            (code::NTP_SERVER, Theirs::NtpServer),
            (code::V6_ACCESS_DOMAIN, Theirs::V6AccessDomain),
            (code::SIP_UA_CS_LIST, Theirs::SipUaCsList),
            (code::BOOTFILE_URL, Theirs::OptBootfileUrl),
            (code::BOOTFILE_PARAM, Theirs::OptBootfileParam),
            (code::CLIENT_ARCH_TYPE, Theirs::ClientArchType),
            (code::AFTR_NAME, Theirs::AftrName),
            (code::RSOO, Theirs::Rsoo),
            (code::PD_EXCLUDE, Theirs::PdExclude),
            (code::RDNSS_SELECTION, Theirs::RdnssSelection),
            (code::CLIENT_LINKLAYER_ADDR, Theirs::ClientLinklayerAddr),
            (code::LINK_ADDRESS, Theirs::LinkAddress),
            (code::RADIUS, Theirs::Radius),
            (code::SOL_MAX_RT, Theirs::SolMaxRt),
            (code::INF_MAX_RT, Theirs::InfMaxRt),
            (code::ADDRSEL, Theirs::Addrsel),
            (code::ADDRSEL_TABLE, Theirs::AddrselTable),
            (code::V6_PCP_SERVER, Theirs::V6PcpServer),
            (code::DHCPV4_MSG, Theirs::Dhcpv4Msg),
            (code::DHCP4_O_DHCP6_SERVER, Theirs::Dhcp4ODhcp6Server),
            (code::S46_RULE, Theirs::S46Rule),
            (code::S46_BR, Theirs::S46Br),
            (code::S46_DMR, Theirs::S46Dmr),
            (code::S46_V4V6BIND, Theirs::S46V4v6bind),
            (code::S46_PORTPARAMS, Theirs::S46Portparams),
            (code::S46_CONT_MAPE, Theirs::S46ContMape),
            (code::S46_CONT_MAPT, Theirs::S46ContMapt),
            (code::S46_CONT_LW, Theirs::S46ContLw),
            (code::CAPTIVE_PORTAL, Theirs::DhcpCaptivePortal),
            (code::S46_PRIORITY, Theirs::S46Priority),
            (code::MUD_URL_V6, Theirs::MudUrlV6),
            (code::F_BINDING_STATUS, Theirs::FBindingStatus),
            (code::F_STATE_EXPIRATION_TIME, Theirs::FStateExpirationTime),
            (code::RELAY_PORT, Theirs::RelayPort),
            (code::IPV6_ADDRESS_ANDSF, Theirs::Ipv6AddressANDSF),
        ] {
            assert_eq!(ours, u16::from(theirs), "{theirs:?}");
        }
    }
}
