#!/usr/bin/env bash
# The metadata service beside haproxy, bound on the bridge in front of the same upstream as Neutron does it: requests per
# second and processor time per request, in alternating turns of one run, over a veth pair and a bridge.
#
#   benches/metadata.sh [TURNS] [SECONDS]        # 5 turns of 3 seconds; needs wrk, haproxy and iproute2
#
# Builds frontdesk if need be. Everything happens in a network namespace of its own, which is gone at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

turns="${1:-5}" seconds="${2:-3}"
program="$PWD/target/release/frontdesk"

if [ "${METADATA_BENCH_INSIDE:-}" = "" ]; then
    for tool in wrk haproxy ip unshare; do
        command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install wrk haproxy iproute2 util-linux" >&2; exit 1; }
    done
    [ -x "$program" ] || cargo build --release --quiet
    [ "$(id -u)" = 0 ] && user="" || user=--map-root-user
    METADATA_BENCH_INSIDE=1 exec unshare --net --mount --pid --fork --kill-child $user bash "$PWD/benches/metadata.sh" "$turns" "$seconds"
fi

mount -t tmpfs tmpfs /run && mkdir -p /run/netns && mount -t proc proc /proc
home="$(mktemp -d /run/bench.XXXXXX)"
cd "$home"
ip link set lo up
ip link add br0 type bridge && ip link set br0 address fa:16:3e:ff:00:01 up
ip netns add guest
ip link add tap0 type veth peer name eth0 netns guest
ip link set tap0 master br0 up
ip -n guest link set eth0 address fa:16:3e:00:00:01 up
ip -n guest link set lo up
ip -n guest addr add 2001:db8:1::11/64 dev eth0 nodad
ip -n guest route add fd00:ec2::254 dev eth0
service=fd00:ec2::254

# The upstream: 2 KiB, by haproxy, which is faster than any metadata API.
head -c 2048 /dev/zero | tr '\0' x > body
cat > upstream.cfg <<END
global
    nbthread 1
defaults
    mode http
    timeout client 30s
frontend upstream
    bind 127.0.0.1:8775
    http-request return status 200 content-type text/plain file $home/body
END
haproxy -f upstream.cfg -D -p upstream.pid

# Neutron's own template (neutron/agent/metadata/driver.py), without its log; and the same with connections to the upstream
# kept, which it does not do.
for kept in no yes; do
    [ "$kept" = no ] && { name=haproxy; option="option http-server-close"; } || { name=haproxy-kept; option="http-reuse always"; }
    cat > "$name.cfg" <<END
global
    maxconn 1024
    nbthread 2
defaults
    mode http
    option dontlognull
    $option
    option forwardfor
    retries 3
    timeout http-request 30s
    timeout connect 30s
    timeout client 32s
    timeout server 32s
    timeout http-keep-alive 30s
listen listener
    bind [$service]:80
    server metadata 127.0.0.1:8775
    http-request del-header X-Neutron-Router-ID
    http-request set-header X-Neutron-Network-ID 11111111-1111-1111-1111-111111111111
END
done

cat > leases.toml <<END
version = 1
[server]
cloud = "bench"
[networks.net]
router = { mac_address = "fa:16:3e:ff:00:02" }
metadata = true
service_addresses = ["fe80::a9fe:a9fe", "$service"]
subnets = [{ cidr = "2001:db8:1::/64", ipv6_address_mode = "slaac", ipv6_ra_mode = "slaac" }]
[[ports]]
mac_address = "fa:16:3e:00:00:01"
network = "net"
device = "tap0"
device_id = "11111111-1111-1111-1111-111111111111"
project_id = "aaaa"
END
install -m 600 /dev/null secret && echo secret > secret
cat > frontdesk.toml <<END
leases = "leases.toml"
attach = ["tap0"]
log_level = "warn"
[metadata]
upstream = "nova"
requests_per_second = 0
[metadata.upstreams.nova]
kind = "nova"
shared_secret_file = "secret"
endpoints = ["http://127.0.0.1:8775"]
END

# Processor time of a process in hundredths of a second.
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/{print $2}' "/proc/$1/status"; }

start() {
    case "$1" in
        frontdesk) "$program" run --config frontdesk.toml >/dev/null 2>frontdesk.log & pid=$! ;;
        haproxy*)
            ip addr add "$service/128" dev br0 nodad
            ip route replace 2001:db8:1::/64 dev br0
            haproxy -f "$1.cfg" -D -p proxy.pid
            pid="$(cat proxy.pid)" ;;
    esac
    for _ in $(seq 100); do
        ip netns exec guest curl -s -o /dev/null --max-time 1 "http://[$service]/" && return
        sleep 0.05
    done
    echo "$1 does not answer" >&2
    exit 1
}

stop() {
    kill "$pid"
    while [ -d "/proc/$pid" ]; do sleep 0.01; done
    [ "$1" = frontdesk ] || ip addr del "$service/128" dev br0
    ip -n guest neigh flush dev eth0
}

# One turn: requests per second, microseconds of processor time per request, non-200 answers.
measure() {
    local before after out requests bad
    before="$(ticks "$pid")"
    out="$(ip netns exec guest wrk -t1 -c"$2" -d"${seconds}s" ${3:+-H "$3"} "http://[$service]/")"
    after="$(ticks "$pid")"
    requests="$(awk '/requests in/{print $1}' <<< "$out")"
    bad="$(awk '/Non-2xx|Socket errors/{print}' <<< "$out" | tr '\n' ' ')"
    awk -v r="$requests" -v s="$seconds" -v t="$((after - before))" -v who="$1" -v how="$4" -v rss="$(resident "$pid")" -v bad="$bad" \
        'BEGIN { printf "%-12s %-20s %8.0f requests/s %7.1f us/request %7d KiB %s\n", who, how, r / s, t * 10000 / r, rss, bad }'
}

for turn in $(seq "$turns"); do
    for who in frontdesk haproxy haproxy-kept; do
        start "$who"
        measure "$who" 1 "" "keep-alive, 1 "
        measure "$who" 32 "" "keep-alive, 32"
        measure "$who" 8 "Connection: close" "connection each, 8"
        stop "$who"
    done
done | tee turns.txt

echo
echo "median of $turns turns:"
# The median of a figure: WHO, HOW, the word behind it.
median() {
    awk -v who="$1" -v how="$2" -v unit="$3" 'index($0, how) && $1 == who { for (i = 2; i <= NF; i++) if ($i == unit) print $(i-1) }' turns.txt |
        sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
for how in "keep-alive, 1 " "keep-alive, 32" "connection each, 8"; do
    for other in haproxy haproxy-kept; do
        awk -v how="$how" -v other="$other" \
            -v fr="$(median frontdesk "$how" requests/s)" -v fu="$(median frontdesk "$how" us/request)" \
            -v hr="$(median "$other" "$how" requests/s)" -v hu="$(median "$other" "$how" us/request)" \
            'BEGIN { printf "%-18s frontdesk %6d/s %6.1f us   %-12s %6d/s %6.1f us   rate %.2f, processor %.2f\n", how, fr, fu, other, hr, hu, fr / hr, fu / hu }'
    done
done
kill "$(cat upstream.pid)"
