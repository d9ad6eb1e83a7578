//! Every option that a source can give, as octets that the standards lay out; and that RA and DHCPv6 say the same.

mod lease_support;

use frontdesk::lease::options::{
    self, Condition, Entry, OPTION_ABSENT, OPTION_CONDITIONAL, OPTION_UNASKED, Origin, field,
};
use lease_support::{HEAD, network_error, problems, table};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex")).collect()
}

const ROUTER: &str = "router = { mac_address = \"fa:16:3e:00:00:01\" }";

/// The block of a network `n` given by its lines.
fn network_block(lines: &str) -> Vec<u8> {
    table(&format!("{HEAD}[networks.n]\n{lines}\n")).networks().next().expect("one").options().to_vec()
}

/// The block of a port of it, given by its own lines.
fn port_block(network: &str, port: &str) -> Vec<u8> {
    let text = format!(
        "{HEAD}[networks.n]\n{network}\n[[ports]]\nmac_address = \"02:00:00:00:00:01\"\nnetwork = \"n\"\n{port}\n"
    );
    table(&text).ports().next().expect("one").options().to_vec()
}

/// What the source's own words made: the defaults of waiting times stand in every block (`table_golden`).
fn entries(block: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    options::entries(block).filter(|entry| entry.origin != Origin::Default)
}

fn wires(block: &[u8]) -> Vec<Vec<u8>> {
    entries(block).map(|entry| entry.wire.to_vec()).collect()
}

/// Code, length and value by RFC 3319 §3, 3898 §3-6, 4075 §4, 4833 §3, 5223 §3, 5417 §4, 5908 §4, 5986 §3.3, 6011 §4.1,
/// 6334 §3, 7291 §4.1, 7341 §7.2, 8572 §8.1, 6153 §3.2 and 9527 §4.1.
#[test]
fn every_plain_option_is_laid_out_as_its_standard_says() {
    let name = "07 6578616d706c65 00";
    let address = "20010db8000000000000000000000001";
    for (line, expected) in [
        ("sip_domains = [\"example\", \"example\"]", format!("0015 0012 {name} {name}")),
        ("sip_servers = [\"2001:db8::1\", \"2001:db8::1\"]", format!("0016 0020 {address} {address}")),
        ("nis_servers = [\"2001:db8::1\"]", format!("001b 0010 {address}")),
        ("nisp_servers = [\"2001:db8::1\"]", format!("001c 0010 {address}")),
        ("nis_domain = \"example\"", format!("001d 0009 {name}")),
        ("nisp_domain = \"example\"", format!("001e 0009 {name}")),
        ("sntp_servers = [\"2001:db8::1\"]", format!("001f 0010 {address}")),
        (
            "posix_timezone = \"EST5EDT4,M3.2.0/02:00,M11.1.0/02:00\"",
            "0029 0023 455354354544 54342c4d332e322e302f30323a30302c4d31312e312e302f30323a3030".to_owned(),
        ),
        ("tzdb_timezone = \"Europe/Zurich\"", "002a 000d 4575726f70652f5a7572696368".to_owned()),
        ("lost_server = \"example\"", format!("0033 0009 {name}")),
        ("capwap_controllers = [\"2001:db8::1\"]", format!("0034 0010 {address}")),
        ("ntp_servers = [\"2001:db8::1\"]", format!("0038 0014 0001 0010 {address}")),
        ("ntp_names = [\"example\"]", format!("0038 000d 0003 0009 {name}")),
        ("access_domain = \"example\"", format!("0039 0009 {name}")),
        ("sip_configuration_domains = [\"example\"]", format!("003a 0009 {name}")),
        ("aftr_name = \"example\"", format!("0040 0009 {name}")),
        ("pcp_servers = [\"2001:db8::1\"]", format!("0056 0010 {address}")),
        ("dhcp4o6_servers = [\"2001:db8::1\"]", format!("0058 0010 {address}")),
        (
            "sztp_redirects = [\"https://a\", \"https://bc\"]",
            "0088 0017 0009 68747470733a2f2f61 000a 68747470733a2f2f6263".to_owned(),
        ),
        ("ipv6_address_andsf = [\"2001:db8::1\"]", format!("008f 0010 {address}")),
        ("registered_domains = [\"example\"]", format!("0091 0009 {name}")),
    ] {
        let block = network_block(line);
        assert_eq!(wires(&block), [hex(&expected)], "{line}");
        let entry = entries(&block).next().expect("one");
        assert_eq!((entry.flags, entry.origin, entry.condition()), (0, Origin::Network, None), "{line}");
        let name = line.split_once(" =").expect("a field").0;
        assert!([name, "ntp_servers"].contains(&field(entry.code)), "{line}");
        // The same field of a port stands in its place; an empty list takes it away.
        let port = port_block(&line.replace("example", "other").replace("::1", "::2"), line);
        assert_eq!(wires(&port), [hex(&expected)], "{line}");
        assert!(entries(&port).all(|entry| entry.origin == Origin::Port), "{line}");
        if line.ends_with(']') {
            assert!(wires(&port_block(line, &format!("{name} = []"))).is_empty(), "{line}");
        }
    }
}

