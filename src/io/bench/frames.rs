//! The templates of a run: one for each step, and for Requests one for each server.

use std::net::Ipv6Addr;

use super::guests::{Guests, transaction_id};
use super::template::{Fill, Path, Template};
use super::workload::Step;

#[derive(Debug)]
pub(super) struct Frames {
    path: Path,
    /// Octets of a guest's DUID: the same for all.
    duid: usize,
    fixed: Vec<(Step, Template)>,
    requests: Vec<Template>,
    resolve: Option<(Ipv6Addr, Template)>,
}

/// Steps whose frame depends on nothing that is learned.
const FIXED: [Step; 5] = [
    Step::ClaimLinkLocal,
    Step::RouterSolicitation,
    Step::Solicit,
    Step::InformationRequest,
    Step::ClaimAddress,
];

impl Frames {
    pub(super) fn new(path: Path, guests: &Guests) -> Self {
        let duid = guests.crowd.duid(0).as_slice().len();
        let none = Ipv6Addr::UNSPECIFIED;
        let template = |step| Some((step, Template::new(guests.workload, step, path, duid, &[], none)?));
        let fixed = FIXED.into_iter().filter_map(template).collect();
        Self { path, duid, fixed, requests: Vec::new(), resolve: None }
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }

    /// Writes what a guest says in a step; its length, or `None` when there is nothing to be said, as to a router that
    /// nobody knows.
    pub(super) fn write(
        &mut self,
        guests: &Guests,
        guest: u32,
        step: Step,
        now: u64,
        out: &mut [u8],
    ) -> Option<usize> {
        let state = guests.state(guest)?;
        let (crowd, duid) = (&guests.crowd, guests.crowd.duid(guest));
        let hundredths = now.saturating_sub(state.asked) / 10_000_000;
        let fill = Fill {
            mac: crowd.mac(guest),
            link_local: crowd.link_local(guest),
            xid: transaction_id(guest, state.message),
            duid: duid.as_slice(),
            iaid: crowd.iaid(guest),
            address: state.address,
            prefix: state.prefix,
            elapsed: u16::try_from(hundredths).unwrap_or(u16::MAX),
        };
        match step {
            Step::Request => self.request(guests, state.server)?,
            Step::NeighborSolicitation => self.resolve(guests)?,
            _ => self.fixed.iter().find(|(known, _)| *known == step).map(|(_, template)| template)?,
        }
        .write(&fill, out)
    }

    fn request(&mut self, guests: &Guests, server: u8) -> Option<&Template> {
        while self.requests.len() <= usize::from(server) {
            let next = u8::try_from(self.requests.len()).ok()?;
            let (workload, none) = (guests.workload, Ipv6Addr::UNSPECIFIED);
            let server = guests.server(next)?;
            let template = Template::new(workload, Step::Request, self.path, self.duid, server, none)?;
            self.requests.push(template);
        }
        self.requests.get(usize::from(server))
    }

    fn resolve(&mut self, guests: &Guests) -> Option<&Template> {
        let router = guests.router?;
        if self.resolve.as_ref().is_none_or(|(known, _)| *known != router) {
            let step = Step::NeighborSolicitation;
            let template = Template::new(guests.workload, step, self.path, self.duid, &[], router)?;
            self.resolve = Some((router, template));
        }
        self.resolve.as_ref().map(|(_, template)| template)
    }
}
