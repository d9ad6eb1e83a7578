"""Frontdesk beside the servers that it replaces: see benches/peers.sh, which makes the namespaces that this needs."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import measure
import peers
import rig
import table
from servers import Frontdesk, Server


def parse():
    parser = argparse.ArgumentParser(
        prog="benches/peers.sh",
        description="Plays the same guests against Frontdesk and its peers, in turn on the same cable.")
    names = ", ".join(server.name for server in peers.ALL)
    parser.add_argument("--only", metavar="NAMES", help=f"comma-separated names, or beginnings of several: {names}")
    parser.add_argument("--turns", type=int, default=3, metavar="N", help="rounds of all servers; medians are told [3]")
    parser.add_argument("--seconds", type=float, default=1.2, metavar="S", help="of each workload in each turn [1.2]")
    parser.add_argument("--ports", type=int, default=1000, metavar="N", help="ports of the small table [1000]")
    parser.add_argument("--large", type=int, default=100_000, metavar="N",
                        help="ports of the large table; 0 leaves it out [100000]")
    parser.add_argument("--storms", default="1000,10000", metavar="N,N",
                        help="guests that boot within a second; none with 0 [1000,10000]")
    parser.add_argument("--no-perfdhcp", action="store_true", help="do not ask ISC's perfdhcp for a second opinion")
    parser.add_argument("--no-metadata", action="store_true", help="do not run benches/metadata.sh (haproxy)")
    parser.add_argument("--json", metavar="FILE", help="write the raw figures of all turns there")
    options = parser.parse_args()
    options.storms = [count for count in map(int, options.storms.split(",")) if count]
    options.neighbours = int(os.environ["PEERS_NEIGHBOURS"])
    return options


def chosen(options, bench_rig):
    """The servers that are wanted and can run here."""
    names = {kind.name.lower() for kind in peers.ALL}
    wanted = [name.strip().lower() for name in options.only.split(",")] if options.only else [""]
    for kind in peers.ALL:
        own = kind.name.lower()
        # A whole name is one server, the beginning of names all of these.
        if not any(own == name or own.startswith(name) and name not in names for name in wanted):
            continue
        server = kind(bench_rig)
        why = server.missing()
        if why is None:
            yield server
        else:
            rig.say(f"{server.name} is left out: {why}")


def measured(options, bench, all_servers):
    """Everything in turn; a server that fails is left out with a word, not the rest with it."""
    for server in all_servers:
        if isinstance(server, peers.Kea):
            attempt(server, bench.threads, server)
    for turn in range(options.turns):
        rig.say(f"turn {turn + 1} of {options.turns}: start, change, rates with {options.ports} ports")
        for server in all_servers:
            attempt(server, bench.turn, server)
    if options.large:
        rig.say(f"start, change and memory with {options.large} ports")
        for server in all_servers:
            attempt(server, bench.large, server)
    radvd = peers.Radvd(bench.rig)
    for count in options.storms:
        rig.say(f"{count} guests boot within a second")
        for server in all_servers:
            if server.main != "rs" and server.workloads:
                if server.is_router or radvd.missing() is None:
                    attempt(server, bench.storms, server, count, None if server.is_router else radvd)
    if not options.no_perfdhcp and shutil.which("perfdhcp"):
        rig.say("perfdhcp")
        for server in all_servers:
            if type(server) in (Frontdesk, peers.Kea):
                attempt(server, bench.perfdhcp, server)


def attempt(server, what, *arguments):
    try:
        what(*arguments)
    except (OSError, RuntimeError, ValueError) as error:
        rig.say(f"  {server.name}: {error}")


def metadata(options):
    """benches/metadata.sh with short turns: its medians."""
    if options.no_metadata or not all(map(shutil.which, ("haproxy", "wrk", "curl"))):
        return []
    rig.say("metadata beside haproxy")
    script = pathlib.Path(__file__).parent.parent / "metadata.sh"
    done = subprocess.run(["bash", str(script), "3", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        rig.say(f"  {done.stderr.strip()}")
    _, _, medians = done.stdout.partition("median of")
    return medians.strip().splitlines()[1:]


def main():
    options = parse()
    bench_rig = rig.Rig()
    bench = measure.Bench(options, bench_rig)
    all_servers = list(chosen(options, bench_rig))
    if not all_servers:
        return "no server is left"
    try:
        measured(options, bench, all_servers)
    except KeyboardInterrupt:
        rig.say("interrupted; what was measured so far:")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(bench.raw, indent=1))
    tell(options, bench.raw, all_servers)
    return 0


def tell(options, raw, all_servers):
    """All tables, on standard output."""
    print(f"{table.machine()}; {options.turns} turns of {options.seconds:g} s, medians.")
    versions = ", ".join(f"{server.name} {server.version()}".strip() for server in all_servers
                         if type(server).__mro__[1] is Server)
    threads = [f"{server.name} is fastest here with {server.threads or 'no'} threads" for server in all_servers
               if isinstance(server, peers.Kea)]
    print(". ".join([versions, *threads]) + ".\n")
    print(table.rates(raw, options))
    print()
    print(table.operations(raw, options, rig.PATIENCE, measure.STORM_PATIENCE))
    for title, lines in (("Frontdesk beside its peers:", table.ratios(raw)),
                         ("By perfdhcp:", table.perfdhcp(raw)),
                         ("Answers that were not right:", table.oddities(raw)),
                         ("Metadata, medians of benches/metadata.sh:", metadata(options))):
        lines = list(lines)
        if lines:
            print("\n" + title + "\n")
            print("\n".join(line if line.startswith("- ") else "    " + line for line in lines))


sys.exit(main())
