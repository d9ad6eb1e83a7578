//! The text itself: syntax, unknown fields, encodings, and the many ways in which the same source can be written.

mod lease_support;

use frontdesk::lease::{LoadError, Problem, file, load};
use lease_support::{HEAD, NETWORKS, error, problems, table};

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    file::write(&table(text), &mut octets).expect("memory");
    octets
}

fn places(problems: &[Problem]) -> Vec<(usize, &str)> {
    problems.iter().map(|p| (p.line, p.field.as_str())).collect()
}

#[test]
fn the_head_of_a_file_is_required() {
    let found = problems("leases.toml", "");
    assert_eq!(places(&found), [(1, "version"), (1, "server")]);
    assert_eq!(found[0].remedy, "write version = 1");
    let said = ["version", "is a version that this program does not know", "2", "write 1"];
    error("version = 2 # <-\nserver = { cloud = \"c\" }", said);
    let remedy = "write cloud = \"name of the cloud\", the same on every hypervisor, or duid = \"uuid:…\"";
    error("version = 1\n[server] # <-\n", ["server.cloud", "is missing", "", remedy]);
    error("version = 1\n[server]\ncloud = \" \" # <-\n", ["server.cloud", "is blank", "\" \"", remedy]);
    let what = "unknown DUID type: write uuid:…, en:ENTERPRISE:HEX or ll:MAC (never a DUID-LLT: it needs stable storage, RFC 9915 §11.2)";
    error("version = 1\n[server]\nduid = \"llt:1\" # <-\n", ["server.duid", "is no DUID", "\"llt:1\"", what]);
}

#[test]
fn unknown_fields_are_refused_everywhere() {
    error(
        &format!("{HEAD}colour = 1 # <-\n"),
        [
            "colour",
            "unknown field",
            "1",
            "take it out, or use one of version, server, relay, networks, ports",
        ],
    );
    for (line, field, remedy) in [
        ("mtus = 1500 # <-", "networks.n.mtus", "did you mean mtu?"),
        ("dns_nameserver = [] # <-", "networks.n.dns_nameserver", "did you mean dns_nameservers?"),
        (
            "router = { mac_address = \"02:00:00:00:00:01\", life_time = 9 } # <-",
            "networks.n.router.life_time",
            "did you mean lifetime?",
        ),
        (
            "subnets = [{ cidr = \"2001:db8::/64\", ipv6_ra_mod = \"slaac\" }] # <-",
            "networks.n.subnets[0].ipv6_ra_mod",
            "did you mean ipv6_ra_mode?",
        ),
    ] {
        let found = problems("leases.toml", &format!("{HEAD}[networks.n]\n{line}\n"));
        assert_eq!(places(&found), [(4, field)], "{found:?}");
        assert_eq!((found[0].what.as_str(), found[0].remedy.as_str()), ("unknown field", remedy));
    }
    let port = "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\nmac = 1\n[ports.meta]\n";
    let found = problems("leases.toml", &format!("{NETWORKS}{port}"));
    assert_eq!(places(&found), [(20, "ports[0].mac"), (21, "ports[0].meta")]);
}

/// Nothing is hidden by what comes before it: values, rules and syntax of several ports in one run, in order.
#[test]
fn all_problems_are_reported_at_once() {
    let text = format!(
        "{NETWORKS}[[ports]]\nmac_address = 5\nnetwork = \"a\"\n[[ports]]\nmac_address = \n[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"b\"\nfixed_ips = [\"x\", \"2001:db8:a::1\"]\ncolour = 1\n[[ports]]\nfixed_ips = [\n[[ports]]\nnetwork = \"z\"\n[ports.metadata]\n",
    );
    let found = problems("leases.toml", &text);
    assert_eq!(
        places(&found),
        [
            (18, "ports[0].mac_address"),
            (21, "ports[1]"),
            (25, "ports[2].fixed_ips[0]"),
            (25, "ports[2].fixed_ips[1]"),
            (26, "ports[2].colour"),
            (28, "ports[3]"),
            (29, "ports[4].mac_address"),
            (30, "ports[4].network"),
        ],
        "{found:#?}"
    );
    assert!(found[1].what.starts_with("the text is broken: "), "{}", found[1]);
    assert_eq!(found[1].remedy, "correct the syntax");
}

#[test]
fn broken_toml_outside_of_ports_has_its_lines_and_ports_are_still_read() {
    let text = "version = 1\n[server\ncloud = \"c\"\n[networks.a]\nmtu = = 3\nmtu = 1500\n[[ports]]\nmac_address = \"x\"\nnetwork = \"a\"\n[networks.b]\nmtu = 1 1\n";
    let found = problems("leases.toml", text);
    let lines: Vec<usize> = found.iter().map(|p| p.line).collect();
    assert_eq!(found.iter().filter(|p| p.field == "ports[0].mac_address" && p.line == 8).count(), 1);
    for line in [2, 5, 11] {
        assert!(lines.contains(&line), "{line}: {found:#?}");
    }
    let twice = problems("leases.toml", "version = 1\nversion = 1\n");
    assert_eq!((twice[0].line, twice[0].what.as_str()), (2, "the text is broken: duplicate key"));
}

