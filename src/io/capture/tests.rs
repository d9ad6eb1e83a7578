//! Files are built here octet by octet from the format's description (draft-ietf-opsawg-pcap, -pcapng).

use super::*;

type Order = fn(u32) -> [u8; 4];

fn frames(octets: &[u8]) -> (Vec<Frame>, Vec<Interface>, Option<CaptureError>) {
    let mut capture = match Capture::read("test", Cursor::new(octets.to_vec())) {
        Ok(capture) => capture,
        Err(error) => return (Vec::new(), Vec::new(), Some(error)),
    };
    let (mut frames, mut error) = (Vec::new(), None);
    for frame in &mut capture {
        match frame {
            Ok(frame) => frames.push(frame),
            Err(e) => error = Some(e),
        }
    }
    (frames, capture.interfaces().to_vec(), error)
}

/// A pcap of one record: `order` writes a number, `fraction` is in units of the magic.
fn pcap(order: Order, magic: u32, fraction: u32, original: u32, data: &[u8]) -> Vec<u8> {
    let version = if order(1) == [1, 0, 0, 0] { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let mut file = [order(magic), version].concat();
    for field in [0, 0, 64, 1, 1_510_931_281, fraction, data.len() as u32, original] {
        file.extend(order(field));
    }
    file.extend(data);
    file
}

#[test]
fn both_byte_orders_and_both_resolutions_of_pcap_are_read() {
    let cases: [(Order, u32, u32); 4] = [
        (u32::to_le_bytes, 0xa1b2_c3d4, 123_456),
        (u32::to_be_bytes, 0xa1b2_c3d4, 123_456),
        (u32::to_le_bytes, 0xa1b2_3c4d, 123_456_000),
        (u32::to_be_bytes, 0xa1b2_3c4d, 123_456_000),
    ];
    for (order, magic, fraction) in cases {
        let (read, interfaces, error) = frames(&pcap(order, magic, fraction, 3, &[1, 2, 3]));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(interfaces, [Interface { link: LinkType::ETHERNET, name: None }]);
        let time = Duration::new(1_510_931_281, 123_456_000);
        assert_eq!(read, [Frame { number: 1, time, interface: 0, length: 3, octets: vec![1, 2, 3] }]);
    }
}

/// tcpdump -s 64 writes an original length above the snapshot length: the frame is cut, not wrong.
#[test]
fn a_cut_frame_keeps_its_length_on_the_wire() {
    let (read, _, error) = frames(&pcap(u32::to_le_bytes, 0xa1b2_c3d4, 0, 1500, &[7; 64]));
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read[0].length, read[0].octets.len()), (1500, 64));
}

#[test]
fn a_file_that_breaks_off_gives_its_frames_and_then_says_where() {
    let mut file = pcap(u32::to_le_bytes, 0xa1b2_c3d4, 0, 60, &[7; 60]);
    file.extend([0; 15]);
    let (read, _, error) = frames(&file);
    assert_eq!(read.len(), 1);
    let error = error.expect("a broken record").to_string();
    assert!(error.starts_with("test is broken behind frame 1: the next record is cut off"), "{error}");
}

#[test]
fn a_record_longer_than_the_limit_is_an_error_not_an_allocation() {
    let mut file = pcap(u32::to_le_bytes, 0xa1b2_c3d4, 0, 60, &[7; 60]);
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let (read, _, error) = frames(&file);
    assert_eq!(read.len(), 1);
    assert!(matches!(error, Some(CaptureError::Broken { frame: 1, .. })), "{error:?}");
}

#[test]
fn what_is_no_capture_is_said_to_be_what_it_is() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "test is not a capture: it is empty"),
        (b"\x1f\x8b\x08\x00", "test is not a capture: it is compressed; unpack it with gunzip first"),
        (b"6000000000183aff", "test is not a capture: it begins like neither pcap nor pcapng"),
        (b"\xa1\xb2", "test is not a capture: it begins like neither pcap nor pcapng"),
    ];
    for (octets, expected) in cases {
        assert_eq!(frames(octets).2.expect("an error").to_string(), expected);
    }
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_be_bytes();
    [kind.to_be_bytes().as_slice(), &length, body, &length].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[[0x1a, 0x2b, 0x3c, 0x4d], [0, 1, 0, 0], [0xff; 4], [0xff; 4]].concat())
}

/// An interface description with a name and, if any, a resolution.
fn interface(link: u16, name: &[u8; 4], resolution: Option<u8>) -> Vec<u8> {
    let mut body = [link.to_be_bytes().as_slice(), &[0, 0, 0, 0, 0, 0], &[0, 2, 0, 4], name].concat();
    body.extend(resolution.iter().flat_map(|r| [0, 9, 0, 1, *r, 0, 0, 0]));
    body.extend([0; 4]);
    block(1, &body)
}

