//! What the service manager is told (`sd_notify(3)`): ready, reloading, stopping. Silent when nobody asked for it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::io::clock;

/// The service manager's socket.
#[derive(Debug, Default)]
pub(super) struct Notifier(Option<UnixDatagram>);

impl Notifier {
    /// The socket that `NOTIFY_SOCKET` names, a path or `@` and an abstract name.
    pub(super) fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").and_then(|name| connect(&name.into_vec())))
    }

    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// As `Type=notify-reload` wants it: with the moment, and followed by [`ready`](Self::ready).
    pub(super) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::monotonic().0));
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, state: &str) {
        if let Some(Err(error)) = self.0.as_ref().map(|socket| socket.send(state.as_bytes())) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

fn connect(name: &[u8]) -> Option<UnixDatagram> {
    let address = match name.split_first()? {
        (b'@', name) => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    };
    let connected = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        Ok(socket)
    });
    connected.inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used")).ok()
}
