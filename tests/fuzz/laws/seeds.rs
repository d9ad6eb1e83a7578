//! First inputs: the frames of every capture of `pcaps/`, the tables and sources of `fixtures/`.

use std::fs;
use std::path::{Path, PathBuf};

use frontdesk::io::capture::{Capture, LinkType};
use frontdesk::lease::file;

use super::answers::{full_table, small_table};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("pcaps").is_dir());
    root.expect("a checkout with its captures").to_owned()
}

/// Files below a folder whose names have one of these endings, in order.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("a readable folder").path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.contains(&ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every Ethernet frame of the captures.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for path in files(&root().join("pcaps"), &["pcap", "pcapng"]) {
        let mut capture = Capture::open(&path).expect("a readable capture");
        while let Some(frame) = capture.next() {
            let frame = frame.expect("a whole capture");
            if capture.interfaces()[frame.interface].link == LinkType::ETHERNET {
                frames.push(frame.octets);
            }
        }
    }
    frames
}

/// Where the IPv6 header's payload starts, for an untagged frame without extension headers.
fn upper(frame: &[u8], next_header: u8) -> Option<&[u8]> {
    let v6 = frame.get(12..14) == Some(&[0x86, 0xdd]) && frame.get(20) == Some(&next_header);
    if v6 { frame.get(54..) } else { None }
}

fn udp(frame: &[u8], port: u16) -> Option<&[u8]> {
    let datagram = upper(frame, 17)?;
    (datagram.get(2..4) == Some(&port.to_be_bytes())).then(|| datagram.get(8..)).flatten()
}

fn with(head: &[u8], rest: &[u8]) -> Vec<u8> {
    [head, rest].concat()
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = match target {
        "frame" => {
            let frames = frames();
            let ours = |frame: &&Vec<u8>| upper(frame, 58).or(upper(frame, 17)).is_some();
            frames.iter().filter(ours).map(|frame| with(&[0b1110, 0], frame)).collect()
        }
        "ndp" => {
            let frames = frames();
            let messages = frames.iter().filter_map(|frame| upper(frame, 58));
            let heads = [0b0100_u8, 0b0001_0100, 0b0000_1100, 0b0000_1000];
            messages
                .filter(|message| message.len() >= 8)
                .zip(heads.into_iter().cycle())
                .map(|(message, head)| with(&[head, 0, message[0], message[1]], &message[4..]))
                .collect()
        }
        "dhcp6" => {
            let frames = frames();
            let messages = frames.iter().filter_map(|frame| udp(frame, 547));
            let heads = (0..=255_u8).map(|n| [n & 1, n >> 1]).cycle();
            messages.zip(heads).map(|(message, head)| with(&head, message)).collect()
        }
        "relay" => {
            let frames = frames();
            let messages: Vec<&[u8]> = frames.iter().filter_map(|frame| udp(frame, 547)).collect();
            let relayed = messages.iter().filter(|message| message[0] == 12).map(|m| with(&[0], m));
            let wrapped = messages.iter().filter(|message| message[0] != 12).map(|m| with(&[1], &forward(m)));
            let twice = messages.iter().take(20).map(|m| with(&[2], &forward(&forward(m))));
            relayed.chain(wrapped).chain(twice).collect()
        }
        "table_file" => [small_table(), full_table()].map(|table| octets(&table)).into(),
        "lease_source" => sources(),
        other => panic!("no target {other}"),
    };
    seeds.iter_mut().for_each(|seed| seed.truncate(16 << 10));
    seeds.sort();
    seeds.dedup();
    seeds
}

/// A Relay-forward of the full table's network around a message, with the port's MAC as its link-layer address.
fn forward(message: &[u8]) -> Vec<u8> {
    let link = "2001:db8:cafe:16::1".parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let peer = "fe80::f816:3eff:feec:3c59".parse::<std::net::Ipv6Addr>().expect("an address").octets();
    let mac = [0, 79, 0, 8, 0, 1, 0xfa, 0x16, 0x3e, 0xec, 0x3c, 0x59];
    let interface = [0, 18, 0, 3, b'e', b't', b'h'];
    let length = u16::try_from(message.len()).expect("short").to_be_bytes();
    [[12, 0].as_slice(), &link, &peer, &mac, &interface, &[0, 9], &length, message].concat()
}

fn octets(table: &frontdesk::lease::LeaseTable) -> Vec<u8> {
    let mut octets = Vec::new();
    file::write(table, &mut octets).expect("memory");
    octets
}

/// The lease sources of the repository, those with a lock file with it behind them.
fn sources() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for path in
        files(&root().join("fixtures"), &["toml"]).iter().chain(&files(&root().join("tests"), &["toml"]))
    {
        let text = fs::read(path).expect("part of the repository");
        if text.windows(10).any(|window| window == b"[networks.") {
            let lock = fs::read(path.with_extension("lock")).map(|lock| [b"\n%\n", lock.as_slice()].concat());
            seeds.push([&[0], text.as_slice(), &lock.unwrap_or_default()].concat());
        }
    }
    let json = br#"{"version":1,"server":{"cloud":"x"},"networks":{"n":{"router":{"mac_address":"fa:16:3e:77:e5:a0"},"mtu":1450,"subnets":[{"cidr":"2001:db8:1::/64","ipv6_ra_mode":"dhcpv6-stateful","ipv6_address_mode":"dhcpv6-stateful"}]}},"ports":[{"mac_address":"fa:16:3e:00:00:01","network":"n","fixed_ips":["2001:db8:1::4"],"delegated_prefixes":["2001:db8:face::/60"],"metadata":{"a":[1,null,"x"]}}]}"#;
    seeds.push([&[1], json.as_slice()].concat());
    seeds
}