/// RFC 9527 §4.1: one domain in each; RFC 5908 §4: one source in each, addresses before names.
#[test]
fn opt_001_options_that_repeat_have_one_value_each() {
    let block = network_block(
        "ntp_names = [\"b\"]\nntp_servers = [\"2001:db8::1\"]\nregistered_domains = [\"a\", \"b\"]",
    );
    assert_eq!(
        wires(&block),
        [
            hex("0038 0014 0001 0010 20010db8000000000000000000000001"),
            hex("0038 0007 0003 0003 0162 00"),
            hex("0091 0003 0161 00"),
            hex("0091 0003 0162 00"),
        ]
    );
}

/// RFC 9463 §4.1, and the RA says the same (§6.1), as long as the other DNS options of the RA.
#[test]
fn ra_058_encrypted_resolvers_are_told_twice_and_alike() {
    let lines = format!(
        "{ROUTER}\nsubnets = [{{ cidr = \"2001:db8::/64\", ipv6_ra_mode = \"dhcpv6-stateless\" }}]\n\
         dnr = [{{ name = \"dot.example\", priority = 2, addresses = [\"2001:db8::53\"], params = \"0001 0004 03646f74\" }}, {{ name = \"a\" }}]"
    );
    let table = table(&format!("{HEAD}[networks.n]\n{lines}\n"));
    let network = table.networks().next().expect("one");
    assert_eq!(
        wires(network.options()),
        [
            hex(
                "0090 002b 0002 000d 03646f74 076578616d706c65 00 0010 20010db8000000000000000000000053 0001 0004 03646f74"
            ),
            hex("0090 0007 0001 0003 0161 00"),
        ]
    );
    let ra = network.router_advertisement();
    let tail = hex(
        "90 07 0002 00000708 000d 03646f74 076578616d706c65 00 0010 20010db8000000000000000000000053 0008 0001 0004 03646f74 00000000 00
         90 02 0001 00000708 0003 0161 00 000000",
    );
    assert_eq!(ra[16 + 8 + 32..], tail);
    network_error(
        "dnr = [{ name = \"a\", params = \"00\" }] # <-",
        ["networks.n.dnr[0].params", "are given without addresses", "", "write addresses, or take them out"],
    );
    network_error(
        "dnr = [{ name = \"a\", priority = 0 }] # <-",
        ["networks.n.dnr[0].priority", "is out of range", "0", "write an integer from 1 to 65535"],
    );
}

/// RFC 9915 §21.17: one instance for each enterprise, its options inside.
#[test]
fn dhcp_155_vendor_options_are_one_instance_for_each_vendor() {
    let block = network_block(
        "[[networks.n.vendor_options]]\nenterprise = 4491\noptions = [{ code = 1, text = \"ab\" }, { code = 2, addresses = [\"2001:db8::1\"] }]\n[[networks.n.vendor_options]]\nenterprise = 9\noptions = [{ code = 7, hex = \"\" }]",
    );
    assert_eq!(
        wires(&block),
        [
            hex("0011 001e 0000118b 0001 0002 6162 0002 0010 20010db8000000000000000000000001"),
            hex("0011 0008 00000009 0007 0000"),
        ]
    );
    network_error(
        "vendor_options = [{ enterprise = 9, options = [] }, { enterprise = 9, options = [] }] # <-",
        [
            "networks.n.vendor_options[1].enterprise",
            "is given twice",
            "9",
            "write all options of a vendor in one entry (RFC 9915 §21.17)",
        ],
    );
}

