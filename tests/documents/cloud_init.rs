//! cloud-init's own readers, fed with our answers: what they make of them is what the lease says.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::desk::{Desk, NOW};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey guest@example.com";
/// Debian's own interpreter, which finds Debian's cloud-init.
const PYTHON: &str = "/usr/bin/python3";

/// Interfaces on both networks. The second network wants tokens.
fn desk() -> Desk {
    Desk::new(&format!(
        r##"[[ports]]
mac_address = "fa:16:3e:00:00:01"
network = "blue"
id = "cd9f6d46-4a3a-43ab-a466-994af9db96fc"
device_id = "d8e02d56-2648-49a3-bf97-6be8f1204f38"
project_id = "p"
hostname = "web.example.com"
[ports.metadata]
availability_zone = "az1"
meta = {{ role = "web" }}
public_keys = {{ mine = "{KEY}" }}
user_data_base64 = "AAH/"
vendor_data = {{ cloud-init = "#cloud-config\n" }}
vendor_data2 = {{ more = 1 }}
files = [{{ path = "/etc/motd", content = "hello\n" }}]
[[ports]]
mac_address = "fa:16:3e:00:00:02"
network = "strict"
device_id = "d8e02d56-2648-49a3-bf97-6be8f1204f38"
project_id = "p"
fixed_ips = ["2001:db8:2::5", "2001:db8:2::6"]
[ports.metadata]
public_keys = {{ mine = "{KEY}", other = "ssh-rsa AAAA" }}
"##
    ))
}

/// What cloud-init finds as the guest of a port; `None` when it is not installed.
fn crawl(desk: &Desk, port: usize, kind: &str) -> Option<Value> {
    if !Path::new("/usr/lib/python3/dist-packages/cloudinit").exists() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "Debian's cloud-init is not installed");
        eprintln!("skipped: Debian's cloud-init is not installed");
        return None;
    }
    let mut python = Command::new(PYTHON)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/documents/cloud_init.py"))
        .args([kind, "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"])
        .env_remove("PYTHONPATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("an interpreter");
    let mut answers = python.stdin.take().expect("a pipe");
    for line in BufReader::new(python.stdout.take().expect("a pipe")).lines() {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let Some(method) = line["method"].as_str() else {
            drop(answers);
            assert!(python.wait().expect("its end").success());
            return Some(line);
        };
        let fields: Vec<(&str, &str)> = line["fields"]
            .as_object()
            .expect("a table")
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("text")))
            .collect();
        let path = line["path"].as_str().expect("a path");
        let path = if path.is_empty() { "/" } else { path };
        let answer = desk.ask_as(port, NOW, method, path, &fields);
        let fields: serde_json::Map<String, Value> =
            answer.fields().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let answer = json!({ "status": answer.status(), "fields": fields, "octets": answer.octets() });
        writeln!(answers, "{answer}").expect("cloud-init reads");
    }
    panic!("cloud-init found nothing: {:?}", python.wait());
}

fn statuses(result: &Value, other_than: u64) -> Vec<&Value> {
    result["log"].as_array().expect("a list").iter().filter(|entry| entry[2] != other_than).collect()
}

