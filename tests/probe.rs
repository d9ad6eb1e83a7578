//! The probe against servers that others wrote: radvd, Kea and dnsmasq, on a bridge in a namespace of the test's own.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use frontdesk::io::netns::Preference;
use frontdesk::io::probe::{self, Options, Report, Wanted};
use support::netns::{Guest, Lan, Process, alone, installed, wait_until};

const MAC: &str = "fa:16:3e:22:38:6b";

fn ask(guest: &Guest, options: &Options) -> Report {
    guest.netns.run(|| probe::run(options)).expect("the namespace").expect("a device to speak on")
}

fn only(wanted: Wanted) -> Options {
    Options { wanted: Some(wanted), timeout: Duration::from_secs(4), ..Options::new("eth0") }
}

/// Waits until a server answers at all; what is asserted comes from a later run.
fn wait_for_server(guest: &Guest, wanted: Wanted) {
    let quick = Options { timeout: Duration::from_millis(1200), ..only(wanted) };
    wait_until("the server answers", Duration::from_secs(20), || ask(guest, &quick).is_complete());
}

fn start(program: &str, arguments: &[&str], home: &Path) -> Process {
    let log = fs::File::create(home.join("log")).expect("a log");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
    for name in ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR"] {
        command.env(name, home);
    }
    Process::start(&mut command)
}

fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs::write(&path, text).expect("a configuration");
    path.to_str().expect("UTF-8").to_owned()
}

/// A bridge with a server's address, and one guest that is up.
fn lan(multicast_snooping: bool) -> (Lan, Guest) {
    let lan = Lan::new(multicast_snooping);
    lan.set_bridge_address("2001:db8:cafe:1::1");
    let guest = lan.plug("tap0", MAC);
    guest.up();
    (lan, guest)
}

#[test]
fn every_option_that_radvd_sends_is_read() {
    alone("every_option_that_radvd_sends_is_read", || {
        if !installed("radvd") {
            return;
        }
        let (_lan, guest) = lan(true);
        let home = tempfile::tempdir().expect("a temporary directory");
        let file = write(home.path(), "radvd.conf", RADVD);
        let pid = home.path().join("pid");
        let _radvd = start(
            "radvd",
            &["-n", "-C", &file, "-p", pid.to_str().expect("UTF-8"), "-m", "stderr"],
            home.path(),
        );
        let ra = Wanted { ra: true, ..Wanted::default() };
        wait_for_server(&guest, ra);
        let report = ask(&guest, &only(ra));
        assert_eq!(report.faults, []);
        let [router] = &*report.routers else { panic!("one router, not {}", report.routers.len()) };
        assert!(router.managed && !router.other);
        assert_eq!((router.preference, router.lifetime, router.hop_limit), (Preference::High, 1800, 63));
        assert_eq!((router.reachable_time, router.retransmit_timer), (30_000, 1500));
        assert_eq!(router.mtu, Some(1450));
        assert_eq!(router.link_layer, Some(router.mac));
        let [prefix] = &*router.prefixes else { panic!("one prefix") };
        assert_eq!((prefix.prefix.to_string().as_str(), prefix.length), ("2001:db8:cafe:1::", 64));
        assert!(prefix.on_link && !prefix.autonomous);
        assert_eq!((prefix.valid.0, prefix.preferred.0), (7200, 3600));
        let [route] = &*router.routes else { panic!("one route") };
        assert_eq!((route.prefix.to_string().as_str(), route.length), ("2001:db8:f00::", 48));
        assert_eq!((route.preference, route.lifetime.0), (Preference::Low, 1700));
        let [dns] = &*router.dns else { panic!("one RDNSS option") };
        assert_eq!(dns.lifetime.0, 1200);
        assert_eq!(
            dns.servers,
            [
                "2001:db8:cafe:a::e".parse::<std::net::Ipv6Addr>().unwrap(),
                "2001:db8:cafe:a::f".parse().unwrap()
            ]
        );
        let [search] = &*router.search else { panic!("one DNSSL option") };
        assert_eq!(
            (search.lifetime.0, search.domains.join(" ")),
            (1300, "openstacklocal example.com".to_owned())
        );
        assert_eq!(router.unknown, []);
    });
}

