//! EC2's tree: Nova's lists (its user documentation, "Metadata") and AWS's categories of instance metadata.

use serde_json::json;

use crate::desk::Desk;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey guest@example.com";

fn desk() -> Desk {
    Desk::new(&format!(
        r#"[[ports]]
mac_address = "fa:16:3e:9c:bf:3d"
network = "blue"
id = "cd9f6d46"
device_id = "d8e02d56"
project_id = "p"
hostname = "test.novalocal"
delegated_prefixes = ["2001:db8:face::/56", "2001:db8:face:100::/56"]
[ports.metadata]
availability_zone = "nova"
public_keys = {{ mykey = "{KEY}", second = "ssh-rsa AAAA" }}
[ports.metadata.ec2]
ami-id = "ami-00000001"
ami-manifest-path = "image.manifest.xml"
block-device-mapping = {{ ami = "vda" }}
instance-type = "m1.tiny"
kernel-id = "aki-00000002"
local-ipv4 = ""
public-hostname = "test.novalocal"
public-ipv4 = ""
ramdisk-id = "ari-00000003"
reservation-id = "r-1"
security-groups = ["default", "web"]
[[ports]]
mac_address = "fa:16:3e:9c:bf:3e"
network = "strict"
device_id = "d8e02d56"
project_id = "p"
fixed_ips = ["2001:db8:2::5"]
[[ports]]
mac_address = "fa:16:3e:9c:bf:3f"
network = "blue"
device_id = "plain"
"#
    ))
}

#[test]
fn the_documented_lists_are_answered() {
    let desk = desk();
    let versions = [
        "1.0",
        "2007-01-19",
        "2007-03-01",
        "2007-08-29",
        "2007-10-10",
        "2007-12-15",
        "2008-02-01",
        "2008-09-01",
        "2009-04-04",
    ];
    // Behind Nova's are the versions that cloud-init looks for first.
    let newer = ["2016-09-02", "2018-09-24", "2021-03-23", "latest"];
    assert_eq!(desk.get("/").lines(), [&versions[..], &newer].concat());
    assert_eq!(desk.get("/ec2/").text(), desk.get("/").text());
    let documented = [
        "ami-id",
        "ami-launch-index",
        "ami-manifest-path",
        "block-device-mapping/",
        "hostname",
        "instance-action",
        "instance-id",
        "instance-type",
        "kernel-id",
        "local-hostname",
        "local-ipv4",
        "placement/",
        "public-hostname",
        "public-ipv4",
        "public-keys/",
        "ramdisk-id",
        "reservation-id",
        "security-groups",
    ];
    for path in ["/2009-04-04/meta-data", "/2009-04-04/meta-data/", "/ec2/2009-04-04/meta-data/"] {
        assert_eq!(desk.get(path).lines(), documented, "{path}");
    }
    let oldest = [
        "ami-id",
        "ami-launch-index",
        "ami-manifest-path",
        "hostname",
        "instance-id",
        "local-ipv4",
        "public-keys/",
        "reservation-id",
        "security-groups",
    ];
    assert_eq!(desk.get("/1.0/meta-data/").lines(), oldest);
    for (path, text) in [
        ("/2009-04-04/", "meta-data/"),
        ("/2009-04-04/meta-data/block-device-mapping/", "ami"),
        ("/2009-04-04/meta-data/placement/", "availability-zone"),
        ("/2009-04-04/meta-data/placement/availability-zone", "nova"),
        ("/2009-04-04/meta-data/public-keys/", "0=mykey\n1=second"),
        ("/2009-04-04/meta-data/public-keys/0", "openssh-key"),
        ("/2009-04-04/meta-data/public-keys/0/openssh-key", KEY),
        ("/latest/meta-data/public-keys/1/openssh-key/", "ssh-rsa AAAA"),
        ("/latest/meta-data/security-groups", "default\nweb"),
        ("/latest/meta-data/instance-id", "d8e02d56"),
        ("/latest/meta-data/hostname", "test.novalocal"),
        ("/latest/meta-data/ami-launch-index", "0"),
        ("/latest/meta-data/public-ipv4", ""),
    ] {
        let answer = desk.get(path);
        assert_eq!(answer.text(), text, "{path}");
        assert_eq!(answer.field("content-type"), Some("text/plain; charset=UTF-8"));
    }
    for path in [
        "/2009-04-05/meta-data",
        "/1.0/meta-data/placement",
        "/latest/meta-data/x",
        "/latest/meta-data/hostname/x",
        "/latest/meta-data/public-keys/2/openssh-key",
        "/latest/meta-data/security-groups/0",
        "/latest/x",
        "/meta-data",
        "/x",
        "/2009-04-04/dynamic",
    ] {
        assert_eq!(desk.status(path), 404, "{path}");
    }
}