#[test]
fn cloud_init_reads_every_document_of_openstack() {
    let Some(mut result) = crawl(&desk(), 0, "openstack") else { return };
    assert_eq!(result["complaints"], json!([]));
    assert_eq!(statuses(&result, 200), Vec::<&Value>::new(), "everything that it looks for is there");
    let found = result["found"].take();
    let data = &found["metadata"];
    assert_eq!(data["instance-id"], "d8e02d56-2648-49a3-bf97-6be8f1204f38");
    assert_eq!(
        (&data["local-hostname"], &data["availability_zone"]),
        (&"web.example.com".into(), &"az1".into())
    );
    assert_eq!(data["public_keys"], json!({ "mine": KEY }));
    assert_eq!(data["random_seed"].as_str().expect("decoded").chars().count(), 512);
    assert_eq!(found["userdata"], "\u{0}\u{1}\u{ff}");
    assert_eq!(found["vendordata"], json!({ "cloud-init": "#cloud-config\n" }));
    assert_eq!(found["vendordata2"]["more"], 1);
    assert_eq!(found["files"], json!({ "/etc/motd": "hello\n" }));
    assert_eq!(found["ec2-metadata"]["placement"]["availability-zone"], "az1");
    let gateway = |gateway: &str, network: &str, netmask: &str| json!({ "network": network, "netmask": netmask, "gateway": gateway });
    let blue = "fe80::f816:3eff:feff:1";
    let expected = json!({
        "version": 1,
        "config": [
            {
                "type": "physical", "name": "eth0", "mac_address": "fa:16:3e:00:00:01", "mtu": 1450,
                "subnets": [{
                    "type": "ipv6_slaac", "netmask": "ffff:ffff:ffff:ffff::",
                    "routes": [
                        gateway(blue, "::", "::"),
                        gateway(blue, "2001:db8:f00::", "ffff:ffff:ffff::"),
                    ],
                }],
            },
            {
                "type": "physical", "name": "eth1", "mac_address": "fa:16:3e:00:00:02", "mtu": null,
                "accept-ra": true,
                "subnets": [{
                    "type": "ipv6_dhcpv6-stateful", "netmask": "ffff:ffff:ffff:ffff::",
                    "routes": [gateway("fe80::2", "::", "::")],
                }],
            },
            { "type": "nameserver", "address": "2001:db8::53" },
            { "type": "nameserver", "address": "2001:db8::54" },
        ],
    });
    assert_eq!(found["network"], expected);
}

/// On AWS cloud-init asks for a token first; elsewhere it does without.
#[test]
fn cloud_init_reads_the_whole_tree_of_ec2() {
    for (port, kind) in [(0, "ec2"), (0, "aws"), (1, "aws")] {
        let Some(mut result) = crawl(&desk(), port, kind) else { return };
        // It looks for an entry that AWS's tree does not have, and takes a default.
        let complaints = result["complaints"].as_array().expect("a list");
        let known = |text: &Value| text.as_str().is_some_and(|t| t.contains("subnet-ipv6-cidr-block"));
        assert!(complaints.iter().all(known), "{complaints:?}");
        let missing: Vec<&Value> = statuses(&result, 200);
        let expected = if port == 1 { vec![json!(["GET", "/2021-03-23/user-data", 404])] } else { vec![] };
        assert_eq!(missing, expected.iter().collect::<Vec<_>>(), "{kind}");
        let with_token = result["log"][0] == json!(["PUT", "/latest/api/token", 200]);
        assert_eq!(with_token, kind == "aws");
        let found = result["found"].take();
        assert_eq!(found["_metadata_api_version"], "2021-03-23");
        let data = &found["meta-data"];
        assert_eq!(data["instance-id"], "d8e02d56-2648-49a3-bf97-6be8f1204f38");
        assert_eq!(data["public-keys"]["mine"], KEY);
        let macs = &data["network"]["interfaces"]["macs"];
        assert_eq!(macs["fa:16:3e:00:00:01"]["ipv6s"], "2001:db8:1:0:f816:3eff:fe00:1");
        assert_eq!(macs["fa:16:3e:00:00:02"]["ipv6s"], json!(["2001:db8:2::5", "2001:db8:2::6"]));
        let nics = &found["network"]["ethernets"];
        assert_eq!((&nics["eth0"]["dhcp6"], &nics["eth1"]["dhcp6"]), (&true.into(), &true.into()));
        assert_eq!(nics["eth1"]["addresses"], json!(["2001:db8:2::6/128"]));
        if kind == "aws" {
            let identity = &found["dynamic"]["instance-identity"]["document"];
            assert_eq!(identity["instanceId"], data["instance-id"]);
        }
        if port == 0 {
            assert_eq!(found["user-data"], "\u{0}\u{1}\u{ff}");
            assert_eq!(
                (&data["local-hostname"], &data["placement"]["availability-zone"]),
                (&"web.example.com".into(), &"az1".into())
            );
        }
    }
}
