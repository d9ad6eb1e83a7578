//! A guest's connection as hyper reads and writes it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::desk::Desk;
use crate::metadata::stacks::{ConnectionId, Gone};

/// Octets taken from a stack at once: all that its receive buffer holds.
const PIECE: usize = 1280;

/// One end of a connection; given up when it is dropped.
pub(super) struct Stream {
    desk: Rc<Desk>,
    id: ConnectionId,
}

impl Stream {
    pub(super) fn new(desk: Rc<Desk>, id: ConnectionId) -> Self {
        Self { desk, id }
    }
}

fn gone(error: Gone) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let room = piece.len().min(buffer.remaining());
        let count = self.desk.stacks.borrow_mut().poll_read(self.id, context, &mut piece[..room]);
        count.map_ok(|count| buffer.put_slice(&piece[..count])).map_err(gone)
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.desk.stacks.borrow_mut().poll_write(self.id, context, octets).map_err(gone)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut stacks = self.desk.stacks.borrow_mut();
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
        self.desk.stacks.borrow_mut().finish(self.id);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A panic elsewhere may have left the stacks borrowed: then they are done with anyway.
        if let Ok(mut stacks) = self.desk.stacks.try_borrow_mut() {
            stacks.release(self.id, self.desk.clock.now());
        }
    }
}
