//! What a port says of its instance: what is checked of it, where a fault is, and what is kept.

mod lease_support;

use lease_support::{HEAD, port_error, problems, table};

const PORT: &str = "[[ports]]\nmac_address = \"fa:16:3e:00:01:01\"\nnetwork = \"a\"\n";

/// An error of one member of a port's metadata.
#[track_caller]
fn member_error(line: &str, [member, what, value, remedy]: [&str; 4]) {
    let field = format!("ports[0].metadata.{member}");
    port_error(&format!("{PORT}[ports.metadata]\n{line} # <-"), [&field, what, value, remedy]);
}

fn kept(lines: &str) -> String {
    let table = table(&format!("{}{PORT}{lines}\n", lease_support::NETWORKS));
    let metadata = table.ports().next().expect("a port").metadata();
    String::from_utf8(metadata.to_vec()).expect("UTF-8")
}

#[test]
fn what_a_port_says_is_kept_as_it_is_written() {
    for (lines, json) in [
        ("", ""),
        ("device_id = \"\"", r#"{"device_id":""}"#),
        (
            "hostname = \"h.example\"\nproject_id = \"p\"\ndevice_id = \"d\"\nid = \"i\"",
            r#"{"id":"i","device_id":"d","project_id":"p","hostname":"h.example"}"#,
        ),
        (
            "metadata = { b = [1, 2.5, -3], a = { x = true }, day = 2020-01-02, text = \"\\u0000\\\"\\\\é\" }",
            r#"{"metadata":{"a":{"x":true},"b":[1,2.5,-3],"day":"2020-01-02","text":"\u0000\"\\é"}}"#,
        ),
    ] {
        assert_eq!(kept(lines), json);
    }
}

#[test]
fn members_that_mean_something_are_what_they_must_be() {
    for (line, member, is, value, wanted) in [
        ("availability_zone = 1", "availability_zone", "is an integer", "1", "a string"),
        ("name = []", "name", "is a list", "a list of 0", "a string"),
        ("user_data = 1", "user_data", "is an integer", "1", "a string"),
        ("meta = \"x\"", "meta", "is a string", "\"x\"", "a table"),
        ("ec2 = true", "ec2", "is a boolean", "true", "a table"),
        ("vendor_data = []", "vendor_data", "is a list", "a list of 0", "a table"),
        ("vendor_data2 = 1", "vendor_data2", "is an integer", "1", "a table"),
        ("devices = {}", "devices", "is a table", "a table of 0", "a list"),
        ("keys = \"x\"", "keys", "is a string", "\"x\"", "a list"),
        ("public_keys = \"x\"", "public_keys", "is a string", "\"x\"", "a table"),
        ("public_keys = { a = 1 }", "public_keys.a", "is an integer", "1", "a string"),
        ("files = {}", "files", "is a table", "a table of 0", "a list of tables"),
        ("dedicated_cpus = 1", "dedicated_cpus", "is an integer", "1", "a list of integers"),
        ("launch_index = \"1\"", "launch_index", "is a string", "\"1\"", "an integer"),
    ] {
        let (what, remedy) = (format!("{is}, not {wanted}"), format!("write {wanted}"));
        member_error(line, [member, &what, value, &remedy]);
    }
}

#[test]
fn base64_is_base64() {
    let remedy = "write it with the alphabet of RFC 4648 §4 and its padding, without line feeds";
    for text in ["AAA", "AA=A", "A A=", "_w==", "=", "QR=="] {
        let shown = format!("{text:?}");
        for member in ["user_data_base64", "random_seed"] {
            member_error(&format!("{member} = {shown}"), [member, "is no base64", &shown, remedy]);
        }
    }
    assert_eq!(kept("metadata.user_data_base64 = \"/+8=\""), r#"{"metadata":{"user_data_base64":"/+8="}}"#);
}

#[test]
fn fields_of_the_port_are_written_in_the_port() {
    for (member, field) in [("uuid", "device_id"), ("hostname", "hostname"), ("project_id", "project_id")] {
        let remedy = format!("write {field} in the port itself, and take it out here");
        member_error(&format!("{member} = \"x\""), [member, "is a field of the port", "\"x\"", &remedy]);
    }
}

#[test]
fn user_data_is_given_once_and_a_files_content_too() {
    member_error(
        "user_data = \"\"\nuser_data_base64 = \"\"",
        ["user_data_base64", "is given beside user_data", "\"\"", "keep one of the two"],
    );
    let remedy = "write content or content_base64, one of the two";
    for file in ["{ path = \"/x\" }", "{ path = \"/x\", content = \"\", content_base64 = \"\" }"] {
        let source = format!("{}{PORT}metadata.files = [{file}]\n", lease_support::NETWORKS);
        let found = problems("leases.toml", &source);
        let said: Vec<[&str; 3]> =
            found.iter().map(|p| [p.field.as_str(), p.what.as_str(), p.remedy.as_str()]).collect();
        assert_eq!(said, [["ports[0].metadata.files[0]", "has not one content", remedy]]);
    }
}

/// Names of keys stand in EC2's list of lines, where a line feed would make two of one.
#[test]
fn a_key_is_named_in_one_line() {
    let source =
        format!("{}{PORT}metadata.public_keys = {{ \"a\\n0=b\" = \"ssh\" }}\n", lease_support::NETWORKS);
    let found = problems("leases.toml", &source);
    let said: Vec<&str> = found.iter().map(|p| p.what.as_str()).collect();
    assert_eq!(said, ["has a control character in its name"]);
}

#[test]
fn all_faults_of_an_instance_are_found_at_once() {
    let lines = "[ports.metadata]\nuuid = 1\nfiles = [1, { content = \"\" }]\nname = 1\n";
    let found = problems("leases.toml", &format!("{}{PORT}{lines}", lease_support::NETWORKS));
    let fields: Vec<&str> = found.iter().map(|problem| problem.field.as_str()).collect();
    let expected = [
        "ports[0].metadata.uuid",
        "ports[0].metadata.files[0]",
        "ports[0].metadata.files[1].path",
        "ports[0].metadata.name",
    ];
    assert_eq!(fields, expected);
    let huge = "metadata = { n = 18446744073709551616 }\n";
    assert_eq!(problems("leases.toml", &format!("{}{PORT}{huge}", lease_support::NETWORKS)).len(), 1);
    assert!(problems("leases.toml", HEAD).is_empty());
}

/// Ports are of one instance when they name the same one; a port that names none is alone.
#[test]
fn the_ports_of_an_instance_are_found_in_the_order_of_the_source() {
    let port = |n: u8, lines: &str| {
        format!("[[ports]]\nmac_address = \"fa:16:3e:00:01:{n:02x}\"\nnetwork = \"a\"\n{lines}\n")
    };
    let source = [
        lease_support::NETWORKS.to_owned(),
        port(0, "device_id = \"one\""),
        port(1, "id = \"p\"\ndevice_id = \"two\\\"\""),
        port(2, "metadata = { device_id = \"one\" }"),
        port(3, "id = \"\\\",\\\"device_id\\\":\\\"one\\\"\"\ndevice_id = \"one\""),
        port(4, "device_id = \"\""),
        port(5, "device_id = \"\""),
        port(6, "device_id = \"two\\\"\"\nproject_id = \"p\""),
        port(7, "device_id = \"on\""),
    ];
    let table = table(&source.concat());
    let of = |n: usize| {
        let port = table.ports().nth(n).expect("a port");
        let found = table.ports_of_instance(port.id());
        found.iter().map(|port| port.mac().0[5]).collect::<Vec<u8>>()
    };
    let all: Vec<Vec<u8>> = (0..8).map(of).collect();
    assert_eq!(all, [vec![0, 3], vec![1, 6], vec![2], vec![0, 3], vec![4], vec![5], vec![1, 6], vec![7]]);
    assert!(table.ports_of_instance(frontdesk::lease::PortId(8)).is_empty());
}
