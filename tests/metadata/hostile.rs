//! Guests that lie, dawdle and grab: each is refused or cut off within its limits, and costs nobody else anything.

use std::io::{Read, Write};
use std::net::{SocketAddrV6, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::house::{House, PATIENCE, SERVICE, connect, get, instance, port, say, status};
use crate::nova::{Nova, Place, SECRET};
use crate::support::netns::{Guest, alone, wait_until};

/// What requests do that want two readers to see two different things: the octets, and the status that they get.
const SMUGGLED: [(&str, &str, u16); 17] = [
    (
        "both lengths",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
        411,
    ),
    (
        "both lengths, the other way round",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
        411,
    ),
    (
        "two lengths",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        400,
    ),
    ("a length of no number", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400),
    (
        "a length beyond all numbers",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        400,
    ),
    ("a coding of no end", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
    ("an unknown coding", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
    ("a coding in HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded field", "GET /small HTTP/1.1\r\nHost: x\r\nX-Fold: a\r\n b\r\n\r\n", 400),
    ("a space before the colon", "GET /small HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("two hosts", "GET /small HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("no host", "GET /small HTTP/1.1\r\n\r\n", 400),
    ("a bare CR", "GET /small HTTP/1.1\r\nHost: x\r\nX-A: a\rX-Instance-ID: b\r\n\r\n", 400),
    ("a NUL", "GET /small HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n", 400),
    ("no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
    ("a tunnel", "CONNECT nova:8775 HTTP/1.1\r\nHost: nova:8775\r\n\r\n", 405),
    ("an echo of what we add", "TRACE /small HTTP/1.1\r\nHost: x\r\n\r\n", 405),
];

fn proxy(house: &House, nova: &Nova, more: &str) -> String {
    house.file("secret", SECRET);
    format!(
        "[metadata]\nupstream = \"nova\"\n{more}\n[metadata.upstreams.nova]\nkind = \"nova\"\n\
         shared_secret_file = \"secret\"\nendpoints = [{:?}]\n",
        nova.url("http")
    )
}

#[test]
fn http_007_to_026_what_could_be_read_in_two_ways_is_refused_and_its_connection_closed() {
    alone(
        "hostile::http_007_to_026_what_could_be_read_in_two_ways_is_refused_and_its_connection_closed",
        || {
            let mut house = House::new();
            let nova = Nova::start(Place::Tcp, 1);
            let configuration = proxy(&house, &nova, "");
            house.start(&[port(1, "blue", "")], &configuration);
            let guest = house.guest(1);
            for (what, octets, code) in SMUGGLED {
                // Read to the end: it is closed, and nothing behind is answered.
                let answer = say(&guest, octets.as_bytes());
                assert_eq!(status(&answer), code, "{what}: {answer}");
                assert_eq!(answer.matches("HTTP/1.").count(), 1, "{what}: {answer}");
            }
            assert!(nova.seen().is_empty(), "none of it went on");
            // What RFC 9112 lets pass, §2.2 and §3.2.2, goes on in one clear form, and says nothing of who asks.
            for (what, octets) in [
                (
                    "line feeds alone",
                    "GET /small HTTP/1.1\nHost: x\nX-Instance-ID: evil\nConnection: close\n\n",
                ),
                (
                    "an absolute form",
                    "GET http://evil.example.com/small HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n",
                ),
                ("an empty line first", "\r\nGET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            ] {
                let answer = say(&guest, octets.as_bytes());
                assert_eq!(status(&answer), 200, "{what}: {answer}");
                let seen = nova.seen();
                let [seen] = &seen[..] else { panic!("{what}: {seen:?}") };
                assert_eq!(
                    (seen.target.as_str(), seen.all("x-instance-id")),
                    ("/small", vec![instance(1).as_str()])
                );
                assert!(seen.all("host")[0].starts_with("[::1]:"), "{what}: {seen:?}");
            }
            let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(20_000));
            let answer = say(&guest, long.as_bytes());
            assert!([414, 431].contains(&status(&answer)), "{answer}");
            let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(8000));
            assert_eq!(status(&say(&guest, line.as_bytes())), 404, "HTTP-022: a line of 8000 octets is read");
            let fields: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
            assert_eq!(
                status(&say(&guest, format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes())),
                431
            );
            let big = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n";
            assert_eq!(status(&say(&guest, big.as_bytes())), 413);
        },
    );
}

/// Pipelined requests are answered in their order, one at a time.
#[test]
fn http_041_pipelined_requests_are_answered_in_order() {
    alone("hostile::http_041_pipelined_requests_are_answered_in_order", || {
        let mut house = House::new();
        house.start(&[port(1, "blue", "")], "");
        let guest = house.guest(1);
        let paths = ["/latest/meta-data/instance-id", "/nothing", "/latest/meta-data/mac"];
        let requests: String =
            paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
        let answer = say(
            &guest,
            format!("{requests}HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        );
        let codes: Vec<u16> =
            answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().expect("a status")).collect();
        assert_eq!(codes, [200, 404, 200, 200], "{answer}");
        let of = |what: &str| answer.find(what).unwrap_or_else(|| panic!("{what}: {answer}"));
        assert!(of(&instance(1)) < of("fa:16:3e:00:00:01"));
    });
}

/// The time of `count` requests of a guest, sorted.
fn times(guest: &Guest, count: usize) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(get(guest, "/latest/meta-data/instance-id", "").0, 200);
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times
}

/// The 99th percentile of a guest's requests, quiet and during `attack`: twice the quiet one is allowed, and what a busy
/// machine adds by itself.
fn undisturbed(guest: &Guest, attack: impl FnOnce()) {
    const REQUESTS: usize = 100;
    const NOISE: Duration = Duration::from_millis(50);
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100];
    let quiet = p99(&times(guest, REQUESTS));
    attack();
    let busy = p99(&times(guest, REQUESTS));
    println!("p99 quiet {quiet:?}, beside a hostile guest {busy:?}");
    assert!(busy <= quiet * 2 + NOISE, "quiet {quiet:?}, then {busy:?}");
}

#[test]
fn a_guest_that_opens_ten_thousand_connections_gets_its_share() {
    alone("hostile::a_guest_that_opens_ten_thousand_connections_gets_its_share", || {
        let mut house = House::new();
        house.start(
            &[1, 2].map(|n| port(n, "blue", "")),
            "[metadata]\nconnections_per_guest = 16\nhead_timeout = 2\n",
        );
        let (greedy, other) = (house.guest(1), house.guest(2));
        let limit = frontdesk::io::descriptors::raise_limit();
        let many = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(200).min(10_000);
        let to = SocketAddrV6::new(SERVICE, 80, 0, greedy.nic.index);
        let mut sockets = Vec::new();
        undisturbed(&other, || {
            sockets = greedy
                .netns
                .run(move || {
                    let open = || {
                        let socket =
                            Socket::new(Domain::IPV6, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
                        // In progress: the answer, if there is one, is waited for by nobody.
                        let _ = socket.connect(&to.into());
                        Ok::<_, std::io::Error>(socket)
                    };
                    (0..many).map(|_| open().expect("a socket")).collect::<Vec<_>>()
                })
                .expect("the namespace");
        });
        wait_until("SYNs dropped", PATIENCE, || house.count("metadata-guest-full") > 0);
        assert!(house.count("metadata-connections-now") <= 17);
        drop(sockets);
        wait_until("all of them gone", PATIENCE, || house.count("metadata-connections-now") == 0);
        assert_eq!(get(&greedy, "/latest/meta-data/instance-id", "").0, 200, "and it is served again");
    });
}

/// HTTP-045: without a word.
#[test]
fn http_044_a_guest_that_trickles_is_cut_off() {
    alone("hostile::http_044_a_guest_that_trickles_is_cut_off", || {
        let mut house = House::new();
        house
            .start(&[1, 2].map(|n| port(n, "blue", "")), "[metadata]\nhead_timeout = 2\nstall_timeout = 2\n");
        let (slow, other) = (house.guest(1), house.guest(2));
        let mut streams: Vec<TcpStream> = (0..8).map(|_| connect(&slow)).collect();
        let idle = connect(&slow);
        undisturbed(&other, || {
            streams.iter_mut().for_each(|stream| stream.write_all(b"GET /la").expect("sent"));
        });
        // A body that never ends, too.
        let mut upload = connect(&slow);
        upload.write_all(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na").expect("sent");
        let start = Instant::now();
        let mut alive = streams.len();
        while alive > 0 {
            assert!(start.elapsed() < PATIENCE, "{alive} are still open");
            alive = 0;
            for stream in &mut streams {
                stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
                let open = stream.write_all(b"a").is_ok();
                let ended = matches!(stream.read(&mut [0; 512]), Ok(0)) || !open;
                alive += usize::from(!ended);
            }
        }
        for mut stream in [idle, upload] {
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest);
            assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
        }
        wait_until("all of them gone", PATIENCE, || house.count("metadata-connections-now") == 0);
    });
}

#[test]
fn a_guest_that_never_reads_is_cut_off() {
    alone("hostile::a_guest_that_never_reads_is_cut_off", || {
        let mut house = House::new();
        let nova = Nova::start(Place::Tcp, 1);
        let configuration = proxy(&house, &nova, "stall_timeout = 2\n").replace("upstream = \"nova\"\n", "");
        house.start(&[port(1, "proxied", ""), port(2, "blue", "")], &configuration);
        let (deaf, other) = (house.guest(1), house.guest(2));
        let mut streams: Vec<TcpStream> = Vec::new();
        undisturbed(&other, || {
            for _ in 0..16 {
                let mut stream = connect(&deaf);
                stream.write_all(b"GET /octets/67108864 HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
                streams.push(stream);
            }
        });
        wait_until("all cut off", PATIENCE, || house.count("metadata-stalled") == 16);
        wait_until("all of them gone", PATIENCE, || house.count("metadata-connections-now") == 0);
    });
}

/// A guest that asks too often is told so; the default leaves room for a crawl.
#[test]
fn http_044_requests_per_second_are_counted_for_each_guest() {
    alone("hostile::http_044_requests_per_second_are_counted_for_each_guest", || {
        let mut house = House::new();
        house.start(
            &[1, 2].map(|n| port(n, "blue", "")),
            "[metadata]\nrequests_per_second = 1\nrequest_burst = 5\n",
        );
        let (eager, other) = (house.guest(1), house.guest(2));
        let answers: Vec<String> = (0..6).map(|_| say(&eager, b"GET / HTTP/1.0\r\n\r\n")).collect();
        let codes: Vec<u16> = answers.iter().map(|answer| status(answer)).collect();
        assert_eq!(codes, [200, 200, 200, 200, 200, 429], "{answers:?}");
        assert!(answers[5].to_lowercase().contains("retry-after: "), "{answers:?}");
        assert_eq!(get(&other, "/latest/meta-data/instance-id", "").0, 200);
    });
}
