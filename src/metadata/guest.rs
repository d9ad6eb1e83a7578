//! Who asks: the port whose frames carried the request.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::sync::Arc;

use serde::Deserialize;

use crate::lease::{LeaseTable, Port, PortId};

/// The guest behind a connection, and the table that says what it is entitled to.
#[derive(Clone, Debug)]
pub struct Guest {
    table: Arc<LeaseTable>,
    port: PortId,
    source: Ipv6Addr,
}

/// What the lease source says of the instance behind a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Identity<'g> {
    /// Instance id, as it was written.
    #[serde(borrow)]
    pub device_id: Option<Cow<'g, str>>,
    /// Project id, as it was written.
    #[serde(borrow)]
    pub project_id: Option<Cow<'g, str>>,
    /// Fully qualified host name, as it was written.
    #[serde(borrow)]
    pub hostname: Option<Cow<'g, str>>,
}

impl Guest {
    /// The guest of a port, which spoke from `source`.
    #[must_use]
    pub fn new(table: Arc<LeaseTable>, port: PortId, source: Ipv6Addr) -> Self {
        Self { table, port, source }
    }

    /// Its port; `None` for a number that the table does not have.
    #[must_use]
    pub fn port(&self) -> Option<Port<'_>> {
        self.table.port(self.port)
    }

    /// The table that its port is in.
    #[must_use]
    pub fn table(&self) -> &LeaseTable {
        &self.table
    }

    /// The address that its end of the connection has. It names nobody: guests choose link-local addresses freely.
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        self.source
    }

    /// Instance and project, from the lease; empty where the lease does not say.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        let text = self.port().map_or(&[][..], |port| port.metadata());
        serde_json::from_slice(text).unwrap_or_default()
    }
}
