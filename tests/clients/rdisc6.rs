//! rdisc6 1.0.5: a third reading of the Router Advertisement, field by field and option by option. It does not know
//! PREF64 (RFC 8781) and the captive portal (RFC 8910), and passes over them.

use crate::house::{house, need};
use crate::leases::{Port, SLAAC_PORT, STATEFUL_PORT, STATELESS_PORT};

fn assert_printed(test: &str, port: &'static Port, expected: &str) {
    house(test, |house| {
        need("rdisc6", "ndisc6");
        let guest = house.guest("tap0", port);
        guest.up();
        let text = guest.run("rdisc6", &["-1", "-r", "3", "-w", "3000", "eth0"]);
        let lines = |text: &str| -> Vec<String> {
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            text.lines()
                .map(words)
                .filter(|line| !line.is_empty() && !line.starts_with("Soliciting"))
                .collect()
        };
        assert_eq!(lines(&text), lines(expected), "{text}");
    });
}

#[test]
fn a_slaac_network_is_printed_as_it_is() {
    const EXPECTED: &str = "
        Hop limit                 :           61 (      0x3d)
        Stateful address conf.    :           No
        Stateful other conf.      :           No
        Mobile home agent         :           No
        Router preference         :       medium
        Neighbor discovery proxy  :           No
        Router lifetime           :         1800 (0x00000708) seconds
        Reachable time            :  unspecified (0x00000000)
        Retransmit time           :  unspecified (0x00000000)
         Source link-layer address: FA:16:3E:C3:17:B4
         MTU                      :         1450 bytes (valid)
         Prefix                   : 2001:db8:cafe::/64
          On-link                 :          Yes
          Autonomous address conf.:          Yes
          Valid time              :        86400 (0x00015180) seconds
          Pref. time              :        14400 (0x00003840) seconds
         Route                    : 2001:db8:f00::/48
          Route preference        :          low
          Route lifetime          :          900 (0x00000384) seconds
         Recursive DNS server     : 2001:db8:cafe:a::1
          DNS server lifetime     :         1800 (0x00000708) seconds
         DNS search list          : slaac.example.com
          DNS search list lifetime:         1800 (0x00000708) seconds
         from fe80::f816:3eff:fec3:17b4";
    assert_printed("rdisc6::a_slaac_network_is_printed_as_it_is", &SLAAC_PORT, EXPECTED);
}

#[test]
fn a_stateless_network_is_printed_as_it_is() {
    const EXPECTED: &str = "
        Hop limit                 :           62 (      0x3e)
        Stateful address conf.    :           No
        Stateful other conf.      :          Yes
        Mobile home agent         :           No
        Router preference         :          low
        Neighbor discovery proxy  :           No
        Router lifetime           :         1700 (0x000006a4) seconds
        Reachable time            :  unspecified (0x00000000)
        Retransmit time           :  unspecified (0x00000000)
         Source link-layer address: FA:16:3E:C1:BC:52
         MTU                      :         1400 bytes (valid)
         Prefix                   : 2001:db8:cafe:2::/64
          On-link                 :          Yes
          Autonomous address conf.:          Yes
          Valid time              :        43200 (0x0000a8c0) seconds
          Pref. time              :        21600 (0x00005460) seconds
         Route                    : 2001:db8:f01::/48
          Route preference        :       medium
          Route lifetime          :          800 (0x00000320) seconds
         Recursive DNS server     : 2001:db8:cafe:a::2
         Recursive DNS server     : 2001:db8:cafe:b::2
          DNS servers lifetime    :         1800 (0x00000708) seconds
         DNS search list          : stateless.example.com example.net
          DNS search list lifetime:         1800 (0x00000708) seconds
         from fe80::f816:3eff:fec1:bc52";
    assert_printed("rdisc6::a_stateless_network_is_printed_as_it_is", &STATELESS_PORT, EXPECTED);
}

#[test]
fn a_stateful_network_is_printed_as_it_is() {
    const EXPECTED: &str = "
        Hop limit                 :           63 (      0x3f)
        Stateful address conf.    :          Yes
        Stateful other conf.      :           No
        Mobile home agent         :           No
        Router preference         :         high
        Neighbor discovery proxy  :           No
        Router lifetime           :         1600 (0x00000640) seconds
        Reachable time            :  unspecified (0x00000000)
        Retransmit time           :  unspecified (0x00000000)
         Source link-layer address: FA:16:3E:77:E5:A0
         MTU                      :         1420 bytes (valid)
         Prefix                   : 2001:db8:cafe:1::/64
          On-link                 :          Yes
          Autonomous address conf.:           No
          Valid time              :         7200 (0x00001c20) seconds
          Pref. time              :         3600 (0x00000e10) seconds
         Route                    : 2001:db8:f02::/48
          Route preference        :         high
          Route lifetime          :          700 (0x000002bc) seconds
         Recursive DNS server     : 2001:db8:cafe:a::e
         Recursive DNS server     : 2001:db8:cafe:a::f
          DNS servers lifetime    :         1800 (0x00000708) seconds
         DNS search list          : stateful.example.com example.com
          DNS search list lifetime:         1800 (0x00000708) seconds
         from fe80::1";
    assert_printed("rdisc6::a_stateful_network_is_printed_as_it_is", &STATEFUL_PORT, EXPECTED);
}
