//! Connections that live on, end, or break off, as HTTP says.

use std::io::{Read as _, Write as _};

use crate::house::{House, PATIENCE, connect, get, instance, port, say, status};
use crate::nova::{Nova, Place, SECRET};
use crate::support::netns::{alone, wait_until};

const ASK: &str = "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n\r\n";

/// One answer of known length from a connection that stays open.
fn answer(stream: &mut std::net::TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut one = [0];
        stream.read_exact(&mut one).expect("an answer");
        text.push(char::from(one[0]));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            if body.len() == length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return text;
            }
        }
    }
}

#[test]
fn http_039_http_040_http_042_a_connection_persists_until_somebody_says_close() {
    alone("persistence::http_039_http_040_http_042_a_connection_persists_until_somebody_says_close", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let guest = house.guest(1);
        let mut stream = connect(&guest);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        for _ in 0..3 {
            stream.write_all(ASK.as_bytes()).expect("sent");
            assert!(answer(&mut stream).ends_with(&instance(1)));
            // A body that nobody wants is read past.
            stream
                .write_all(b"PUT /latest/user-data HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /")
                .expect("sent");
            assert_eq!(status(&answer(&mut stream)), 405);
        }
        assert_eq!(house.count("metadata-connections"), 1);
        stream.write_all(ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).expect("sent");
        let mut last = String::new();
        stream.read_to_string(&mut last).expect("an answer and the end");
        assert!(last.to_lowercase().contains("connection: close\r\n"), "{last}");
        // HTTP/1.0 ends after one, and has no codings: its length is told or it is the end (HTTP-037).
        let old = say(&guest, b"GET /latest/meta-data/instance-id HTTP/1.0\r\n\r\n");
        assert!(old.ends_with(&instance(1)) && !old.to_lowercase().contains("transfer-encoding"), "{old}");
    });
}

/// What the guest still sends when it is refused must not turn into a reset that eats the refusal.
#[test]
fn http_043_a_refusal_arrives_however_much_is_still_being_sent() {
    alone("persistence::http_043_a_refusal_arrives_however_much_is_still_being_sent", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let guest = house.guest(1);
        for _ in 0..10 {
            let mut stream = connect(&guest);
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let body = vec![b'a'; 100_000];
            write!(stream, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len())
                .expect("sent");
            let mut reader = stream.try_clone().expect("another end");
            let writer = std::thread::spawn(move || stream.write_all(&body).is_ok());
            let mut heard = String::new();
            reader.read_to_string(&mut heard).expect("the answer and the end, no reset");
            assert_eq!(status(&heard), 413);
            writer.join().expect("no panic");
        }
    });
}

#[test]
fn http_013_http_014_http_047_an_upstream_gets_whole_requests_and_each_of_them() {
    alone("persistence::http_013_http_014_http_047_an_upstream_gets_whole_requests_and_each_of_them", || {
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 2);
        house.file("secret", SECRET);
        let configuration = format!(
            "[metadata]\nupstream = \"nova\"\n[metadata.upstreams.nova]\nkind = \"nova\"\nshared_secret_file = \"secret\"\nendpoints = [{:?}]\n",
            nova.url("http")
        );
        house.start(&[1, 2].map(|n| port(n, "blue", "")), &configuration);
        let guests = [house.guest(1), house.guest(2)];
        // The same path, again and again: each time it is Nova who answers, to each guest with its own.
        for _ in 0..3 {
            for (number, guest) in (1..).zip(&guests) {
                assert!(get(guest, "/openstack/latest/meta_data.json", "").1.contains(&instance(number)));
            }
        }
        assert_eq!(nova.seen().len(), 6);
        let [guest, _] = &guests;
        let answer = say(guest, b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(status(&answer) == 200 && answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(nova.seen().len(), 1);
        let mut stream = connect(guest);
        stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").expect("sent");
        drop(stream);
        wait_until("it is over", PATIENCE, || house.count("metadata-connections-now") == 0);
        assert_eq!(get(guest, "/small", "").0, 200);
        let seen = nova.seen();
        assert_eq!(seen.len(), 1, "a body that breaks off is no request: {seen:?}");
        assert_eq!(seen[0].all("via"), [""; 0], "HTTP-033");
    });
}