#[test]
fn interfaces_are_told_by_their_macs() {
    let desk = desk();
    assert_eq!(desk.get("/latest/meta-data/mac").text(), "fa:16:3e:9c:bf:3d");
    assert_eq!(desk.get("/latest/meta-data/ipv6").text(), "2001:db8:1:0:f816:3eff:fe9c:bf3d");
    let macs = "/2018-09-24/meta-data/network/interfaces/macs/";
    assert_eq!(desk.get(macs).lines(), ["fa:16:3e:9c:bf:3d/", "fa:16:3e:9c:bf:3e/"]);
    for (entry, text) in [
        ("device-number", "0"),
        ("interface-id", "cd9f6d46"),
        ("ipv6-prefix", "2001:db8:face::/56\n2001:db8:face:100::/56"),
        ("ipv6s", "2001:db8:1:0:f816:3eff:fe9c:bf3d"),
        ("local-hostname", "test.novalocal"),
        ("mac", "fa:16:3e:9c:bf:3d"),
        ("subnet-ipv6-cidr-blocks", "2001:db8:1::/64"),
    ] {
        assert_eq!(desk.get(&format!("{macs}fa:16:3e:9c:bf:3d/{entry}")).text(), text, "{entry}");
    }
    let second = desk.get(&format!("{macs}fa%3a16%3A3e:9c:bf:3e/"));
    assert_eq!(second.lines(), ["device-number", "ipv6s", "mac", "subnet-ipv6-cidr-blocks"]);
    assert_eq!(desk.get(&format!("{macs}fa:16:3e:9c:bf:3e/ipv6s")).text(), "2001:db8:2::5");
    assert_eq!(desk.get(&format!("{macs}fa:16:3e:9c:bf:3e/device-number")).text(), "1");
    assert_eq!(desk.status(&format!("{macs}fa:16:3e:9c:bf:3f/")), 404, "another instance's");
}

#[test]
fn the_identity_document_has_what_is_known() {
    let desk = desk();
    assert_eq!(desk.get("/latest/dynamic/").text(), "instance-identity/");
    assert_eq!(desk.get("/latest/dynamic/instance-identity").text(), "document");
    let document = json!({
        "accountId": "p", "availabilityZone": "nova", "imageId": "ami-00000001", "instanceId": "d8e02d56",
        "instanceType": "m1.tiny", "version": "2017-09-30",
    });
    assert_eq!(desk.get("/2021-03-23/dynamic/instance-identity/document").json(), document);
    let plain = desk.ask_as(2, 0, "GET", "/latest/dynamic/instance-identity/document", &[]);
    assert_eq!(plain.json(), json!({ "instanceId": "plain", "version": "2017-09-30" }));
    for path in ["/latest/dynamic/instance-identity/pkcs7", "/latest/dynamic/fws"] {
        assert_eq!(desk.status(path), 404, "{path}");
    }
}

/// An operator who knows the ids that EC2's API gives writes them; what is not known is not told.
#[test]
fn the_operators_own_entries_win_and_unknown_ones_are_left_out() {
    let port = |more: &str| {
        let port =
            "[[ports]]\nmac_address = \"fa:16:3e:00:00:01\"\nnetwork = \"blue\"\ndevice_id = \"2244a346\"\n";
        Desk::new(&format!("{port}{more}"))
    };
    let known = ["ami-launch-index", "instance-action", "instance-id", "ipv6", "mac", "network/"];
    assert_eq!(port("").get("/latest/meta-data/").lines(), known);
    let given =
        port("metadata.ec2 = { instance-id = \"i-0000000a\", tags = { instance = { Name = \"web\" } } }\n");
    assert_eq!(given.get("/latest/meta-data/instance-id").text(), "i-0000000a");
    assert_eq!(given.get("/latest/meta-data/tags/instance/Name").text(), "web");
    let identity = given.get("/latest/dynamic/instance-identity/document").json();
    assert_eq!(identity["instanceId"], "i-0000000a");
    assert_eq!(given.get("/openstack/latest/meta_data.json").json()["uuid"], "2244a346");
}
