//! Servers that do with a request what a test says, octet for octet.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of a request.
pub(crate) enum Act {
    /// These octets are sent.
    Say(String),
    /// These are sent, and the connection is closed.
    Last(String),
    /// The connection is closed.
    Close,
    /// Nothing, until the other end closes.
    Hang,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// On which connection, counted from 1.
    pub(crate) connection: usize,
    /// Which one on it, counted from 1.
    pub(crate) number: usize,
    /// Head and body.
    pub(crate) text: String,
}

/// A running server. It ends with the test's process.
pub(crate) struct Server {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Server {
    /// Starts a server that does what `script` says.
    pub(crate) fn start(script: impl Fn(&Heard) -> Act + Send + Sync + 'static) -> Self {
        let (listener, url) = listener();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (script, memory) = (Arc::new(script), Arc::clone(&heard));
        std::thread::spawn(move || {
            for (at, stream) in listener.incoming().enumerate() {
                let (script, memory) = (Arc::clone(&script), Arc::clone(&memory));
                let stream = stream.expect("a connection");
                std::thread::spawn(move || serve(&stream, at + 1, &*script, &memory));
            }
        });
        Self { url, heard }
    }

    /// What came since the last call.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().expect("no panic"))
    }
}

/// A socket that listens, and its URL.
pub(crate) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("[::1]:0").expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

fn serve(
    mut stream: &TcpStream,
    connection: usize,
    script: &dyn Fn(&Heard) -> Act,
    memory: &Mutex<Vec<Heard>>,
) {
    let mut reader = BufReader::new(stream);
    let mut number = 0;
    while let Some(text) = request(&mut reader) {
        number += 1;
        let heard = Heard { connection, number, text };
        memory.lock().expect("no panic").push(heard.clone());
        match script(&heard) {
            // Whoever has heard enough is gone by then.
            Act::Say(octets) => drop(stream.write_all(octets.as_bytes())),
            Act::Last(octets) => return drop(stream.write_all(octets.as_bytes())),
            Act::Close => return,
            Act::Hang => {}
        }
    }
}

/// The next request of a connection; `None` at its end.
fn request(reader: &mut impl BufRead) -> Option<String> {
    let mut text = head(reader)?;
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |digits| digits.parse().expect("a number"))];
    reader.read_exact(&mut body).ok()?;
    text.push_str(std::str::from_utf8(&body).expect("text"));
    Some(text)
}

/// The head of a request, to the empty line; `None` at the end of the connection.
pub(crate) fn head(reader: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if reader.read_line(&mut text).ok()? == 0 {
            return None;
        }
    }
    Some(text)
}

/// 200 with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
