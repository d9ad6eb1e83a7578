//! Frontdesk's part, as its packet and metadata threads do it, on one thread and without sockets.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use frontdesk::answer::Verdict;
use frontdesk::engine::{Checksum, Engine, RxFrame};
use frontdesk::lease;
use frontdesk::metadata::documents::{self, Tokens};
use frontdesk::metadata::request;
use frontdesk::metadata::stacks::{ConnectionId, Gone, Stacks};
use frontdesk::metadata::{Guest, Limits};
use frontdesk::types::{Instant, MacAddr, limits::MAX_FRAME};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::client::{GUEST, ROUTER};

/// Between two turns: what a frame's way through a host takes, about.
const TURN: Duration = Duration::from_micros(20);

type Shared = Rc<RefCell<Stacks>>;
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>>>>;

/// The engine, the guests' stacks and the one connection's task.
pub(super) struct Server {
    engine: Engine,
    stacks: Shared,
    connection: Option<Connection>,
    out: Vec<u8>,
    now: Instant,
    limits: Limits,
}

impl Server {
    pub(super) fn new() -> Self {
        let table = Arc::new(lease::load("generated", leases().into_bytes()).expect("valid leases").table);
        let mut engine = Engine::new(Arc::clone(&table), 1);
        engine.attach(1, "tap1", MacAddr([2, 0, 0, 0, 0, 1]), Instant(0));
        let limits = Limits { requests_per_second: 0, ..Limits::default() };
        let stacks = Rc::new(RefCell::new(Stacks::new(limits.clone(), table, 1)));
        Self { engine, stacks, connection: None, out: vec![0; MAX_FRAME], now: Instant(1), limits }
    }

    /// The time that it is here.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Takes frames in, has HTTP served, and writes the frames that go out.
    pub(super) fn turn(&mut self, frames: &[Vec<u8>]) {
        self.now = self.now.plus(TURN);
        for frame in frames {
            let (checksum, length) = (Checksum::Partial, frame.len());
            let received = RxFrame { device: 1, vlan: 0, checksum, length, octets: frame };
            let verdict = self.engine.frame(self.now, received, &mut self.out);
            assert!(matches!(verdict, Verdict::Metadata), "{verdict:?}");
            let segment = self.engine.segment().expect("its segment");
            self.stacks.borrow_mut().segment(&segment, self.now);
        }
        self.stacks.borrow_mut().timeout(self.now);
        // Opens the connection, takes what was acknowledged into account.
        self.stacks.borrow_mut().transmit(self.now);
        let opened = self.stacks.borrow_mut().opened();
        if let Some(id) = opened {
            self.connection = Some(serve(Rc::clone(&self.stacks), id, self.limits.clone(), self.now));
        }
        if let Some(connection) = &mut self.connection {
            let state = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(state.is_pending(), "the connection is kept");
        }
        self.stacks.borrow_mut().transmit(self.now);
    }

    /// Hands over what goes out.
    pub(super) fn hand_over(&mut self, mut to: impl FnMut(&[u8])) {
        let mut stacks = self.stacks.borrow_mut();
        loop {
            stacks.frames().iter().for_each(|(_, frame)| to(frame));
            stacks.frames().clear();
            if !stacks.transmit(self.now) {
                return;
            }
        }
    }
}

fn leases() -> String {
    let document = "x".repeat(super::DOCUMENT);
    format!(
        "version = 1\n[server]\ncloud = \"bench\"\n\
         [networks.one]\nmetadata = true\nrouter = {{ mac_address = \"{ROUTER}\" }}\n\
         subnets = [{{ cidr = \"2001:db8:1::/64\", ipv6_address_mode = \"slaac\", ipv6_ra_mode = \"slaac\" }}]\n\
         [[ports]]\nmac_address = \"{GUEST}\"\nnetwork = \"one\"\n\
         device_id = \"11111111-1111-1111-1111-111111111111\"\nproject_id = \"aaaa\"\n\
         metadata = {{ user_data = \"{document}\" }}\n"
    )
}

/// The task of a connection.
fn serve(stacks: Shared, id: ConnectionId, limits: Limits, now: Instant) -> Connection {
    let mut server = http1::Builder::new();
    server.max_headers(limits.head_fields).max_buf_size(limits.head_octets).half_close(true);
    let tokens = Rc::new(Tokens::new([7; 32]));
    let stream = Stream { stacks: Rc::clone(&stacks), id };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (stacks, tokens) = (Rc::clone(&stacks), Rc::clone(&tokens));
        let (head, _) = request.into_parts();
        request::check(&head, &limits).expect("a good request");
        stacks.borrow_mut().admit(id, now).expect("no limit");
        async move {
            let guest: Guest = stacks.borrow().guest(id).expect("a known guest");
            Ok::<_, Infallible>(documents::respond(&guest, &head, 1_800_000_000, &tokens).map(Full::new))
        }
    });
    Box::pin(server.serve_connection(stream, service))
}

/// The connection as hyper reads and writes it.
struct Stream {
    stacks: Shared,
    id: ConnectionId,
}

fn gone(error: Gone) -> io::Error {
    let error: Box<dyn Error + Send + Sync> = Box::new(error);
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; 1280];
        let room = piece.len().min(buffer.remaining());
        let count = self.stacks.borrow_mut().poll_read(self.id, context, &mut piece[..room]);
        count.map_ok(|count| buffer.put_slice(&piece[..count])).map_err(gone)
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.stacks.borrow_mut().poll_write(self.id, context, octets).map_err(gone)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut stacks = self.stacks.borrow_mut();
        let mut written = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match stacks.poll_write(self.id, context, part) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(gone(error))),
                Poll::Pending if written == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stacks.borrow_mut().finish(self.id);
        Poll::Ready(Ok(()))
    }
}
