//! Which frames the kernel hands up to a tool that plays many guests: what routers and servers say to them, and what
//! their kernels ask before they say it.

use std::collections::BTreeSet;

use super::{
    DHCPV6_CLIENT, DHCPV6_SERVER, ETHERTYPE, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Filter, ICMPV6, MAX_ENDINGS,
    NEIGHBOR_SOLICITATION, NEXT_HEADER, ROUTER_ADVERTISEMENT, TAG, UDP, UPPER, WHOLE,
};
use crate::io::packet::bpf::Assembler;

const NEIGHBOR_ADVERTISEMENT: u32 = 136;

/// The first two octets of the MAC of every IPv6 group (RFC 2464 §7).
const GROUPS: u32 = 0x3333;

impl Filter {
    /// Passes Router Advertisements, Neighbor Solicitations and Advertisements, and datagrams to the DHCPv6 ports, to
    /// IPv6 groups and to MACs that begin with one of these four octets; with more of them than are compared, to every
    /// MAC. Servers send no extension headers.
    #[must_use]
    pub fn for_answers(heads: &BTreeSet<u32>) -> Self {
        let mut asm = Assembler::default();
        let (pass, drop, link) = (asm.label(), asm.label(), asm.label());
        asm.set_x(0);
        asm.load_half_at(0);
        asm.jump_if(GROUPS, link);
        asm.load_word_at(0);
        if heads.len() > MAX_ENDINGS {
            asm.jump(link);
        } else {
            heads.iter().for_each(|head| asm.jump_if(*head, link));
            asm.jump(drop);
        }

        let (tag, inside, network) = (asm.label(), asm.label(), asm.label());
        asm.place(link);
        asm.load_half_at(ETHERTYPE);
        asm.jump_if(ETHERTYPE_IPV6, network);
        asm.jump_if(ETHERTYPE_VLAN, tag);
        asm.jump(drop);
        asm.place(tag);
        asm.load_half_at(ETHERTYPE + TAG);
        asm.jump_if(ETHERTYPE_IPV6, inside);
        asm.jump(drop);
        asm.place(inside);
        asm.set_x(TAG);

        let (icmp, udp) = (asm.label(), asm.label());
        asm.place(network);
        asm.load_octet(NEXT_HEADER);
        asm.jump_if(ICMPV6, icmp);
        asm.jump_if(UDP, udp);
        asm.jump(drop);
        asm.place(icmp);
        asm.load_octet(UPPER);
        for passed in [ROUTER_ADVERTISEMENT, NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT] {
            asm.jump_if(passed, pass);
        }
        asm.jump(drop);
        asm.place(udp);
        asm.load_half(UPPER + 2);
        asm.jump_if(DHCPV6_CLIENT, pass);
        asm.jump_if(DHCPV6_SERVER, pass);
        asm.place(drop);
        asm.deliver(0);
        asm.place(pass);
        asm.deliver(WHOLE);
        Self { program: asm.finish() }
    }
}
