"""The figures as Markdown, ready for a README."""

import datetime
import os
import platform
import re

from measure import median

RATES = ("rs", "ns", "exchange", "rapid-commit", "inform", "pd", "relay")


def number(value):
    """Three digits are as many as a busy machine gives, in groups of three."""
    digits = len(str(int(value)))
    rounded = round(value, -(digits - 3)) if digits > 3 else round(value)
    return f"{int(rounded):,}".replace(",", " ")


def short(value):
    """Small figures with a digit behind the point."""
    return f"{value:.1f}" if value < 10 else number(value)


def milliseconds(seconds, patience):
    """A time, in ms or s."""
    if seconds is None:
        return f"> {patience:.0f} s"
    return f"{short(seconds * 1000)} ms" if seconds < 1 else f"{seconds:.1f} s"


def rates_of(raw, what):
    """Median rate, CPU, smallest window and oddities of a workload; None if it was not measured."""
    turns = raw.get(what, [])
    if not turns:
        return None
    rate = median([turn["per_second"] for turn in turns])
    cpu = median([turn["cpu_us"] for turn in turns])
    return rate, cpu, min(turn["window"] for turn in turns), max(turn["loss_percent"] for turn in turns)


def rate_cell(raw, what):
    """A rate with the processor time of one exchange, and the window if it is not the usual one."""
    if (found := rates_of(raw, what)) is None:
        return "–"
    rate, cpu, window, loss = found
    if rate < 1:
        return "cannot"
    note = f", window {window}" if window < 64 else ""
    note += f", lost {loss:.0f} %" if loss >= 1 else ""
    # Neighbor Solicitations are the kernel's to answer.
    cost = short(cpu) if cpu else "the kernel's"
    return f"{number(rate)} ({cost}{note})"


def storm_cell(raw, count, patience):
    storms = raw.get(f"storm-{count}", [])
    if not storms:
        return "–"
    # The last one, if guests were left in it, or else the middle one.
    storm = storms[-1]
    if storm["all_bound_after_seconds"] is not None:
        storm = sorted(storms, key=lambda one: one["all_bound_after_seconds"])[(len(storms) - 1) // 2]
    after = storm["all_bound_after_seconds"]
    if after is None:
        return f"{number(storm['bound'])} of {number(count)} in {patience:.0f} s"
    return f"{after:.2f} s, p99 {short(storm['p99_ms'])} ms"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return "\n".join([row(head), "|---" * len(head) + "|", *map(row, rows)])


def machine():
    """The date, the kernel and the processors."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    cpu = model.group(1) if model else platform.machine()
    load = os.getloadavg()[0]
    return (f"{datetime.date.today()}, Linux {platform.release()}, {os.cpu_count()} processors ({cpu}), "
            f"load {load:.1f} at the end")


def rates(raw, options):
    """The table of rates."""
    head = ["exchanges/s (server µs)", *RATES]
    if options.large:
        head.append(f"{number(options.large)} ports: exchange (radvd: rs)")
    rows = []
    for name, of in raw.items():
        if any(what in of for what in RATES):
            cells = [name, *(rate_cell(of, what) for what in RATES), rate_cell(of, "rate-large")]
            rows.append(cells[: len(head)])
    return table(head, rows)


def operations(raw, options, patience, storm_patience):
    """The table of memory, start, change and storm."""
    sizes = {"small": options.ports} | ({"large": options.large} if options.large else {})
    head = [""]
    for what in ("MiB", "start", "change", "silent"):
        first, *others = [number(ports) for ports in sizes.values()]
        head += [f"{what}, {first} ports", *others]
    head += [f"storm of {number(count)}" for count in options.storms]
    rows = []
    for name, of in raw.items():
        cells = [name]
        for size in sizes:
            memory = median(of.get(f"memory-{size}", []))
            cells.append("–" if memory is None else short(memory))
        for what in ("start", "change", "silence"):
            for size in sizes:
                values = of.get(f"{what}-{size}", [])
                cells.append(milliseconds(median(values), patience) if values else "–")
        cells += [storm_cell(of, count, storm_patience) for count in options.storms]
        rows.append(cells)
    return table(head, rows)


def oddities(raw):
    """Answers that were wrong or refused, of each server."""
    for name, of in raw.items():
        for what, turns in of.items():
            if what not in RATES and what != "rate-large":
                continue
            counts = {}
            for turn in turns:
                for kind in ("wrong", "refused"):
                    for reason, count in turn[kind].items():
                        counts[f"{kind}: {reason}"] = counts.get(f"{kind}: {reason}", 0) + count
            for reason, count in counts.items():
                yield f"- {name}, {what}: {number(count)} answers {reason}"


def ratios(raw):
    """Frontdesk beside the best of its peers, and beside Kea."""
    own = raw.get("Frontdesk", {})
    for what in ("exchange", "pd", "rs", "inform"):
        mine = rates_of(own, what)
        peers = [(found[0], name) for name, of in raw.items()
                 if not name.startswith("Frontdesk") and (found := rates_of(of, what))]
        if mine and peers:
            best, name = max(peers)
            if best:
                yield f"- {what}: {mine[0] / best:.1f} times the best peer's rate ({name})"
    for what in ("exchange", "pd", "inform"):
        mine = rates_of(own, what)
        keas = [(found[1], name) for name, of in raw.items()
                if name.startswith("Kea") and (found := rates_of(of, what)) and found[1]]
        if mine and mine[1] and keas:
            least, name = min(keas)
            yield f"- {what}: {mine[1] / least:.2f} of {name}'s processor time, 1/{least / mine[1]:.1f}"


def perfdhcp(raw):
    """What ISC's perfdhcp says, whose two threads take their share of the processors."""
    for name, of in raw.items():
        for found in of.get("perfdhcp", []):
            if found["cpu_us"] and found["own_cpu_us"]:
                yield (f"- {name} at {number(found['same_rate'])} exchanges/s: {short(found['cpu_us'])} µs of the "
                       f"server each and {found['dropped_percent']:.1f} % dropped by perfdhcp, "
                       f"{short(found['own_cpu_us'])} µs and {found['own_lost_percent']:.1f} % by frontdesk bench")
            yield f"- {name}: {number(found['per_second'])} exchanges/s at most with less than 1 % dropped"
