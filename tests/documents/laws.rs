//! What holds of every request.

use http::{Method, Request};
use proptest::prelude::*;

use crate::desk::{Desk, NOW};

const PORT: &str = r#"[[ports]]
mac_address = "fa:16:3e:00:00:01"
network = "blue"
id = "cd9f6d46"
device_id = "one"
project_id = "p"
hostname = "h.example"
delegated_prefixes = ["2001:db8:face::/56"]
[ports.metadata]
availability_zone = "az"
public_keys = { a = "ssh", "b c=d" = "ssh" }
user_data = "x"
ec2 = { tags = { instance = { Name = "web" } }, empty = {}, list = [] }
"#;

/// A crawler that follows every list finds something behind every name in it.
#[test]
fn every_name_in_a_list_leads_somewhere() {
    let desk = Desk::new(PORT);
    let mut found = 0;
    let mut folders: Vec<String> = ["/", "/openstack/"].map(str::to_owned).into();
    while let Some(folder) = folders.pop() {
        let versions = matches!(folder.as_str(), "/" | "/openstack/");
        for name in desk.get(&folder).lines() {
            found += 1;
            if versions {
                folders.push(format!("{folder}{name}/"));
            } else if name.ends_with('/') {
                folders.push(format!("{folder}{name}"));
            } else if let (true, Some((number, _))) = (folder.ends_with("public-keys/"), name.split_once('='))
            {
                folders.push(format!("{folder}{number}/"));
            } else {
                desk.get(&format!("{folder}{name}"));
            }
        }
    }
    assert!(found > 200, "{found}");
}

fn path() -> impl Strategy<Value = String> {
    let names = [
        "openstack",
        "ec2",
        "latest",
        "2009-04-04",
        "2020-10-14",
        "meta-data",
        "meta_data.json",
        "user-data",
        "content",
        "0000",
        "public-keys",
        "0",
        "network",
        "interfaces",
        "macs",
        "fa:16:3e:00:00:01",
        "dynamic",
        "api",
        "token",
        "..",
        ".",
        "",
        "%2e",
        "%2F",
        "%00",
        "%",
        "%e4",
        "~",
    ];
    let segment = prop_oneof![9 => proptest::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => "[!-~&&[^/?#\\\\^`{|}\"<>]]{0,8}"];
    proptest::collection::vec(segment, 0..8).prop_map(|segments| format!("/{}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_request_has_an_answer_of_the_length_that_it_tells(
        path in path(),
        method in proptest::sample::select(vec!["GET", "HEAD", "PUT", "POST"]),
        seconds in proptest::option::of("[0-9]{1,6}"),
        token in proptest::option::of("[A-Za-z0-9_-]{0,60}"),
        port in 0..2_usize,
    ) {
        static DESK: std::sync::LazyLock<Desk> = std::sync::LazyLock::new(|| Desk::new(&format!(
            "{PORT}[[ports]]\nmac_address = \"fa:16:3e:00:00:02\"\nnetwork = \"blue\"\n"
        )));
        prop_assume!(Request::builder().method(Method::GET).uri(&path).body(()).is_ok());
        let fields: Vec<(&str, &str)> = [
            ("x-aws-ec2-metadata-token-ttl-seconds", &seconds),
            ("x-aws-ec2-metadata-token", &token),
        ].into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        let answer = DESK.ask_as(port, NOW, method, &path, &fields);
        prop_assert!([200, 400, 401, 404, 405].contains(&answer.status()), "{answer:?}");
        prop_assert!(port == 0 || answer.status() != 200, "a port without an instance");
        prop_assert!(token.is_none() || method == "PUT" || answer.status() != 200, "no token is guessed");
        let length = answer.field("content-length").and_then(|length| length.parse::<usize>().ok());
        if method == "HEAD" {
            prop_assert_eq!(answer.octets(), b"");
        } else {
            prop_assert_eq!(length, Some(answer.octets().len()));
        }
        prop_assert!(answer.field("content-type").is_some());
    }
}
