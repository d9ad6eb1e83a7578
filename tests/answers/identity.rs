//! Who asks: MAC, VLAN and device of the frame, and nothing that the guest claims.

use frontdesk::answer::Reason;

use crate::world::{Guest, World, client_id, ia_na, option};

/// DEV-001.
#[test]
fn ip_001_an_unknown_mac_gets_silence() {
    let mut world = World::new();
    let stranger = Guest::new(0x99);
    assert_eq!(world.refuse(&stranger, &stranger.rs()), Reason::UnknownMac);
    // DHCP-057, DHCP-182: not even with the identifiers of a known guest.
    let known = Guest::new(1);
    let forged = [client_id(&known), ia_na(1, &[])];
    assert_eq!(world.no_dhcp(&stranger, 1, &forged), Reason::UnknownMac);
}

#[test]
fn a_pinned_port_is_answered_on_its_device_only() {
    let mut world = World::new();
    let pinned = Guest::new(4);
    for device in [1, 2, 77] {
        assert_eq!(world.refuse(&pinned.on(device), &pinned.rs()), Reason::WrongDevice);
    }
    world.ask(&pinned.on(3), &pinned.rs());
}

/// DHCP-026, DHCP-028, DHCP-032: firmware, installer, clone and operating system get the port's lease.
#[test]
fn dhcp_032_any_duid_and_iaid_from_a_mac_get_its_lease() {
    let mut world = World::new();
    let guest = Guest::new(1);
    let duids: [&[u8]; 5] = [
        &[0, 1, 0, 1, 1, 2, 3, 4, 0x54, 5, 0xdb, 0xe0, 0x88, 0x6c], // Windows: another adapter's MAC
        &[0, 2, 0, 0, 0xab, 0x11, 1, 2, 3, 4, 5, 6, 7, 8],          // systemd: from a cloned machine-id
        &[0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        &[0xff, 0xff, 9],                         // of no known type
        &[0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 2], // the MAC of port 02
    ];
    for (iaid, duid) in (0..).zip(duids) {
        let reply = world.dhcp(&guest, 1, &[option(1, duid), ia_na(iaid, &[])]);
        assert_eq!(reply.value(1), Some(duid), "DHCP-049: echoed to the octet");
        assert_eq!(reply.addresses(), ["2001:db8:1::4"]);
        assert_eq!(reply.ia_na()[0].iaid, iaid, "DHCP-140: IAID 0 is legal");
    }
}

#[test]
fn two_guests_with_one_duid_get_their_own() {
    let mut world = World::new();
    let clone = option(1, &[0, 2, 0, 0, 0xab, 0x11, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (last, address) in [(1, "2001:db8:1::4"), (3, "2001:db8:1::6")] {
        let reply = world.dhcp(&Guest::new(last), 1, &[clone.clone(), ia_na(7, &[])]);
        assert_eq!(reply.addresses(), [address]);
    }
}

#[test]
fn one_mac_on_two_taps_is_two_guests() {
    let source = "version = 1\n[server]\ncloud = \"t\"\n\
        [networks.a]\nrouter = { mac_address = \"fa:16:3e:77:e5:a0\" }\n\
        [[networks.a.subnets]]\ncidr = \"2001:db8:a::/64\"\nipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"\n\
        [networks.b]\nrouter = { mac_address = \"fa:16:3e:77:e5:a0\" }\n\
        [[networks.b.subnets]]\ncidr = \"2001:db8:b::/64\"\nipv6_ra_mode = \"dhcpv6-stateful\"\nipv6_address_mode = \"dhcpv6-stateful\"\n\
        [[ports]]\nmac_address = \"fa:16:3e:00:00:01\"\nnetwork = \"a\"\ndevice = \"tap1\"\nfixed_ips = [\"2001:db8:a::1:1\"]\n\
        [[ports]]\nmac_address = \"fa:16:3e:00:00:01\"\nnetwork = \"b\"\ndevice = \"tap2\"\nfixed_ips = [\"2001:db8:b::1:1\"]\n";
    let mut world = World::with(source);
    for (device, address) in [(1, "2001:db8:a::1:1"), (2, "2001:db8:b::1:1")] {
        let guest = Guest::new(1).on(device);
        assert_eq!(world.dhcp(&guest, 1, &[client_id(&guest), ia_na(1, &[])]).addresses(), [address]);
    }
    let guest = Guest::new(1).on(3);
    assert_eq!(world.refuse(&guest, &guest.rs()), Reason::WrongDevice);
}
