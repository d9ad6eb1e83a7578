//! What a captured frame is, in a few words for people; nothing is decided by it.
//!
//! Best effort on any octets: what cannot be read is named by the last layer that could.

/// Tags and extension headers looked through; further ones are named, not passed.
const MAX_DEPTH: usize = 10;

/// A short name: `router-solicitation`, `dhcpv6-solicit`, `arp`, `ethertype 0x88cc`.
#[must_use]
pub fn label(octets: &[u8]) -> String {
    let mut rest = octets.get(12..).unwrap_or(&[]);
    for _ in 0..MAX_DEPTH {
        let Some((kind, payload)) = rest.split_first_chunk::<2>() else { return "short".to_owned() };
        match u16::from_be_bytes(*kind) {
            0x8100 | 0x88a8 => rest = payload.get(2..).unwrap_or(&[]),
            0x86dd => return ipv6(payload),
            0x0800 => return "ipv4".to_owned(),
            0x0806 => return "arp".to_owned(),
            length @ 0..=1535 => return format!("ieee-802.3 length {length}"),
            other => return format!("ethertype {other:#06x}"),
        }
    }
    "vlan tags".to_owned()
}

fn ipv6(packet: &[u8]) -> String {
    let (Some(mut next), Some(mut rest)) = (packet.get(6).copied(), packet.get(40..)) else {
        return "ipv6 short".to_owned();
    };
    for _ in 0..MAX_DEPTH {
        match (next, rest) {
            (58, [kind, ..]) => return icmpv6(*kind),
            (17, [_, _, d0, d1, _, _, _, _, data @ ..]) => return udp(u16::from_be_bytes([*d0, *d1]), data),
            (6, _) => return "tcp".to_owned(),
            (44, [_, _, o0, o1, ..]) if u16::from_be_bytes([*o0, *o1]) & 0xfff8 != 0 => {
                return "ipv6 fragment".to_owned();
            }
            // Hop-by-hop, routing, fragment, destination options: all say what follows in their first octet.
            (0 | 43 | 44 | 60, [following, length, ..]) => {
                let octets =
                    if next == 44 { 8 } else { usize::from(*length).saturating_add(1).saturating_mul(8) };
                next = *following;
                rest = rest.get(octets..).unwrap_or(&[]);
            }
            (59, _) => return "ipv6 without payload".to_owned(),
            (other, []) => return format!("ipv6 protocol {other} cut off"),
            (other, _) => return format!("ipv6 protocol {other}"),
        }
    }
    "ipv6 extension headers".to_owned()
}

fn icmpv6(kind: u8) -> String {
    let name = match kind {
        128 => "echo-request",
        129 => "echo-reply",
        130 => "mld-query",
        131 | 143 => "mld-report",
        132 => "mld-done",
        133 => "router-solicitation",
        134 => "router-advertisement",
        135 => "neighbor-solicitation",
        136 => "neighbor-advertisement",
        137 => "redirect",
        other => return format!("icmpv6 type {other}"),
    };
    name.to_owned()
}

fn udp(destination: u16, data: &[u8]) -> String {
    let (546 | 547, Some(kind)) = (destination, data.first()) else {
        return format!("udp to {destination}");
    };
    let name = match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information-request",
        12 => "relay-forward",
        13 => "relay-reply",
        other => return format!("dhcpv6 type {other}"),
    };
    format!("dhcpv6-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ethertype: [u8; 2], payload: &[u8]) -> Vec<u8> {
        [[0; 12].as_slice(), &ethertype, payload].concat()
    }

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; 40];
        header[0] = 0x60;
        header[6] = next;
        frame([0x86, 0xdd], &[header.as_slice(), payload].concat())
    }

    #[test]
    fn every_protocol_that_is_answered_has_its_name() {
        assert_eq!(label(&packet(58, &[133, 0, 0, 0])), "router-solicitation");
        assert_eq!(label(&packet(17, &[0, 0, 2, 0x23, 0, 0, 0, 0, 1])), "dhcpv6-solicit");
        assert_eq!(label(&packet(17, &[0, 0, 2, 0x22, 0, 0, 0, 0, 7])), "dhcpv6-reply");
        assert_eq!(label(&packet(17, &[0, 0, 0, 53, 0, 0, 0, 0, 7])), "udp to 53");
        assert_eq!(label(&packet(0, &[58, 0, 0, 0, 0, 0, 0, 0, 135])), "neighbor-solicitation");
        assert_eq!(label(&frame([0x08, 0x06], &[])), "arp");
        assert_eq!(label(&frame([0x88, 0xcc], &[])), "ethertype 0x88cc");
        let tagged = [&[0, 101, 0x86, 0xdd], &packet(58, &[128])[14..]].concat();
        assert_eq!(label(&frame([0x81, 0x00], &tagged)), "echo-request");
    }

    #[test]
    fn any_octets_get_some_name() {
        let whole = packet(0, &[44, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 8, 1, 2, 3, 4]);
        for cut in 0..whole.len() {
            assert!(!label(&whole[..cut]).is_empty());
        }
        assert_eq!(label(&whole), "ipv6 fragment");
        assert_eq!(label(&[]), "short");
    }
}