const RADVD: &str = "
interface br0 {
  AdvSendAdvert on; AdvManagedFlag on; AdvDefaultPreference high; AdvDefaultLifetime 1800; AdvCurHopLimit 63;
  AdvReachableTime 30000; AdvRetransTimer 1500; AdvLinkMTU 1450; MinRtrAdvInterval 200; MaxRtrAdvInterval 600;
  prefix 2001:db8:cafe:1::/64 { AdvAutonomous off; AdvValidLifetime 7200; AdvPreferredLifetime 3600; };
  route 2001:db8:f00::/48 { AdvRoutePreference low; AdvRouteLifetime 1700; };
  RDNSS 2001:db8:cafe:a::e 2001:db8:cafe:a::f { AdvRDNSSLifetime 1200; };
  DNSSL openstacklocal example.com { AdvDNSSLLifetime 1300; };
};
";

/// RFC 9915 §18.2: four messages, two messages, Information-request and Release, with Kea on the other side.
#[test]
fn kea_leases_addresses_and_prefixes_to_the_probe() {
    alone("kea_leases_addresses_and_prefixes_to_the_probe", || {
        if !installed("kea-dhcp6") {
            return;
        }
        let (_lan, guest) = lan(false);
        let home = tempfile::tempdir().expect("a temporary directory");
        let file = write(home.path(), "kea.json", KEA);
        let _kea = start("kea-dhcp6", &["-c", &file], home.path());
        let (stateless, dhcp) =
            (Wanted { stateless: true, ..Wanted::default() }, Wanted { ra: false, ..Wanted::ALL });
        wait_for_server(&guest, stateless);

        let report = ask(&guest, &Options { release: true, ..only(dhcp) });
        assert_eq!((report.faults.as_slice(), report.missing.as_slice()), (&[][..], &[][..]));
        let asked: Vec<_> = report.exchanges.iter().map(|e| (e.sent, e.answer)).collect();
        let reply = Some("Reply");
        assert_eq!(
            asked,
            [
                ("Solicit", Some("Advertise")),
                ("Request", reply),
                ("Information-request", reply),
                ("Release", reply)
            ]
        );
        let lease = report.lease.expect("a lease");
        assert_eq!(lease.server_duid, "0002000022b83bc82226");
        assert!(lease.associations.iter().all(|ia| (ia.t1.0, ia.t2.0) == (1800, 2880)));
        let [address] = &*lease.addresses().collect::<Vec<_>>() else { panic!("one address") };
        assert_eq!(address.address.to_string(), "2001:db8:cafe:1::1000");
        assert_eq!((address.preferred.0, address.valid.0), (3600, 7200));
        let [prefix] = &*lease.prefixes().collect::<Vec<_>>() else { panic!("one prefix") };
        assert_eq!((prefix.address.to_string().as_str(), prefix.length), ("2001:db8:face::", 64));
        let settings = report.information.expect("settings");
        assert_eq!(settings.domains, ["openstacklocal", "example.com"]);
        assert_eq!(settings.ntp, ["2001:db8:cafe:a::123"]);
        assert_eq!(settings.boot_file_url.as_deref(), Some("http://[2001:db8:cafe:a::80]/ipxe.efi"));
        assert_eq!(settings.information_refresh_time, Some(86400));
        assert_eq!(report.released.expect("a status").code, 0);

        // Another guest on the same wire: the MAC, the DUID and the IAID are the probe's to choose.
        let stranger = Options {
            mac: Some("02:00:00:00:00:09".parse().expect("a MAC")),
            duid: Some(vec![0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
            iaid: Some(0),
            rapid_commit: true,
            ..only(Wanted { stateful: true, ..Wanted::default() })
        };
        let report = ask(&guest, &stranger);
        let lease = report.lease.expect("a lease");
        assert!(lease.rapid_commit);
        assert_eq!(report.exchanges.len(), 1);
        assert_eq!(lease.associations.iter().map(|ia| ia.iaid).collect::<Vec<_>>(), [0]);
        assert_eq!(report.client_duid, "00040102030405060708090a0b0c0d0e0f10");
    });
}

const KEA: &str = r#"{ "Dhcp6": {
  "interfaces-config": { "interfaces": ["br0"] },
  "lease-database": { "type": "memfile", "persist": false },
  "server-id": { "type": "EN", "enterprise-id": 8888, "identifier": "3bc82226", "persist": false },
  "preferred-lifetime": 3600, "valid-lifetime": 7200, "renew-timer": 1800, "rebind-timer": 2880,
  "option-data": [
    { "name": "dns-servers", "data": "2001:db8:cafe:a::e, 2001:db8:cafe:a::f" },
    { "name": "domain-search", "data": "openstacklocal, example.com" },
    { "name": "sntp-servers", "data": "2001:db8:cafe:a::123" },
    { "name": "bootfile-url", "data": "http://[2001:db8:cafe:a::80]/ipxe.efi" },
    { "name": "information-refresh-time", "data": "86400" } ],
  "subnet6": [ { "id": 1, "subnet": "2001:db8:cafe:1::/64", "interface": "br0", "rapid-commit": true,
    "pools": [ { "pool": "2001:db8:cafe:1::1000-2001:db8:cafe:1::1fff" } ],
    "pd-pools": [ { "prefix": "2001:db8:face::", "prefix-len": 48, "delegated-len": 64 } ] } ] } }"#;

