//! Network boot and options by client (RFC 5970 §3; RFC 9915 §21.15 to §21.17): which file goes to which firmware.

use crate::world::{Dhcp, Guest, LEASES, World, client_id, ia_na, option, oro};

const FILES: &str = r#"
boot_file_url = "tftp://[2001:db8:cafe:a::80]/any.efi"
boot_files = [
    { user_class = "iPXE", url = "http://[2001:db8:cafe:a::80]/script.ipxe" },
    { vendor_class = "HTTPClient", architectures = [16], url = "http://[2001:db8:cafe:a::80]/x64.efi" },
    { architectures = [7, 9], url = "tftp://[2001:db8:cafe:a::80]/x64.efi" },
]
options = [{ code = 65001, hex = "c0ffee" }, { code = 65002, text = "hello", unasked = true }]
"#;

fn ask(options: &[Vec<u8>]) -> Dhcp {
    let source = LEASES.replace("boot_file_url = \"http://[2001:db8:cafe:a::80]/ipxe.efi\"\n", FILES);
    assert_ne!(source, LEASES);
    let guest = Guest::new(3);
    World::with(&source).dhcp(&guest, 1, &[client_id(&guest), ia_na(1, &[]), options.concat()])
}

/// The one boot file of an answer.
fn url(reply: &Dhcp) -> &str {
    assert_eq!(reply.codes.iter().filter(|code| **code == 59).count(), 1, "{:?}", reply.codes);
    std::str::from_utf8(reply.value(59).expect("a boot file")).expect("text")
}

/// A class behind its 16-bit length.
fn class(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).expect("short").to_be_bytes(), text.as_bytes()].concat()
}

#[test]
fn dhcp_161_the_boot_file_is_chosen_by_user_class_then_vendor_class_then_architecture() {
    let ipxe = option(15, &class("iPXE"));
    let http = option(16, &[vec![0, 0, 1, 0x57], class("HTTPClient:Arch:00016:UNDI:003001")].concat());
    let pxe = option(16, &[vec![0, 0, 1, 0x57], class("PXEClient:Arch:00007")].concat());
    let arch = |code: u8| option(61, &[0, code]);
    let rows = [
        (vec![], "tftp://[2001:db8:cafe:a::80]/any.efi"),
        (vec![arch(7)], "tftp://[2001:db8:cafe:a::80]/x64.efi"),
        (vec![option(61, &[0, 0, 0, 9])], "tftp://[2001:db8:cafe:a::80]/x64.efi"),
        (vec![arch(11), pxe], "tftp://[2001:db8:cafe:a::80]/any.efi"),
        (vec![arch(16), http.clone()], "http://[2001:db8:cafe:a::80]/x64.efi"),
        (vec![arch(7), http.clone()], "tftp://[2001:db8:cafe:a::80]/x64.efi"),
        (vec![arch(16), http, ipxe], "http://[2001:db8:cafe:a::80]/script.ipxe"),
        (vec![option(15, b"iPXE")], "tftp://[2001:db8:cafe:a::80]/any.efi"),
    ];
    for (options, expected) in rows {
        assert_eq!(url(&ask(&options)), expected, "{options:x?}");
    }
}

#[test]
fn options_by_number_are_sent_when_asked_for_or_always() {
    let reply = ask(&[oro(&[65001])]);
    assert_eq!(reply.value(65001), Some([0xc0, 0xff, 0xee].as_slice()), "codes above 255 can be asked for");
    assert_eq!(reply.value(65002), Some(b"hello".as_slice()));
    assert_eq!(ask(&[]).value(65001), None);
}

/// DHCP-156: one Vendor Class for each enterprise at most, however often the client says its own.
#[test]
fn dhcp_156_a_vendor_class_is_told_once() {
    let http = option(16, &[vec![0, 0, 1, 0x57], class("HTTPClient:Arch:00016")].concat());
    let reply = ask(&[http.clone(), http, option(61, &[0, 16]), oro(&[16])]);
    assert!(reply.codes.iter().filter(|code| **code == 16).count() <= 1, "{:?}", reply.codes);
    assert_eq!(url(&reply), "http://[2001:db8:cafe:a::80]/x64.efi");
}
