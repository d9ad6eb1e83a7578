//! What became of a frame: one answer kind or one drop reason, each with the name that counters and logs print.

/// What is done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first `length` octets of the out buffer are the answer, to be sent on the device that the frame came from.
    Answer {
        /// What kind of answer it is.
        kind: AnswerKind,
        /// Octets of the whole Ethernet frame.
        length: usize,
    },
    /// TCP to a metadata service of the guest's network: a segment for the guest's own stack
    /// ([`Stacks`](crate::metadata::stacks::Stacks)).
    Metadata,
    /// Not for us; nobody was asked.
    Pass,
    /// For us or nearly so, and refused.
    Drop(Reason),
}

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $doc:literal] $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $(#[doc = $doc] $variant,)* }

        impl $name {
            /// Every variant in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that counters, logs and `replay` print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// One sentence about it, with the standard's section where there is one.
            #[must_use]
            pub const fn remark(self) -> &'static str {
                match self { $(Self::$variant => $doc.trim_ascii(),)* }
            }
        }
    };
}

named! {
    /// The kinds of answers.
    AnswerKind {
        /// RS → RA (RFC 4861 §6.2.6).
        RouterAdvertisement = "router-advertisement",
        /// NS → NA (RFC 4861 §7.2.4).
        NeighborAdvertisement = "neighbor-advertisement",
        /// Echo request → echo reply (RFC 4443 §4.2).
        EchoReply = "echo-reply",
        /// Solicit → Advertise (RFC 9915 §18.3.1).
        Advertise = "dhcpv6-advertise",
        /// Solicit with Rapid Commit → Reply (RFC 9915 §18.3.1).
        ReplyToSolicit = "dhcpv6-reply-to-solicit",
        /// Request → Reply (RFC 9915 §18.3.2).
        ReplyToRequest = "dhcpv6-reply-to-request",
        /// Confirm → Reply (RFC 9915 §18.3.3).
        ReplyToConfirm = "dhcpv6-reply-to-confirm",
        /// Renew → Reply (RFC 9915 §18.3.4).
        ReplyToRenew = "dhcpv6-reply-to-renew",
        /// Rebind → Reply (RFC 9915 §18.3.5).
        ReplyToRebind = "dhcpv6-reply-to-rebind",
        /// Release → Reply (RFC 9915 §18.3.7).
        ReplyToRelease = "dhcpv6-reply-to-release",
        /// Decline → Reply (RFC 9915 §18.3.8).
        ReplyToDecline = "dhcpv6-reply-to-decline",
        /// Information-request → Reply (RFC 9915 §18.3.6).
        ReplyToInformationRequest = "dhcpv6-reply-to-information-request",
        /// ADDR-REG-INFORM → ADDR-REG-REPLY (RFC 9686 §4.3).
        AddressRegistrationReply = "dhcpv6-address-registration-reply",
        /// TCP to a service address, to a port that nothing listens on → reset (RFC 9293 §3.10.7.1).
        TcpReset = "tcp-reset",
    }
}

named! {
    /// Why a frame of our protocols is not answered.
    Reason {
        /// Shorter than the headers it claims, or cut off by the capture.
        Truncated = "truncated",
        /// Longer than any frame that is answered.
        Oversized = "oversized",
        /// IPv6 version, payload length or addresses that cannot be (RFC 8200 §3).
        BadIpv6 = "bad-ipv6-header",
        /// The source MAC is a group or zero.
        BadSourceMac = "bad-source-mac",
        /// An extension header chain that is too long, broken or out of order.
        BadExtensionHeader = "bad-extension-header",
        /// A Neighbor Discovery message with a Fragment header (RFC 6980 §5), or a real fragment.
        Fragment = "fragment",
        /// The ICMPv6 or UDP checksum does not match.
        BadChecksum = "bad-checksum",
        /// UDP length that does not match the packet.
        BadUdp = "bad-udp",
        /// A TCP header that is longer than its segment or shorter than one can be.
        BadTcp = "bad-tcp",
        /// More than one VLAN tag.
        StackedVlan = "stacked-vlan",
        /// A service VLAN tag: of a network that we are not on.
        ForeignTag = "foreign-tag",
        /// No port has this MAC on this VLAN.
        UnknownMac = "unknown-mac",
        /// The port is pinned to another device, or this one is of relays and leads to others' guests.
        WrongDevice = "wrong-device",
        /// An IPv6 source that this guest may not use for this message.
        BadSource = "bad-source-address",
        /// An IPv6 destination that this message must not have.
        BadDestination = "bad-destination-address",
        /// An ICMPv6 code that its type does not have.
        BadIcmp = "bad-icmpv6",
        /// A hop limit other than 255 (RFC 4861 §6.1.1, §7.1.1).
        BadHopLimit = "bad-hop-limit",
        /// An ND message that RFC 4861 §6.1.1 or §7.1.1 says to discard.
        BadNd = "bad-neighbor-discovery",
        /// A link-layer address option that is not the frame's source MAC.
        SpoofedLinkLayer = "spoofed-link-layer-address",
        /// RS on a network that somebody else advertises.
        NotAdvertising = "not-advertising",
        /// NS or echo for an address that is not ours.
        NotOurAddress = "not-our-address",
        /// A message that only routers send, from a guest (RFC 6105).
        RogueRouter = "rogue-router-message",
        /// A message that only DHCPv6 servers send, from a guest.
        RogueServer = "rogue-server-message",
        /// Echo data longer than is answered.
        EchoTooLong = "echo-too-long",
        /// DHCPv6 on a network whose addresses are somebody else's business.
        DhcpNotServed = "dhcpv6-not-served",
        /// A DHCPv6 message whose options do not parse, or an illegal length of one that matters.
        BadDhcp = "malformed-dhcpv6",
        /// A DHCPv6 message type that no server answers.
        UnknownType = "unknown-dhcpv6-type",
        /// A client message to a unicast address (RFC 9915 §16).
        UnicastDestination = "dhcpv6-to-unicast",
        /// No Client Identifier where one is required, or one of an illegal length.
        BadClientId = "bad-client-id",
        /// A Server Identifier where there must be none, or none where there must be one.
        BadServerId = "bad-server-id",
        /// For another server.
        OtherServer = "other-server",
        /// An identity association where there must be none (RFC 9915 §16.12).
        UnexpectedIa = "unexpected-ia",
        /// Confirm without an address, Rebind with nothing to say (RFC 9915 §18.3.3, §18.3.5).
        NothingToSay = "nothing-to-say",
        /// More identity associations than are answered in one message.
        TooManyIas = "too-many-ias",
        /// A relayed message from a port that is no relay.
        NotARelay = "not-a-relay",
        /// A Relay-forward that does not parse, or carries no message (RFC 9915 §9.1).
        BadRelay = "malformed-relay-forward",
        /// More relay levels than a lawful chain has (RFC 9915 §7.6).
        RelayTooDeep = "relay-too-deep",
        /// No link-address, or one of no network in the table (RFC 9915 §13.1).
        RelayUnknownLink = "relay-unknown-link",
        /// The relays do not say who the client is in any way that the operator trusts.
        RelayUnidentified = "relay-client-unidentified",
        /// An address registration that RFC 9686 §4.2.1 says to discard.
        BadRegistration = "bad-address-registration",
        /// The answer would not fit the network's MTU.
        AnswerTooLong = "answer-too-long",
        /// The port sent a frame that made us fail, and is silent since.
        Quarantined = "quarantined",
    }
}
