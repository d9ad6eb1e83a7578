//! What guests do: workloads and the steps that they are made of.

use serde::Serialize;

/// What every guest does in one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Router Solicitation → Router Advertisement
    Rs,
    /// Neighbor Solicitation for the router → Neighbor Advertisement
    Ns,
    /// Solicit → Advertise
    Solicit,
    /// Solicit, Advertise, Request, Reply: an address
    Exchange,
    /// Solicit with Rapid Commit → Reply
    RapidCommit,
    /// Information-request → Reply
    Inform,
    /// Solicit, Advertise, Request, Reply: a delegated prefix
    Pd,
    /// Solicit, Advertise, Request, Reply through a relay that tells the guest's MAC (RFC 6939)
    Relay,
    /// What a booting host does: DAD, RS, four messages or Information-request as the RA says, DAD, NS
    Boot,
}

/// One message of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Neighbor Solicitation for its own link-local address, to which silence is the answer (RFC 4862 §5.4).
    ClaimLinkLocal,
    RouterSolicitation,
    Solicit,
    Request,
    InformationRequest,
    /// Neighbor Solicitation for the leased address.
    ClaimAddress,
    /// Neighbor Solicitation for the router.
    NeighborSolicitation,
}

/// What a router says about DHCPv6 (RFC 4861 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flags {
    Managed,
    Other,
    Neither,
}

impl Workload {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::Rs,
        Self::Ns,
        Self::Solicit,
        Self::Exchange,
        Self::RapidCommit,
        Self::Inform,
        Self::Pd,
        Self::Relay,
        Self::Boot,
    ];

    /// Its name on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs => "rs",
            Self::Ns => "ns",
            Self::Solicit => "solicit",
            Self::Exchange => "exchange",
            Self::RapidCommit => "rapid-commit",
            Self::Inform => "inform",
            Self::Pd => "pd",
            Self::Relay => "relay",
            Self::Boot => "boot",
        }
    }

    pub(super) fn first(self) -> Step {
        match self {
            Self::Rs => Step::RouterSolicitation,
            Self::Ns => Step::NeighborSolicitation,
            Self::Inform => Step::InformationRequest,
            Self::Boot => Step::ClaimLinkLocal,
            Self::Solicit | Self::Exchange | Self::RapidCommit | Self::Pd | Self::Relay => Step::Solicit,
        }
    }

    /// The step after `step`; `flags` are those of the router, once it was heard. `None` when the exchange is complete.
    pub(super) fn after(self, step: Step, flags: Flags) -> Option<Step> {
        match (self, step) {
            (Self::Boot, Step::ClaimLinkLocal) => Some(Step::RouterSolicitation),
            (Self::Boot, Step::RouterSolicitation) => Some(match flags {
                Flags::Managed => Step::Solicit,
                Flags::Other => Step::InformationRequest,
                Flags::Neither => Step::NeighborSolicitation,
            }),
            (Self::Boot, Step::Request) => Some(Step::ClaimAddress),
            (Self::Boot, Step::InformationRequest | Step::ClaimAddress) => Some(Step::NeighborSolicitation),
            (Self::Boot | Self::Exchange | Self::Pd | Self::Relay, Step::Solicit) => Some(Step::Request),
            _ => None,
        }
    }

    pub(super) fn wants_prefix(self) -> bool {
        self == Self::Pd
    }

    pub(super) fn wants_address(self) -> bool {
        matches!(self, Self::Solicit | Self::Exchange | Self::RapidCommit | Self::Relay | Self::Boot)
    }

    /// True when it needs to know the router before it begins.
    pub(super) fn needs_router(self) -> bool {
        self == Self::Ns
    }
}

impl Step {
    /// Its name in a report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClaimLinkLocal | Self::ClaimAddress => "duplicate-address-detection",
            Self::RouterSolicitation => "router-solicitation",
            Self::Solicit => "solicit",
            Self::Request => "request",
            Self::InformationRequest => "information-request",
            Self::NeighborSolicitation => "neighbor-solicitation",
        }
    }

    /// False for messages that are answered by silence.
    pub(super) fn awaits(self) -> bool {
        !matches!(self, Self::ClaimLinkLocal | Self::ClaimAddress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(workload: Workload, flags: Flags) -> Vec<Step> {
        std::iter::successors(Some(workload.first()), |step| workload.after(*step, flags)).collect()
    }

    #[test]
    fn a_booting_guest_does_what_the_router_says() {
        use Step::{
            ClaimAddress, ClaimLinkLocal, InformationRequest, NeighborSolicitation, Request,
            RouterSolicitation, Solicit,
        };
        let boot = |flags| steps(Workload::Boot, flags);
        assert_eq!(
            boot(Flags::Managed),
            [ClaimLinkLocal, RouterSolicitation, Solicit, Request, ClaimAddress, NeighborSolicitation]
        );
        assert_eq!(
            boot(Flags::Other),
            [ClaimLinkLocal, RouterSolicitation, InformationRequest, NeighborSolicitation]
        );
        assert_eq!(boot(Flags::Neither), [ClaimLinkLocal, RouterSolicitation, NeighborSolicitation]);
    }

    #[test]
    fn other_workloads_have_one_or_two_messages() {
        for workload in Workload::ALL {
            let count = steps(workload, Flags::Managed).len();
            let expected = match workload {
                Workload::Exchange | Workload::Pd | Workload::Relay => 2,
                Workload::Boot => 6,
                _ => 1,
            };
            assert_eq!(count, expected, "{workload:?}");
        }
    }
}