#[test]
fn options_by_number_take_four_forms() {
    let block = network_block(
        "options = [{ code = 65001, hex = \"c0:ff-ee\" }, { code = 65000, text = \"é\", unasked = true }, { code = 33, names = [\"a\"] }, { code = 34, addresses = [\"::1\"] }, { code = 65001, hex = \"\" }]",
    );
    let said: Vec<(u8, Vec<u8>)> = entries(&block).map(|e| (e.flags, e.wire.to_vec())).collect();
    assert_eq!(
        said,
        [
            (0, hex("0021 0003 0161 00")),
            (0, hex("0022 0010 00000000000000000000000000000001")),
            (OPTION_UNASKED, hex("fde8 0002 c3a9")),
            (0, hex("fde9 0003 c0ffee")),
            (0, hex("fde9 0000")),
        ]
    );
    assert_eq!(field(65001), "options");
    for (value, field, what, shown, remedy) in [
        (
            "{ code = 7 , hex = \"\" }",
            "[0].code",
            "is written by the server itself, by clients or by relays only",
            "7",
            "take it out; write an option that clients ask servers for",
        ),
        ("{ code = 39, hex = \"\" }", "[0].code", "has a field of its own", "39", "write it as hostname"),
        (
            "{ code = 23, hex = \"\" }",
            "[0].code",
            "has a field of its own",
            "23",
            "write it as dns_nameservers",
        ),
        (
            "{ code = 148, hex = \"\" }",
            "[0].code",
            "has a field of its own",
            "148",
            "write address_registration = true on the network",
        ),
        ("{ code = 0, hex = \"\" }", "[0].code", "is out of range", "0", "write an integer from 1 to 65535"),
        ("{ code = 999 }", "[0]", "has no value", "", "write one of hex, text, addresses and names"),
        (
            "{ code = 999, hex = \"\", text = \"\" }",
            "[0]",
            "has more than one value",
            "hex, text",
            "write one of hex, text, addresses and names",
        ),
        (
            "{ code = 999, hex = \"abc\" }",
            "[0].hex",
            "is no hexadecimal text",
            "\"abc\"",
            "write an even number of hexadecimal digits, as \"c0ffee\"",
        ),
    ] {
        let field = format!("networks.n.options{field}");
        network_error(&format!("options = [{value}] # <-"), [&field, what, shown, remedy]);
    }
}

/// No code that the server, clients or relays write can be written by number (OPT-004, DHCP-052).
#[test]
fn opt_004_no_code_of_the_protocol_itself_can_be_written() {
    let own = (1..=9).chain(11..=20).chain([25, 26, 37, 38, 39]).chain(43..=48);
    let own = own.chain([53, 61, 66, 67, 79, 81, 87, 112, 135, 138, 148, 149, 150]);
    for code in own {
        let text = format!("{HEAD}[networks.n]\noptions = [{{ code = {code}, hex = \"00\" }}]\n");
        assert_eq!(problems("leases.toml", &text).len(), 1, "{code}");
    }
}

#[test]
fn time_zones_are_text() {
    for (value, shown) in [(":EST", "\":EST\""), ("", "\"\""), ("a\\u0000", "\"a\\0\"")] {
        let found = problems("l.toml", &format!("{HEAD}[networks.n]\nposix_timezone = \"{value}\"\n"));
        assert_eq!(found.len(), 1, "{value}");
        assert_eq!(found[0].value, shown);
    }
}

fn matched<'b>(entries: &'b [Entry<'b>], code: u16) -> Vec<(u8, Option<Condition<'b>>, &'b [u8])> {
    let of_code = entries.iter().filter(|entry| entry.code == code);
    of_code.map(|e| (e.flags, e.condition(), e.wire.get(4..).expect("a value"))).collect()
}

