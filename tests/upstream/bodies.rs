//! Answers and bodies: passed as they are, piece by piece, and never taken for whole when they are not.

use std::convert::Infallible;
use std::io::{BufReader, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

use crate::house::{ask, guest, nova_at, run, told};
use crate::nova::octet;
use crate::server::{Act, Server, head, listener};

const SIZE: u64 = 64 << 20;

/// What the kernel's buffers on both sides of a connection and ours may hold together.
const ON_THE_WAY: u64 = 16 << 20;

#[test]
fn http_036_to_038_an_answers_framing_is_made_anew_or_refused() {
    let long = |octets: &str| format!("HTTP/1.1 {octets}");
    let cases = [
        ("GET", "200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nxyz", 200, Some("3"), "xyz"),
        ("HEAD", "200 OK\r\nContent-Length: 3\r\n\r\n", 200, Some("3"), ""),
        ("GET", "304 Not Modified\r\nContent-Length: 3\r\n\r\n", 304, Some("3"), ""),
        ("GET", "204 No Content\r\n\r\n", 204, None, ""),
        (
            "GET",
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n2\r\nyz\r\n0\r\nT: 1\r\n\r\n",
            200,
            None,
            "xyz",
        ),
        ("GET", "200 OK\r\n\r\nxyz", 200, None, "xyz"),
        ("GET", "403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, Some("2"), "no"),
        ("GET", "302 Found\r\nLocation: http://nova/\r\nContent-Length: 0\r\n\r\n", 302, Some("0"), ""),
        // What is no answer.
        ("GET", "200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxyz", 502, None, "none"),
        ("GET", "200 OK\r\nContent-Length: -3\r\n\r\nxyz", 502, None, "none"),
        ("GET", "200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz", 502, None, "none"),
        ("GET", "101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", 502, None, "none"),
        ("GET", "200 OK\r\nX A: b\r\n\r\n", 502, None, "none"),
        ("GET", "2xx OK\r\n\r\n", 502, None, "none"),
    ];
    for (method, said, status, length, body) in cases {
        run(async {
            let octets = long(said);
            let server = Server::start(move |_| Act::Last(octets.clone()));
            let nova = nova_at(&[&server.url], |_, _| {}).expect("good");
            let answer = ask(&nova, method, "/").await;
            let found =
                answer.headers().get("content-length").map(|value| value.to_str().expect("text").to_owned());
            assert_eq!(answer.status(), status, "{said:?}");
            assert_eq!(found.as_deref(), length, "{said:?}");
            for gone in ["transfer-encoding", "upgrade", "connection", "trailer"] {
                assert!(!answer.headers().contains_key(gone), "{said:?}: {gone}");
            }
            let text = told(answer).await.1;
            assert!(if status == 502 { text.contains(body) } else { text == body }, "{said:?}: {text:?}");
        });
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxyz",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nxyz",
    ] {
        run(async {
            let server = Server::start(|_| Act::Last(said.to_owned()));
            let nova = nova_at(&[&server.url], |_, _| {}).expect("good");
            let answer = ask(&nova, "GET", "/").await;
            assert_eq!(answer.status(), 200);
            assert!(answer.into_body().collect().await.is_err(), "{said:?}");
        });
    }
}

/// A body that is asked for piece by piece, and tells how much of it was.
struct Upload {
    left: u64,
    taken: Arc<AtomicU64>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.left.min(64 * 1024);
        if size == 0 {
            return Poll::Ready(None);
        }
        let piece: Vec<u8> = (0..size).map(|i| octet(self.left - i)).collect();
        self.left -= size;
        self.taken.fetch_add(size, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Waits until a count has stopped growing: nothing more is on its way.
async fn settled(count: &AtomicU64) -> u64 {
    let (mut before, mut quiet) = (0, 0);
    while quiet < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = count.load(Ordering::Relaxed);
        quiet = if now == before && now > 0 { quiet + 1 } else { 0 };
        before = now;
    }
    before
}

#[test]
fn a_large_upload_waits_for_its_reader() {
    run(async {
        let (listener, url) = listener();
        let (read_on, wait) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _ = wait.recv();
            let mut reader = BufReader::new(&stream);
            let head = head(&mut reader).expect("a request");
            assert!(head.contains(&format!("content-length: {SIZE}\r\n")), "{head}");
            let mut left = SIZE;
            let mut piece = vec![0; 1 << 16];
            while left > 0 {
                let count = reader.read(&mut piece).expect("octets");
                assert!(count > 0, "{left} octets are missing");
                left = compare(&piece[..count], left);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").expect("sent");
        });
        let nova = nova_at(&[url], |_, _| {}).expect("good");
        let taken = Arc::new(AtomicU64::new(0));
        let body = Upload { left: SIZE, taken: Arc::clone(&taken) };
        let request = Request::put("/").header("content-length", SIZE).body(body).expect("a request");
        let answer =
            tokio::task::spawn_local(async move { told(nova.forward(&guest(), request).await).await });
        let held = settled(&taken).await;
        assert!(held < ON_THE_WAY, "{held} octets are on their way to a server that does not read");
        read_on.send(()).expect("it waits");
        assert_eq!(answer.await.expect("no panic"), (http::StatusCode::OK, "done".into()));
        server.join().expect("no panic");
    });
}

#[test]
fn a_large_answer_waits_for_its_reader() {
    run(async {
        let (listener, url) = listener();
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            head(&mut BufReader::new(&stream)).expect("a request");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("sent");
            for at in (0..SIZE).step_by(1 << 16) {
                let piece: Vec<u8> = (at..at + (1 << 16)).map(|i| octet(SIZE - i)).collect();
                stream.write_all(&piece).expect("sent");
                count.fetch_add(1 << 16, Ordering::Relaxed);
            }
        });
        let nova = nova_at(&[url], |_, _| {}).expect("good");
        let answer = ask(&nova, "GET", "/").await;
        assert_eq!(answer.headers()["content-length"], SIZE.to_string());
        let held = settled(&sent).await;
        assert!(held < ON_THE_WAY, "{held} octets are on their way to a guest that does not read");
        let (mut body, mut left) = (answer.into_body(), SIZE);
        while let Some(frame) = body.frame().await {
            left = compare(&frame.expect("octets").into_data().expect("data"), left);
        }
        assert_eq!(left, 0);
        server.join().expect("no panic");
    });
}

/// How many octets are left behind these.
fn compare(found: &[u8], left: u64) -> u64 {
    found.iter().fold(left, |left, found| {
        assert_eq!(*found, octet(left), "octet {} of {SIZE}", SIZE - left);
        left - 1
    })
}
