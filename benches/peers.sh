#!/usr/bin/env bash
# Frontdesk beside the servers that it replaces, on this machine, by the same load generator: one table on standard
# output. Needs Linux, namespaces (no root) and, for each peer, Debian's package; a peer that is not installed is left
# out with a word on standard error.
#
#   benches/peers.sh [SECONDS]        seconds for each workload of each server, 5 without
#
# FRONTDESK names the program, GUESTS how many guests take turns. More than 500 of them ask for more neighbours than the
# kernel keeps by default, which the peers need and Frontdesk does not (net.ipv6.neigh.default.gc_thresh3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export FRONTDESK="${FRONTDESK:-target/release/frontdesk}" GUESTS="${GUESTS:-500}"
SECONDS_EACH="${1:-5}"
DEVICE=srv0
PREFIX=2001:db8:cafe:1

if [ -z "${PEERS_INSIDE:-}" ]; then
    [ -x "$FRONTDESK" ] || { echo "$FRONTDESK is missing: cargo build --release, or set FRONTDESK" >&2; exit 66; }
    flags=(--net --mount)
    [ "$(id -u)" = 0 ] || flags+=(--user --map-root-user)
    PEERS_INSIDE=1 exec unshare "${flags[@]}" "${BASH_SOURCE[0]}" "$SECONDS_EACH"
fi

home="$(mktemp -d)"
server=""
finish() {
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    server=""
}
trap 'finish; rm -r "$home"' EXIT

# The server's end has a kernel with IPv6, as its sockets need; the guests' end has none, as guests are played there.
ip link add $DEVICE address 02:fe:00:00:00:01 type veth peer name guests0 address 02:fe:00:00:00:02
echo 1 > /proc/sys/net/ipv6/conf/guests0/disable_ipv6
echo 0 > /proc/sys/net/ipv6/conf/$DEVICE/accept_dad
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip link set lo up
ip link set $DEVICE up
ip link set guests0 up
ip address add $PREFIX::1/64 dev $DEVICE

# Prints the rows of a bench with the server's name in front: rows are the lines whose second word is a rate.
rows() {
    awk -v name="$1" '$2 ~ /^[0-9]+$/ && $1 !~ /:/ { printf "%-20s%s\n", name, $0 }
        $1 ~ /:$/ { print name ": " $0 > "/dev/stderr" }'
}

bench() {
    "$FRONTDESK" bench --guests "$GUESTS" --time "$SECONDS_EACH" --max-loss 100 "$@" 2>>"$home/bench.log" || true
}

# A server, the workloads that it can answer, and its command.
peer() {
    local name="$1" workloads="$2"
    shift 2
    if ! command -v "$1" >/dev/null; then
        echo "$name is left out: $1 is not installed" >&2
        return
    fi
    "$@" >"$home/log" 2>&1 &
    server=$!
    local first="${workloads%%,*}" tries=50
    until "$FRONTDESK" bench guests0 --guests 1 --workload "$first" --time 0.1 --warm-up 0.1 --timeout 500 \
        >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || ! kill -0 "$server" 2>/dev/null; then
            echo "$name does not answer:" >&2
            tail -n 5 "$home/log" >&2
            finish
            return
        fi
    done
    bench guests0 --workload "$workloads" --link-address $PREFIX::1 --server-pid "$server" | rows "$name"
    finish
}

export KEA_PIDFILE_DIR="$home" KEA_LOCKFILE_DIR="$home"
cat >"$home/kea.json" <<KEA
{ "Dhcp6": {
  "interfaces-config": { "interfaces": ["$DEVICE"] },
  "lease-database": { "type": "memfile", "persist": false },
  "server-id": { "type": "EN", "enterprise-id": 8888, "identifier": "3bc82226", "persist": false },
  "loggers": [ { "name": "kea-dhcp6", "severity": "WARN" } ],
  "option-data": [ { "name": "dns-servers", "data": "2001:db8:cafe:a::e" },
                   { "name": "domain-search", "data": "example.com" } ],
  "subnet6": [ { "id": 1, "subnet": "$PREFIX::/64", "interface": "$DEVICE", "rapid-commit": true,
    "pools": [ { "pool": "$PREFIX:1::-$PREFIX:1:ffff:ffff:ffff" } ],
    "pd-pools": [ { "prefix": "2001:db8:8000::", "prefix-len": 34, "delegated-len": 64 } ] } ] } }
KEA
cat >"$home/radvd.conf" <<RADVD
interface $DEVICE { AdvSendAdvert on; AdvManagedFlag on; AdvRASolicitedUnicast on;
  prefix $PREFIX::/64 { AdvAutonomous off; }; RDNSS 2001:db8:cafe:a::e { }; DNSSL example.com { }; };
RADVD
cat >"$home/dhcpd.conf" <<DHCPD
default-lease-time 7200; option dhcp6.rapid-commit;
option dhcp6.name-servers 2001:db8:cafe:a::e; option dhcp6.domain-search "example.com";
subnet6 $PREFIX::/64 { range6 $PREFIX:1:: $PREFIX:1::ffff:ffff; prefix6 2001:db8:8000:: 2001:db8:bfff:ffff:: /64; }
DHCPD
: >"$home/dhcpd.leases"

printf '%-20s%-13s%12s%12s%9s%9s%7s%10s%10s%10s%11s\n' \
    server workload exchanges/s messages/s lost refused wrong 'p50 us' 'p99 us' 'p99.9 us' 'server us'
bench --pair | rows frontdesk
peer radvd rs radvd -n -C "$home/radvd.conf" -p "$home/radvd.pid" -m stderr
peer kea solicit,exchange,rapid-commit,inform,pd,relay kea-dhcp6 -c "$home/kea.json"
peer dhcpd solicit,exchange,rapid-commit,inform,pd,relay \
    dhcpd -6 -f -cf "$home/dhcpd.conf" -lf "$home/dhcpd.leases" -pf "$home/dhcpd.pid" --no-pid $DEVICE
peer dnsmasq rs,solicit,exchange,rapid-commit,inform,relay,boot \
    dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=$DEVICE --enable-ra --user=root --group=root \
    --log-facility=- --quiet-dhcp6 --quiet-ra --dhcp-lease-max=100000 "--dhcp-leasefile=$home/dnsmasq.leases" \
    "--dhcp-range=$PREFIX:1::,$PREFIX:1::ffff,64,2h" "--dhcp-option=option6:dns-server,[2001:db8:cafe:a::e]" \
    "--dhcp-option=option6:domain-search,example.com"