#[test]
fn broken_json_has_its_line_and_other_ports_are_still_read() {
    let text = "{\"version\": 1, \"server\": {\"cloud\": \"c\"}, \"networks\": {\"a\": {}},\n\"ports\": [\n{\"mac_address\": 1, \"network\": \"a\"},\n{\"mac_address\" \"x\"},\n// no\n{\"network\": \"a\",},\n{\"network\": \"a\", \"network\": \"a\"}\n]}";
    let found = problems("leases.json", text);
    assert_eq!(
        places(&found),
        [(3, "ports[0].mac_address"), (4, "ports[1]"), (5, "ports[2]"), (7, "ports[3]")],
        "{found:#?}"
    );
    assert_eq!(found[3].what, "the text is broken: the key \"network\" is given twice");
    let open = problems("leases.json", "{\n\"version\": 1,\n\"ports\": [{]\n}");
    assert_eq!(open.iter().map(|p| p.line).collect::<Vec<_>>(), [3], "{open:#?}");
    for text in ["", "[]", "{\"version\": 1} x", "{} // x"] {
        assert!(!problems("leases.json", text).is_empty(), "{text}");
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_line() {
    let mut octets = HEAD.as_bytes().to_vec();
    octets.extend_from_slice(b"# caf\xe9\n");
    let Err(LoadError::Source(found)) = load("leases.toml", octets) else { panic!("refused") };
    assert_eq!(
        found[0].to_string(),
        "leases.toml:3: error: the text is not UTF-8 (octet 0xe9); save the file as UTF-8"
    );
}

const PORTS: &str = "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\nhostname = \"one.example\"\n[ports.metadata]\nkey = \"[[ports]]\"\n\n[[ports]]\nmac_address = \"fa:16:3e:00:01:02\"\nnetwork = \"x\"\n";

/// Byte order marks, line ends, the order of tables, inline lists, dotted keys: the same table, octet for octet.
#[test]
fn the_same_source_written_differently_is_the_same_table() {
    let plain = NETWORKS.to_owned() + PORTS;
    let expected = octets(&plain);
    let head_last = {
        let (head, networks) = NETWORKS.split_at(HEAD.len());
        format!("{head}{PORTS}{networks}")
    };
    let inline = format!(
        "ports = [\n  {{ mac_address = \"fa:16:3e:00:01:01\", network = \"a\", hostname = \"one.example\", metadata.key = '[[ports]]' }},\n  {{ mac_address = \"fa:16:3e:00:01:02\", network = \"x\" }}, # two\n]\n{NETWORKS}"
    );
    let dotted = plain.replace("server = { cloud = \"test\" }", "server.cloud = \"test\"");
    let quoted = plain
        .replace("[[ports]]\nmac", "[[ \"ports\" ]] # x\nmac")
        .replace("[ports.metadata]", "[ports . \"metadata\"]");
    for (name, text) in [
        ("byte order mark", format!("\u{feff}{plain}")),
        ("carriage returns", plain.replace('\n', "\r\n")),
        ("ports before networks", head_last),
        ("inline ports", inline),
        ("dotted keys", dotted),
        ("quoted headers", quoted),
    ] {
        assert_eq!(octets(&text), expected, "{name}");
    }
}

#[test]
fn a_header_inside_a_string_is_text() {
    let port = "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\nmetadata.user_data = \"\"\"\n[[ports]]\nmac_address = 1\n\"\"\"\n";
    let table = table(&format!("{NETWORKS}{port}"));
    assert_eq!(table.port_count(), 1);
    let metadata = table.ports().next().expect("one").metadata();
    assert_eq!(metadata, br#"{"metadata":{"user_data":"[[ports]]\nmac_address = 1\n"}}"#);
}

#[test]
fn ports_are_given_in_one_way() {
    let text = format!(
        "ports = [{{ mac_address = \"fa:16:3e:00:01:01\", network = \"a\" }}] # <-\n{NETWORKS}[[ports]]\nmac_address = \"fa:16:3e:00:01:02\"\nnetwork = \"a\"\n"
    );
    error(&text, ["ports", "ports are given as a list and as [[ports]]", "", "use one of the two"]);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let source = include_str!("../fixtures/leases.example.toml");
    let json = "{\"version\": 1, \"server\": {\"cloud\": \"c\"}, \"networks\": {\"a\": {}}, \"ports\": [{\"mac_address\": \"02:00:00:00:00:01\", \"network\": \"a\"}]}";
    for (name, text) in [("a.toml", source), ("a.json", json)] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)).step_by(3) {
            let _ = problems(name, &text[..end]);
            let mut changed = text.as_bytes().to_vec();
            changed[end] = b"\"[]{}\n=#'\\,"[end % 11];
            let _ = load(name, changed);
        }
    }
}
