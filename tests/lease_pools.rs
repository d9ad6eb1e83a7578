//! Addresses and prefixes out of pools, and the lock file that keeps them where they are.

mod lease_support;

use frontdesk::lease::{
    Form, LeaseTable, LoadError, Loaded, Lock, Lookup, load_locked, load_with_lock, lock_path,
};
use frontdesk::types::MacAddr;
use lease_support::{HEAD, pooled as source, pooled_port as port};

fn loaded(text: &str, lock: Option<&str>, prune: bool) -> Result<Loaded, LoadError> {
    let octets = lock.map(|lock| lock.as_bytes().to_vec());
    load_with_lock("dir/leases.toml", text.as_bytes().to_vec(), Lock { octets, prune })
}

#[track_caller]
fn compiled(text: &str, lock: Option<&str>) -> Loaded {
    loaded(text, lock, false).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(text: &str, lock: Option<&str>, prune: bool) -> Vec<String> {
    match loaded(text, lock, prune) {
        Err(LoadError::Source(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// What the port with this last octet of its MAC has: addresses, then prefixes.
fn has(table: &LeaseTable, n: u8) -> Vec<String> {
    let Lookup::Found(id) = table.find(0, MacAddr([0xfa, 0x16, 0x3e, 0, 1, n]), None) else {
        panic!("port {n} is there")
    };
    let port = table.port(id).expect("its number");
    let addresses = port.addresses().iter().map(|a| std::net::Ipv6Addr::from(*a).to_string());
    let prefixes =
        port.prefixes().iter().map(|p| format!("{}/{}", std::net::Ipv6Addr::from(p.prefix), p.length));
    addresses.chain(prefixes).collect()
}

const LOCK: &str = r#"# Addresses and prefixes that `frontdesk compile` took out of the pools of the lease source beside this file.
# Keep it under version control with the source and review its changes: what is listed here is never given to anybody
# else. Lines of ports that are gone stay until `frontdesk compile --prune` takes them out.
version = 1
allocations = [
    { network = "n", mac_address = "fa:16:3e:00:01:01", address = "2001:db8:1::12" },
    { network = "n", mac_address = "fa:16:3e:00:01:01", prefix = "2001:db8:f00:10::/60" },
    { network = "n", mac_address = "fa:16:3e:00:01:01", prefix = "2001:db8:f00:20::/60" },
    { network = "n", mac_address = "fa:16:3e:00:01:02", address = "2001:db8:1::13" },
]
"#;

/// ::10 and the first /60 are another port's own, ::11 is the gateway; then the lowest free of each, by MAC.
#[test]
fn the_lowest_free_is_given_in_the_order_of_macs() {
    let own = "fixed_ips = [\"2001:db8:1::10\"]\ndelegated_prefixes = [\"2001:db8:f00:4::/62\"]";
    let text = source(&[port(2, ""), port(3, own), port(1, "delegate = 2")]);
    let first = compiled(&text, None);
    assert_eq!(has(&first.table, 1), ["2001:db8:1::12", "2001:db8:f00:10::/60", "2001:db8:f00:20::/60"]);
    assert_eq!(has(&first.table, 2), ["2001:db8:1::13"]);
    assert_eq!(has(&first.table, 3), ["2001:db8:1::10", "2001:db8:f00:4::/62"]);
    let change = first.lock.expect("there was none");
    assert_eq!(change.text, LOCK);
    assert_eq!((change.added, change.pruned, change.unused), (4, 0, 0));
    let parsed: toml::Table = change.text.parse().expect("TOML");
    assert_eq!(parsed["allocations"].as_array().map(Vec::len), Some(4));
}

#[test]
fn the_same_source_and_lock_change_nothing_in_any_order() {
    let own = "fixed_ips = [\"2001:db8:1::10\"]\ndelegated_prefixes = [\"2001:db8:f00:4::/62\"]";
    let ports = [port(1, "delegate = 2"), port(2, ""), port(3, own)];
    let turned = [ports[2].clone(), ports[0].clone(), ports[1].clone()];
    for text in [source(&ports), source(&turned)] {
        let again = compiled(&text, Some(LOCK));
        assert_eq!((again.lock, again.form), (None, Form::Source));
        assert_eq!(has(&again.table, 1), ["2001:db8:1::12", "2001:db8:f00:10::/60", "2001:db8:f00:20::/60"]);
        assert_eq!(compiled(&text, None).lock.expect("there was none").text, LOCK);
        let crlf = LOCK.replace('\n', "\r\n");
        assert_eq!(compiled(&text, Some(&crlf)).lock, None, "line ends are no change");
    }
}

/// A port comes, one goes and comes back: nobody's allocation moves, and a gap is not filled while it is listed.
#[test]
fn what_is_listed_stays_where_it_is() {
    let three = source(&[port(1, ""), port(2, ""), port(3, "")]);
    let lock = compiled(&three, None).lock.expect("new").text;
    let without = source(&[port(1, ""), port(3, "")]);
    let gone = compiled(&without, Some(&lock));
    assert_eq!(gone.lock, None, "the line of the port that is gone stays");
    assert_eq!(has(&gone.table, 3), ["2001:db8:1::13"]);
    let with_new = compiled(&source(&[port(0, ""), port(1, ""), port(3, "")]), Some(&lock));
    assert_eq!(has(&with_new.table, 0), ["2001:db8:1::14"], "not the one of the port that is gone");
    let change = with_new.lock.expect("one more");
    assert_eq!((change.added, change.pruned, change.unused), (1, 0, 1));
    assert_eq!(
        has(&compiled(&three, Some(&change.text)).table, 2),
        ["2001:db8:1::12"],
        "it comes back to its own"
    );
}

#[test]
fn pruning_frees_what_nobody_uses_and_nothing_else() {
    let two = source(&[port(1, "delegate = 2"), port(2, "delegate = 1")]);
    let lock = compiled(&two, None).lock.expect("new").text;
    let one = source(&[port(1, "delegate = 1"), port(3, "delegate = 1")]);
    let change = loaded(&one, Some(&lock), true).expect("valid").lock.expect("pruned");
    assert_eq!((change.added, change.pruned, change.unused), (2, 3, 0));
    let lines: Vec<&str> = change.text.lines().filter(|line| line.starts_with("    ")).collect();
    assert_eq!(
        lines,
        [
            "    { network = \"n\", mac_address = \"fa:16:3e:00:01:01\", address = \"2001:db8:1::10\" },",
            "    { network = \"n\", mac_address = \"fa:16:3e:00:01:01\", prefix = \"2001:db8:f00::/60\" },",
            "    { network = \"n\", mac_address = \"fa:16:3e:00:01:03\", address = \"2001:db8:1::12\" },",
            "    { network = \"n\", mac_address = \"fa:16:3e:00:01:03\", prefix = \"2001:db8:f00:10::/60\" },",
        ]
    );
}

/// Two networks of one pool never get the same, nor does a subnet inside the pool.
#[test]
fn a_pool_that_networks_share_gives_everything_once() {
    let pool =
        "prefix_pools = [{ pool = \"2001:db8::/60\", length = 64 }, { pool = \"3fff::/62\", length = 64 }]";
    let network =
        |name: &str| format!("[networks.{name}]\nvlan = {}\n{pool}\n", if name == "a" { 1 } else { 2 });
    let subnet = "[[networks.b.subnets]]\ncidr = \"2001:db8:0:1::/64\"\n";
    let port = |n: u8, name: &str| {
        format!("[[ports]]\nmac_address = \"02:00:00:00:00:{n:02x}\"\nnetwork = \"{name}\"\ndelegate = 6\n")
    };
    let text = format!(
        "{HEAD}{}{}{subnet}{}{}{}",
        network("a"),
        network("b"),
        port(1, "a"),
        port(2, "b"),
        port(3, "b")
    );
    let table = compiled(&text, None).table;
    let mut all: Vec<[u8; 16]> =
        table.ports().flat_map(|p| p.prefixes().to_vec()).map(|p| p.prefix).collect();
    assert_eq!(all.len(), 18);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 18, "none twice");
    let subnet: std::net::Ipv6Addr = "2001:db8:0:1::".parse().expect("an address");
    assert!(!all.contains(&subnet.octets()), "nor the subnet");
    // 15 in the first pool, 4 in the second: the nineteenth is there, the twentieth is not.
    let more = text.replacen("delegate = 6", "delegate = 7", 1);
    assert_eq!(compiled(&more, None).table.ports().map(|p| p.prefixes().len()).sum::<usize>(), 19);
    assert_eq!(
        refused(&text.replacen("delegate = 6", "delegate = 8", 1), None, false),
        [
            "dir/leases.toml:8: error: networks.b.prefix_pools: have no free /64 left (1 more wanted); add a pool"
        ]
    );
}

#[test]
fn exhaustion_says_where_how_many_and_what_to_do() {
    let text = source(&[port(1, ""), port(2, ""), port(3, "")]).replace("2001:db8:1::ff", "2001:db8:1::12");
    let said = "dir/leases.toml:11: error: networks.n.subnets[0].allocation_pools: have no free address left (1 more wanted); ";
    assert_eq!(refused(&text, None, false), [format!("{said}add a pool")]);
    let gone = LOCK.replace("01:02", "01:09").replace("1::13", "1::10");
    assert_eq!(
        refused(&text, Some(&gone), false),
        [format!(
            "{}add a pool, or free 3 unused lines of the lock file with `frontdesk compile --prune`",
            said.replace("1 more", "2 more")
        )]
    );
}

#[test]
fn lengths_and_opting_out() {
    let text = source(&[
        port(1, "delegate = { length = 56 }"),
        port(2, "delegate = { count = 2 }\nallocate = false\nfixed_ips = [\"2001:db8:1::5\"]"),
        port(3, "fixed_ips = [\"2001:db8:1::6\"]"),
    ])
    .replace("length = 60 }]", "length = 60 }, { pool = \"3fff:1::/48\", length = 56 }]");
    let table = compiled(&text, None).table;
    assert_eq!(has(&table, 1), ["2001:db8:1::10", "3fff:1::/56"]);
    assert_eq!(has(&table, 2), ["2001:db8:1::5", "2001:db8:f00::/60", "2001:db8:f00:10::/60"]);
    assert_eq!(has(&table, 3), ["2001:db8:1::6"], "an address of its own is enough");
}

/// RFC 5453 and RFC 4291 §2.6.1: neither the first address of a subnet nor the anycast range is ever given.
#[test]
fn dhcp_135_reserved_addresses_are_passed_over() {
    let pools = "[{ start = \"2001:db8:1::\", end = \"2001:db8:1::1\" }, { start = \"2001:db8:1:0:fdff:ffff:ffff:ff7f\", end = \"2001:db8:1:0:fdff:ffff:ffff:ffff\" }, { start = \"2001:db8:1::77\", end = \"2001:db8:1::77\" }]";
    let text = source(&[port(1, ""), port(2, ""), port(3, "")])
        .replace("[{ start = \"2001:db8:1::10\", end = \"2001:db8:1::ff\" }]", pools);
    let table = compiled(&text, None).table;
    let all = [1, 2, 3].map(|n| has(&table, n).concat());
    assert_eq!(all, ["2001:db8:1::1", "2001:db8:1:0:fdff:ffff:ffff:ff7f", "2001:db8:1::77"]);
}

#[test]
fn a_value_of_the_source_that_is_listed_for_another_port_is_refused() {
    let own = |value: &str| source(&[port(1, "delegate = 2"), port(2, ""), port(3, value)]);
    let text = own("fixed_ips = [\"2001:db8:1::12\"]");
    assert_eq!(
        refused(&text, Some(LOCK), false),
        [
            "dir/leases.toml:23: error: ports[2].fixed_ips[0]: overlaps 2001:db8:1::12, which the lock file lists for fa:16:3e:00:01:01 on network n (2001:db8:1::12); write another one: what is listed is never given to anybody else"
        ]
    );
    let text = own("fixed_ips = [\"2001:db8:1::80\"]\ndelegated_prefixes = [\"2001:db8:f00:18::/62\"]");
    assert_eq!(
        refused(&text, Some(LOCK), false),
        [
            "dir/leases.toml:24: error: ports[2].delegated_prefixes[0]: overlaps 2001:db8:f00:10::/60, which the lock file lists for fa:16:3e:00:01:01 on network n (2001:db8:f00:18::/62); write another one: what is listed is never given to anybody else"
        ]
    );
    // Port 2 is gone: what it had can be written for another port, but only once it is pruned.
    let text = source(&[port(1, "delegate = 2"), port(3, "fixed_ips = [\"2001:db8:1::13\"]")]);
    assert!(refused(&text, Some(LOCK), false)[0].ends_with(
        "write another one, or free it with `frontdesk compile --prune`: nobody uses it any more"
    ));
    assert_eq!(has(&loaded(&text, Some(LOCK), true).expect("valid").table, 3), ["2001:db8:1::13"]);
}

/// What a port had out of a pool may become its own; the line is then unused.
#[test]
fn a_port_may_write_down_what_it_got() {
    let text = source(&[port(1, "fixed_ips = [\"2001:db8:1::12\"]\ndelegate = 2"), port(2, "")]);
    let pinned = compiled(&text, Some(LOCK));
    assert_eq!(pinned.lock, None);
    assert_eq!(has(&pinned.table, 1), ["2001:db8:1::12", "2001:db8:f00:10::/60", "2001:db8:f00:20::/60"]);
    let text =
        source(&[port(1, "delegated_prefixes = [\"2001:db8:f00:10::/60\"]\ndelegate = 2"), port(2, "")]);
    let table = compiled(&text, Some(LOCK)).table;
    let expected = ["2001:db8:1::12", "2001:db8:f00:10::/60", "2001:db8:f00::/60", "2001:db8:f00:20::/60"];
    assert_eq!(has(&table, 1), expected, "not the same twice");
}

/// A merge of two branches that gave out the same is found at its line.
#[test]
fn a_lock_file_that_lists_something_twice_is_refused() {
    let text = source(&[port(1, "delegate = 2"), port(2, "")]);
    let remedy = "take one of the two lines out, and compile again to give its port another one";
    let twice = LOCK.replace("1::13", "1::12");
    let said =
        format!("dir/leases.lock:9: error: is listed for fa:16:3e:00:01:01 too (2001:db8:1::12); {remedy}");
    assert_eq!(refused(&text, Some(&twice), false), [said]);
    let twice = LOCK.replace("f00:20::/60", "f00:18::/61");
    let said = format!(
        "dir/leases.lock:8: error: overlaps 2001:db8:f00:10::/60, which is listed for fa:16:3e:00:01:01 on network n (2001:db8:f00:18::/61); {remedy}"
    );
    assert_eq!(refused(&text, Some(&twice), false), [said]);
}

#[test]
fn a_router_or_a_subnet_that_takes_what_is_listed_is_refused() {
    let ports = [port(1, "delegate = 2"), port(2, "")];
    let text = source(&ports).replace("gateway_ip = \"2001:db8:1::11\"", "gateway_ip = \"2001:db8:1::13\"");
    assert_eq!(
        refused(&text, Some(LOCK), false),
        [
            "dir/leases.lock:9: error: is an address of the router or of a service of network n (2001:db8:1::13); give the router or the service another address: guests keep what they have"
        ]
    );
    let text = source(&ports) + "[[networks.n.subnets]]\ncidr = \"2001:db8:f00:11::/64\"\n";
    assert_eq!(
        refused(&text, Some(LOCK), false),
        [
            "dir/leases.lock:7: error: overlaps 2001:db8:f00:11::/64, a subnet of network n (2001:db8:f00:10::/60); give the subnet another prefix: guests keep what they have"
        ]
    );
}

#[test]
fn a_broken_lock_file_is_refused_at_its_line() {
    let text = source(&[port(1, "")]);
    let restore =
        "take the file as it was out of version control, or correct it: one allocation on each line";
    for (from, to, said) in [
        (
            "version = 1",
            "version = 2",
            "4: error: version: is a version that this program does not know (2); write 1",
        ),
        ("]\n", "", &*format!("10: error: the file is cut off: the list has no end; {restore}")),
        (
            "allocations = [",
            "allocations=[]",
            &*format!("1: error: there is no line `allocations = [`; {restore}"),
        ),
        ("]\n", "]\nx = 1\n", &*format!("11: error: something stands behind the list (x = 1); {restore}")),
        (
            "01:02\", address",
            "01:02\", adress",
            "9: error: allocations[3].adress: unknown field (\"2001:db8:1::13\"); did you mean address?",
        ),
        (
            "fa:16:3e:00:01:02",
            "ff:16:3e:00:01:02",
            "9: error: allocations[3].mac_address: is a group address (\"ff:16:3e:00:01:02\"); write a unicast MAC address: the lowest bit of its first octet is 0",
        ),
    ] {
        let lock = LOCK.replace(from, to);
        assert_ne!(lock, LOCK);
        let problems = refused(&text, Some(&lock), false);
        assert!(problems.contains(&format!("dir/leases.lock:{said}")), "{said}\n{problems:#?}");
    }
    for (from, to) in [
        ("::12\" },\n", "::12\" }, "),
        ("\"n\", mac", "\"n\",\n mac"),
        ("::12\" }", "::12\" "),
        ("= \"2001", "= 2001"),
    ] {
        let lock = LOCK.replacen(from, to, 1);
        assert_ne!(lock, LOCK);
        assert!(!refused(&text, Some(&lock), false).is_empty(), "{from} → {to}");
    }
    let octets = [LOCK.as_bytes(), b"\xff"].concat();
    let lock = Lock { octets: Some(octets), prune: false };
    let Err(error) = load_with_lock("l.toml", text.clone().into_bytes(), lock) else { panic!("refused") };
    assert!(error.to_string().starts_with("l.lock:11: error: the text is not UTF-8"), "{error}");
}

#[test]
fn a_daemon_takes_only_what_is_listed() {
    let text = source(&[port(1, "delegate = 2"), port(2, "")]);
    let lock = LOCK.as_bytes().to_vec();
    assert_eq!(
        load_locked("leases.toml", text.clone().into_bytes(), Some(lock)).expect("all listed").lock,
        None
    );
    let Err(error) = load_locked("leases.toml", text.into_bytes(), None) else { panic!("refused") };
    assert_eq!(
        error.to_string(),
        "leases.lock:1: error: 4 allocations are missing; run `frontdesk compile` on the lease source, and keep the lock file under version control"
    );
}

/// Enough lines for several pieces of the lock file.
#[test]
fn a_large_lock_file_is_read_back_line_by_line() {
    let port = |i: u16| {
        let [high, low] = i.to_be_bytes();
        format!(
            "[[ports]]\nmac_address = \"02:00:00:00:{high:02x}:{low:02x}\"\nnetwork = \"n\"\ndelegate = 1\nallocate = false\nfixed_ips = [\"2001:db8:1::1:{i:x}\"]\n"
        )
    };
    let ports: Vec<String> = (0..2000).map(port).collect();
    let text = source(&ports);
    let first = compiled(&text, None);
    let lock = first.lock.expect("new").text;
    assert_eq!(lock.lines().count(), 2000 + 6);
    let again = compiled(&text, Some(&lock));
    assert_eq!(again.lock, None);
    assert_eq!(again.table.sections(), first.table.sections());
    let broken = lock.replacen("2001:db8:f00:4570::/60", "2001:db8:f00:4571::/60", 1);
    let line = 1 + lock.lines().position(|line| line.contains("f00:4570::/60")).expect("listed");
    let said = refused(&text, Some(&broken), false);
    assert!(
        said[0].starts_with(&format!(
            "dir/leases.lock:{line}: error: allocations[{}].prefix: has host bits set",
            line - 6
        )),
        "{said:?}"
    );
}

#[test]
fn a_lock_file_is_never_its_source() {
    for (source, lock) in [
        ("a/leases.toml", "a/leases.lock"),
        ("leases.json", "leases.lock"),
        ("leases", "leases.lock"),
        ("x.lock", "x.lock.lock"),
    ] {
        assert_eq!(lock_path(source.as_ref()).to_str(), Some(lock));
    }
}
