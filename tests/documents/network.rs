//! network_data.json, as Nova has it (its user documentation, "Metadata"; nova/virt/netutils.py).

use serde_json::{Value, json};

use crate::desk::Desk;

const TWO_NICS: &str = r#"[[ports]]
mac_address = "fa:16:3e:9c:bf:3d"
network = "blue"
id = "cd9f6d46-4a3a-43ab-a466-994af9db96fc"
device_id = "d8e02d56"
project_id = "p"
[[ports]]
mac_address = "fa:16:3e:00:00:02"
network = "blue"
device_id = "another"
project_id = "p"
[[ports]]
mac_address = "fa:16:3e:00:00:03"
network = "blue"
device_id = "d8e02d56"
project_id = "another"
[[ports]]
mac_address = "fa:16:3e:9c:bf:3e"
network = "strict"
device = "tap-second"
device_id = "d8e02d56"
project_id = "p"
fixed_ips = ["2001:db8:2::5", "2001:db8:2::6"]
[[ports]]
mac_address = "fa:16:3e:00:00:04"
network = "blue"
"#;

fn data(desk: &Desk) -> Value {
    desk.get("/openstack/latest/network_data.json").json()
}

/// The link is the one of Nova's example; the types of networks are Neutron's address modes behind `ipv6_`.
#[test]
fn all_interfaces_of_the_instance_are_told_whichever_asks() {
    let desk = Desk::new(TWO_NICS);
    let first = json!([{ "type": "dns", "address": "2001:db8::53" }]);
    let second = json!([{ "type": "dns", "address": "2001:db8::54" }]);
    let expected = json!({
        "links": [
            {
                "ethernet_mac_address": "fa:16:3e:9c:bf:3d", "id": "tapcd9f6d46-4a", "mtu": 1450, "type": "phy",
                "vif_id": "cd9f6d46-4a3a-43ab-a466-994af9db96fc",
            },
            { "ethernet_mac_address": "fa:16:3e:9c:bf:3e", "id": "tap-second", "mtu": null, "type": "phy" },
        ],
        "networks": [
            {
                "id": "network0", "link": "tapcd9f6d46-4a", "type": "ipv6_slaac",
                "network_id": "99e88329-f20d-4741-9593-25bf07847b16",
                "ip_address": "2001:db8:1:0:f816:3eff:fe9c:bf3d", "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [
                    { "network": "::", "netmask": "::", "gateway": "fe80::f816:3eff:feff:1" },
                    { "network": "2001:db8:f00::", "netmask": "ffff:ffff:ffff::", "gateway": "fe80::f816:3eff:feff:1" },
                ],
                "services": first,
            },
            {
                "id": "network1", "link": "tap-second", "type": "ipv6_dhcpv6-stateful", "network_id": "strict",
                "ip_address": "2001:db8:2::5", "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [{ "network": "::", "netmask": "::", "gateway": "fe80::2" }],
                "services": second,
            },
        ],
        "services": [first[0], second[0]],
    });
    assert_eq!(data(&desk), expected);
    let token =
        desk.ask_as(3, 0, "PUT", "/latest/api/token", &[("x-aws-ec2-metadata-token-ttl-seconds", "60")]);
    let fields = [("x-aws-ec2-metadata-token", token.text())];
    let answer = desk.ask_as(3, 0, "GET", "/openstack/latest/network_data.json", &fields);
    assert_eq!(answer.json(), expected);
    // Nobody's of another instance, nor of another project.
    let alone = desk.ask_as(2, 0, "GET", "/openstack/latest/network_data.json", &[]).json();
    assert_eq!(alone["links"].as_array().map(Vec::len), Some(1));
    assert_eq!(alone["links"][0]["ethernet_mac_address"], "fa:16:3e:00:00:03");
}

/// A prefix that is being given up is no reason to prefer it, nor one without an address of ours to name it.
#[test]
fn subnets_that_are_given_up_come_last_and_those_of_others_not_at_all() {
    let source = r#"[networks.green]
router = { mac_address = "fa:16:3e:ff:00:03", lifetime = 0 }
subnets = [
    { cidr = "2001:db8:31::/64", ipv6_ra_mode = "slaac", ipv6_address_mode = "slaac", deprecated = true },
    { cidr = "2001:db8:32::/64" },
    { cidr = "2001:db8:33::/64", ipv6_ra_mode = "dhcpv6-stateless", ipv6_address_mode = "dhcpv6-stateless" },
]
[[ports]]
mac_address = "fa:16:3e:00:00:01"
network = "green"
device_id = "x"
"#;
    let data = data(&Desk::new(source));
    let told: Vec<_> = data["networks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|network| (network["type"].as_str(), network["ip_address"].as_str(), network["routes"].clone()))
        .collect();
    let none = json!([]);
    let expected = [
        (Some("ipv6_dhcpv6-stateless"), Some("2001:db8:33:0:f816:3eff:fe00:1"), none.clone()),
        (Some("ipv6_slaac"), Some("2001:db8:31:0:f816:3eff:fe00:1"), none),
    ];
    assert_eq!(told, expected, "and no default route: the router is none");
    assert_eq!(data["services"], json!([]));
    assert_eq!(data["links"][0]["id"], "interface0");
}
