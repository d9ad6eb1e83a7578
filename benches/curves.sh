#!/usr/bin/env bash
# The curves of the README: measures, writes the figures to benches/curves/*.tsv and draws them as benches/curves/*.svg.
#
#   benches/curves.sh                     all three, about six minutes on two idle processors
#   benches/curves.sh ports devices      only these
#   benches/curves.sh --draw              draws the figures that are there, and measures nothing
#
# Needs Linux with namespaces (no root), cargo and gnuplot (Debian: gnuplot-nox). CURVES names another directory for the
# figures and drawings, SECONDS_EACH the seconds of each run over a cable (3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts="$PWD/benches/curves"
out="${CURVES:-$scripts}"
seconds="${SECONDS_EACH:-3}"
target="${CARGO_TARGET_DIR:-target}"
program="$target/release/frontdesk"
mkdir -p "$out"

# A member of the first report of `frontdesk bench --json`, which has each on a line of its own.
member() {
    awk -v name="\"$1\":" '$1 == name { sub(/,$/, "", $2); print $2; exit }'
}

pair() {
    "$program" bench --pair --workload rs --time "$seconds" --json "$@" 2>/dev/null
}

# The median of a criterion benchmark, in nanoseconds.
median() {
    grep -o '"median":{[^}]*}[^}]*}' "$target/criterion/$1/new/estimates.json" |
        sed 's/.*"point_estimate":\([0-9.e+]*\).*/\1/'
}

ports() {
    cargo bench --quiet --bench ports -- rs-ra >&2
    printf '#ports\tengine_ns\tserver_us\n'
    for ports in 1000 10000 100000 1000000; do
        wire="$(pair --guests "$ports" | member server_cpu_us_per_exchange)"
        printf '%d\t%.1f\t%.3f\n' "$ports" "$(median "ports/rs-ra/$ports")" "$wire"
    done
}

devices() {
    printf '#devices\trings_ns\tshared_ns\n'
    cargo bench --quiet --bench devices | tee /dev/stderr | awk '
        $1 == "rings" && NF > 9 { rings[$2] = $(NF - 1) }
        $1 == "shared" && NF > 9 { printf "%d\t%d\t%d\n", $2, rings[$2], $(NF - 1) }'
}

cores() {
    local memory workers wire
    memory="$(cargo bench --quiet --bench cores | tee /dev/stderr)"
    printf '#threads\trs\tsolicit\tover_a_cable\n'
    for workers in $(seq "$(nproc)"); do
        wire=nan
        if "$program" bench --help | grep -q -- '--server-workers'; then
            wire="$(pair --server-workers "$workers" | member exchanges_per_second)"
        elif [ "$workers" = 1 ]; then
            wire="$(pair | member exchanges_per_second)"
        else
            echo "this frontdesk has no --server-workers: over a cable there is one worker only" >&2
        fi
        awk -v n="$workers" -v wire="$wire" '$2 == n { rate[$1] = $3 }
            END { printf "%d\t%d\t%d\t%s\n", n, rate["rs"], rate["solicit"], wire }' <<< "$memory"
    done
}

draw() {
    gnuplot -e "data='$out/$1.tsv'; drawing='$out/$1.svg'" "$scripts/style.gp" "$scripts/$1.gp"
    # Half of what gnuplot writes is empty.
    sed -i -z -e 's/\n[[:space:]]*/\n/g' -e 's/<g [^>]*>\n<\/g>\n//g' "$out/$1.svg"
    echo "$out/$1.svg"
}

command -v gnuplot >/dev/null || { echo "gnuplot is missing: apt-get install gnuplot-nox" >&2; exit 1; }
measure=yes
[ "${1:-}" != --draw ] || { measure=no; shift; }
[ $# -gt 0 ] || set -- ports devices cores
[ "$measure" = no ] || cargo build --release --quiet
for curve in "$@"; do
    case "$curve" in ports | devices | cores) ;; *) echo "no curve is called $curve" >&2; exit 64 ;; esac
    if [ "$measure" = yes ]; then
        # Not written before it is whole: a run that fails leaves the figures as they were.
        "$curve" >"$out/$curve.new"
        mv "$out/$curve.new" "$out/$curve.tsv"
        cat "$out/$curve.tsv"
    fi
    draw "$curve"
done