/// RFC 5970 §3.1, §3.2; the most specific first, whatever the order of the source; and no parameters of another file.
#[test]
fn dhcp_161_boot_files_are_chosen_by_architecture_and_class() {
    let block = network_block(
        r#"boot_file_url = "tftp://a/x"
boot_file_params = ["p", "qq"]
boot_files = [
    { architectures = ["x64-uefi", 9], url = "tftp://a/64" },
    { vendor_class = "HTTPClient:Arch:00016", url = "http://a/h", params = ["r"] },
    { vendor_class = "HTTPClient", url = "http://a/g" },
    { user_class = "iPXE", url = "http://a/i" },
]"#,
    );
    let entries: Vec<Entry<'_>> = entries(&block).collect();
    let condition = |architectures: &'static [u8], user: &'static str, vendor: &'static str| {
        Some(Condition { architectures, user_class: user.as_bytes(), vendor_class: vendor.as_bytes() })
    };
    let ipxe = condition(b"", "iPXE", "");
    let exact = condition(b"", "", "HTTPClient:Arch:00016");
    let any_http = condition(b"", "", "HTTPClient");
    let x64 = condition(b"\0\x07\0\x09", "", "");
    let flags = OPTION_UNASKED | OPTION_CONDITIONAL;
    assert_eq!(
        matched(&entries, 59),
        [
            (flags, ipxe, &b"http://a/i"[..]),
            (flags, exact, b"http://a/h"),
            (flags, any_http, b"http://a/g"),
            (flags, x64, b"tftp://a/64"),
            (OPTION_UNASKED, None, b"tftp://a/x"),
        ]
    );
    let absent = OPTION_CONDITIONAL | OPTION_ABSENT;
    assert_eq!(
        matched(&entries, 60),
        [
            (absent, ipxe, &b""[..]),
            (OPTION_CONDITIONAL, exact, b"\0\x01r"),
            (absent, any_http, b""),
            (absent, x64, b""),
            (0, None, b"\0\x01p\0\x02qq"),
        ]
    );
    // DHCP-162: an HTTP boot client takes an answer only with its class, under Intel's number.
    let class = hex("00000157 000a 48545450436c69656e74");
    assert_eq!(
        matched(&entries, 16),
        [
            (flags, condition(b"", "iPXE", "HTTPClient"), &*class),
            (flags, exact, &*class),
            (flags, any_http, &*class),
            (flags | OPTION_ABSENT, x64, b""),
        ]
    );
}

#[test]
fn a_port_with_a_boot_file_has_nothing_of_the_networks() {
    let network = "boot_file_url = \"tftp://a/x\"\nboot_file_params = [\"p\"]\nboot_files = [{ architectures = [7], url = \"tftp://a/64\" }]";
    assert_eq!(
        wires(&port_block(network, "boot_file_url = \"tftp://b/\"")),
        [hex("003b 0009 746674703a2f2f622f")]
    );
    let params = port_block(network, "boot_file_params = [\"q\"]");
    let own: Vec<Entry<'_>> = entries(&params).filter(|e| e.origin == Origin::Port).collect();
    assert_eq!(own.iter().map(|e| e.wire).collect::<Vec<_>>(), [hex("003c 0003 0001 71")]);
    assert_eq!(entries(&params).filter(|e| e.code == 59).count(), 2, "the network's files stay");
    let files = port_block(network, "boot_files = []");
    assert!(wires(&files).is_empty(), "an empty list takes them away");
}

#[test]
fn a_boot_file_has_a_url_and_is_for_somebody() {
    network_error(
        "boot_files = [{ architectures = [7] }] # <-",
        ["networks.n.boot_files[0].url", "is missing", "", "write the URL of the boot file"],
    );
    network_error(
        "boot_files = [{ url = \"tftp://a/\" }] # <-",
        [
            "networks.n.boot_files[0]",
            "is for every client",
            "tftp://a/",
            "write architectures, user_class or vendor_class, or use boot_file_url",
        ],
    );
    let text =
        format!("{HEAD}[networks.n]\nboot_files = [{{ architectures = [\"vax\"], url = \"tftp://a/\" }}]\n");
    assert!(
        problems("l.toml", &text)[0]
            .remedy
            .starts_with("write its number, or one of x86-bios, x86-uefi, x64-uefi")
    );
}

/// The names of the architectures are those of the IANA registry (RFC 5970 §6).
#[test]
fn dhcp_161_architectures_have_their_registered_numbers() {
    let names = [
        "x86-bios",
        "x86-uefi",
        "x64-uefi",
        "arm32-uefi",
        "arm64-uefi",
        "x86-uefi-http",
        "x64-uefi-http",
        "arm32-uefi-http",
        "arm64-uefi-http",
        "x86-bios-http",
        "riscv64-uefi",
    ];
    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let block = network_block(&format!(
        "boot_files = [{{ architectures = [{}], url = \"tftp://a/\" }}]",
        list.join(", ")
    ));
    let entry = entries(&block).next().expect("one");
    let numbers = hex("0000 0006 0007 000a 000b 000f 0010 0012 0013 0014 001b");
    assert_eq!(entry.condition().map(|c| c.architectures), Some(&*numbers));
}

/// Only one of several entries with a condition is in an answer, so only the longest counts for its size.
#[test]
fn dhcp_056_the_size_of_an_answer_counts_one_boot_file() {
    let files = |count: usize| -> String {
        let file = |i: usize| format!("{{ architectures = [{i}], url = \"tftp://a/{}\" }}", "x".repeat(100));
        let files: Vec<String> = (0..count).map(file).collect();
        format!("boot_files = [{}]", files.join(", "))
    };
    assert!(!port_block(&files(60), "hostname = \"a.b\"").is_empty());
}