/// RA and DHCPv6 of one server: what to ask for comes from the flags of its RA.
#[test]
fn the_flags_of_dnsmasq_decide_what_the_probe_asks() {
    alone("the_flags_of_dnsmasq_decide_what_the_probe_asks", || {
        if !installed("dnsmasq") {
            return;
        }
        let (_lan, guest) = lan(true);
        for (range, sent) in [
            ("2001:db8:cafe:1::100,2001:db8:cafe:1::1ff,64,1h", "Solicit"),
            ("2001:db8:cafe:1::,ra-stateless,64,1h", "Information-request"),
        ] {
            let home = tempfile::tempdir().expect("a temporary directory");
            let range = format!("--dhcp-range={range}");
            let leases = format!("--dhcp-leasefile={}", home.path().join("leases").display());
            let arguments = [
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                "--interface=br0",
                "--enable-ra",
                "--user=root",
                "--group=root",
                "--log-facility=-",
                "--dhcp-option=option6:dns-server,[2001:db8:cafe:a::e]",
                &range,
                &leases,
            ];
            let _dnsmasq = start("dnsmasq", &arguments, home.path());
            wait_for_server(&guest, Wanted { ra: true, ..Wanted::default() });
            let report = ask(&guest, &Options { timeout: Duration::from_secs(4), ..Options::new("eth0") });
            assert_eq!(report.missing, [] as [&str; 0], "{range}");
            assert_eq!(report.exchanges.iter().map(|e| e.sent).nth(1), Some(sent), "{range}");
            let settings = report.lease.as_ref().map(|lease| &lease.settings).or(report.information.as_ref());
            let dns = settings.map(|settings| settings.dns.clone()).expect("settings");
            assert_eq!(dns, ["2001:db8:cafe:a::e".parse::<std::net::Ipv6Addr>().expect("an address")]);
        }
    });
}

/// RFC 9915 §15: the first wait of a Solicit is 1 to 1.1 s, and each next one about doubles.
#[test]
fn without_an_answer_the_probe_sends_again_and_says_what_is_missing() {
    alone("without_an_answer_the_probe_sends_again_and_says_what_is_missing", || {
        let lan = Lan::new(true);
        let guest = lan.plug("tap0", MAC);
        guest.up();
        let report = ask(&guest, &only(Wanted { stateful: true, ..Wanted::default() }));
        let [exchange] = &*report.exchanges else { panic!("one exchange") };
        // At 0, 1.0 to 1.1 and 2.9 to 3.4 seconds of 4.
        assert_eq!((exchange.sent, exchange.transmissions, exchange.answer), ("Solicit", 3, None));
        assert_eq!(report.missing, ["an address by DHCPv6 (no answer)"]);
    });
}

#[test]
fn the_exit_code_says_why_there_is_no_report() {
    alone("the_exit_code_says_why_there_is_no_report", || {
        let lan = Lan::new(true);
        let _guest = lan.plug("tap0", MAC);
        let probe = |before: &[&str], device: &str| {
            let words: Vec<&str> =
                [before, &[env!("CARGO_BIN_EXE_frontdesk"), "probe", "--timeout", "1", device]].concat();
            let (program, arguments) = words.split_first().expect("a program");
            let output = Command::new(program).args(arguments).output().expect("the program");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert_eq!(probe(&[], "nosuch"), (Some(69), "frontdesk: there is no device nosuch here\n".into()));
        lan.netlink.set_down(lan.netlink.link("tap0").expect("tap0").index).expect("tap0 down");
        assert_eq!(probe(&[], "tap0").0, Some(69));
        let (code, message) = probe(&["unshare", "--user"], "br0");
        assert_eq!(code, Some(77), "{message}");
        assert!(message.contains("CAP_NET_RAW"), "{message}");
        assert_eq!(probe(&[], "br0").0, Some(1));
    });
}