fn packet(interface: u32, time: u64, data: [u8; 4], original: u32) -> Vec<u8> {
    let (high, low) = ((time >> 32) as u32, time as u32);
    let body: Vec<u8> = [interface, high, low, 4, original].iter().flat_map(|n| n.to_be_bytes()).collect();
    block(6, &[body.as_slice(), &data].concat())
}

#[test]
fn pcapng_interfaces_have_names_links_and_resolutions_of_their_own() {
    let file = [
        section(),
        interface(1, b"tap0", None),
        interface(113, b"any0", Some(9)),
        packet(0, 1_500_000, [1; 4], 4),
        packet(1, 1_500_000, [2; 4], 90),
    ]
    .concat();
    let (read, interfaces, error) = frames(&file);
    assert!(error.is_none(), "{error:?}");
    let named = |link, name: &str| Interface { link: LinkType(link), name: Some(name.to_owned()) };
    assert_eq!(interfaces, [named(1, "tap0"), named(113, "any0")]);
    assert_eq!((read[0].time, read[0].interface), (Duration::from_millis(1500), 0));
    assert_eq!((read[1].time, read[1].interface, read[1].length), (Duration::from_micros(1500), 1, 90));
}

/// Two pcapng files may be one behind the other; interface numbers start again, frame numbers do not.
#[test]
fn a_second_section_has_interfaces_of_its_own() {
    let one = [section(), interface(1, b"tap0", None), packet(0, 0, [1; 4], 4)].concat();
    let two = [section(), interface(1, b"tap1", None), packet(0, 0, [2; 4], 4)].concat();
    let (read, interfaces, error) = frames(&[one, two].concat());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read.iter().map(|f| (f.number, f.interface)).collect::<Vec<_>>(), [(1, 0), (2, 1)]);
    assert_eq!(interfaces[1].name.as_deref(), Some("tap1"));
}

#[test]
fn a_packet_of_an_interface_that_is_not_there_is_an_error() {
    let file = [section(), interface(1, b"tap0", None), packet(1, 0, [1; 4], 4)].concat();
    let (read, _, error) = frames(&file);
    assert!(read.is_empty());
    assert!(matches!(error, Some(CaptureError::Broken { frame: 0, .. })), "{error:?}");
}

#[test]
fn what_is_written_is_read_back() {
    let mut writer = Writer::new(Vec::new()).expect("memory");
    let tap = writer.interface(Some("tap3e795acc")).expect("memory");
    let unnamed = writer.interface(None).expect("memory");
    let time = Duration::new(1_510_931_281, 123_456_789);
    writer.frame(tap, Direction::Inbound, time, 90, &[1; 62], Some("asked")).expect("memory");
    writer.frame(unnamed, Direction::Outbound, time, 71, &[2; 71], None).expect("memory");
    let refused = writer.frame(2, Direction::Outbound, time, 1, &[3], None);
    assert_eq!(refused.expect_err("no such interface").kind(), ErrorKind::InvalidInput);

    let (read, interfaces, error) = frames(&writer.finish().expect("memory"));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(interfaces[0].name.as_deref(), Some("tap3e795acc"));
    assert_eq!(interfaces[1].name, None);
    assert_eq!(read[0], Frame { number: 1, time, interface: 0, length: 90, octets: vec![1; 62] });
    assert_eq!(read[1], Frame { number: 2, time, interface: 1, length: 71, octets: vec![2; 71] });
}

/// Every octet of a file of each format takes a few wrong values, and the file every shorter length.
#[test]
fn no_damage_makes_reading_panic() {
    let pcapng = [
        section(),
        interface(1, b"tap0", Some(6)),
        packet(0, 1_500_000, [1; 4], 4),
        block(3, &[0, 0, 0, 4, 9, 9, 9, 9]),
        block(4, &[0, 1, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0]),
        block(5, &[0; 12]),
        block(2, &[0; 20]),
    ]
    .concat();
    let (read, _, error) = frames(&pcapng);
    assert_eq!((read.len(), error.is_none()), (3, true), "the undamaged file: {error:?}");
    for file in [pcapng, pcap(u32::to_le_bytes, 0xa1b2_c3d4, 0, 60, &[7; 60])] {
        for at in 0..file.len() {
            let _ = frames(&file[..at]);
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff, file[at] ^ 1, file[at].wrapping_add(4)] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let (read, interfaces, _) = frames(&damaged);
                assert!(read.iter().all(|f| f.length >= f.octets.len()), "octet {at} = {value}");
                assert!(read.len() <= 5 && interfaces.len() <= 2, "octet {at} = {value}");
            }
        }
    }
}
