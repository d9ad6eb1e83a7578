#!/usr/bin/env bash
# Frontdesk beside the servers that it replaces, in turn on the same veth cable with the same load: two Markdown tables
# (rates; start, change, memory and boot storm) and the ratios on standard output, what is going on on standard error.
#
#   benches/peers.sh --install        apt-get installs the peers from Debian (as root; none is started on the machine)
#   benches/peers.sh [OPTION]…        measures, about a quarter of an hour; benches/peers.sh --help has the options
#
# Needs Linux, python3, iproute2 and util-linux, and no root where user namespaces are allowed: everything happens in
# namespaces of its own. A peer that is not installed is left out with a word. FRONTDESK names the program,
# ODHCPD an odhcpd, which Debian does not have.
#
# The peers answer through a kernel that keeps at most net.ipv6.neigh.default.gc_thresh3 neighbours, 1024 by default,
# of all namespaces together. As root this script raises that for the time of the run and puts it back; otherwise no
# more than half of them play, and the peers' storms of more guests are left out. Frontdesk needs none of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(
    coreutils iproute2 util-linux python3
    kea-dhcp6-server              # Kea
    kea-admin                     # perfdhcp
    golang-go golang-github-coredhcp-coredhcp-dev # coredhcp, which is built from Debian's source
    isc-dhcp-server               # dhcpd
    dnsmasq-base radvd
    wide-dhcpv6-server            # dhcp6s
    haproxy wrk curl              # benches/metadata.sh
)

if [ "${1:-}" = --install ]; then
    # Debian starts servers when it installs them, unless this says no.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
        trap 'rm "$policy"' EXIT
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
    exit
fi

# Two at once would measure each other, and put each other's limits back.
exec {lock}<benches/peers.sh
case " $* " in
    *" --help "* | *" -h "*) exec python3 -B benches/peers "$@" ;;
esac
flock --nonblock "$lock" || { echo "benches/peers.sh is running already" >&2; exit 75; }

export FRONTDESK="${FRONTDESK:-$PWD/target/release/frontdesk}"
[ -x "$FRONTDESK" ] || { echo "$FRONTDESK is missing: cargo build --release, or set FRONTDESK" >&2; exit 66; }

# Neighbours of the peers' kernel: three limits, of which the last is hard (Linux, ip-sysctl.rst).
limits=(/proc/sys/net/ipv6/neigh/default/gc_thresh{1,2,3})
export PEERS_NEIGHBOURS=1024
if [ -w "${limits[2]}" ] && [ "$(id -u)" = 0 ]; then
    before=("$(cat "${limits[0]}")" "$(cat "${limits[1]}")" "$(cat "${limits[2]}")")
    restore() {
        for limit in 0 1 2; do echo "${before[$limit]}" > "${limits[$limit]}"; done
    }
    trap restore EXIT
    PEERS_NEIGHBOURS=65536
    for limit in "${limits[@]}"; do echo "$PEERS_NEIGHBOURS" > "$limit"; done
elif [ -r "${limits[2]}" ]; then
    PEERS_NEIGHBOURS="$(cat "${limits[2]}")"
fi

flags=(--net --mount)
[ "$(id -u)" = 0 ] || flags+=(--user --map-root-user)
unshare "${flags[@]}" python3 -B benches/peers "$@"
if [ -r "${limits[2]}" ] && [ "$(cat "${limits[2]}")" != "$PEERS_NEIGHBOURS" ]; then
    echo "net.ipv6.neigh.default.gc_thresh3 was changed meanwhile: the peers' storms are not to be believed" >&2
    exit 1
fi
