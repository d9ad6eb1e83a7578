"""What is measured of one server, the same way for each."""

import concurrent.futures
import dataclasses
import re
import statistics
import subprocess
import time

import rig
import servers
from prober import Prober

# Exchanges under way at once, as `frontdesk bench` has them; a server that loses too many of them gets fewer.
WINDOWS = (64, 16, 4, 1)
MOST_LOST = 1.0  # per cent

# A server may still be busy when it first answers: radvd dies of a SIGHUP in its first millisecond.
SETTLE = 0.3

# How long all guests of a storm may take.
STORM_PATIENCE = 15.0


@dataclasses.dataclass
class Rate:
    """One workload of one server: complete exchanges per second and microseconds of its processor time for each."""

    per_second: float
    cpu_us: float | None
    window: int
    loss_percent: float
    wrong: dict
    refused: dict


class Bench:
    """All measurements; raw figures are kept by server."""

    def __init__(self, options, bench_rig):
        self.options = options
        self.rig = bench_rig
        self.windows = {}
        self.raw = {}
        self.expected = {}
        for relayed in (False, True):
            self.expected[relayed] = bench_rig.home / f"expected-{relayed}.toml"
        self.size = None

    def note(self, server, what, value):
        """Keeps a figure of a server; those of the same name are of several turns."""
        self.raw.setdefault(server.name, {}).setdefault(what, []).append(value)

    def expect(self, ports):
        """The leases that answers are held against."""
        if self.size != ports:
            self.size = ports
            for relayed, path in self.expected.items():
                path.write_text(servers.lease_source(ports, relayed=relayed))

    # One start of one server.

    def begin(self, server, ports, relayed=False):
        """Starts a server that knows so many guests and one more, the prober's; (process, prober, seconds from its
        start to its first answer or None)."""
        self.expect(ports + 1)
        self.rig.set_kernel(server.needs_kernel, server.addresses)
        server.configure(ports + 1, relayed=relayed)
        server.forget()
        last = rig.guest(ports)
        prober = Prober(last, "rs" if relayed else server.kind)
        if server.needs_kernel:
            self.rig.know_neighbour(prober.address(), last.mac)
        began = rig.now()
        process = self.rig.start(server.command(), server.environment)
        if relayed and not server.needs_kernel:
            # Nobody is a guest on a device of relays, so the prober is not answered: it is given a moment.
            time.sleep(1.0)
            return process, prober, None
        took, _ = prober.first_answer(lambda: process.poll() is not None, began)
        if process.poll() is not None:
            prober.close()
            raise RuntimeError(f"it ended; its last words: {self.rig.last_words()}")
        return process, prober, took

    def end(self, process, prober):
        prober.close()
        self.rig.stop(process)

    def change(self, server, process, prober, ports):
        """Moves the prober's guest; (process, seconds to the first new answer or None, the longest silence)."""
        time.sleep(SETTLE)
        prober.quieten()
        server.configure(ports + 1, moved=True)
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            began = rig.now()
            # In another thread, so that the guest asks while the server is told or started anew.
            news = other.submit(self.tell, server, process, ports + 1)
            took, silence = prober.first_answer(lambda: news.done() and news.result().poll() is not None, began,
                                                server.wanted()(ports + 1))
            return news.result(), took, silence

    def tell(self, server, process, ports):
        """Tells a server of a written change; the process that serves from then on."""
        if not server.restarts:
            server.change(process, ports)
            return process
        self.rig.stop(process)
        return self.rig.start(server.command(), server.environment)

    def rate(self, server, process, workload, seconds, count):
        """The rate of a workload with the largest window that loses less than a per cent."""
        key = (server.name, workload)
        leases = self.expected[workload == "relay"] if server.is_checked(workload) else None
        for window in WINDOWS[WINDOWS.index(self.windows.get(key, WINDOWS[0])) :]:
            report = self.rig.bench(workload, count=count, leases=leases, pid=process.pid, window=window,
                                    seconds=seconds)
            if report is None:
                return None
            self.windows[key] = window
            if report["loss_percent"] < MOST_LOST:
                break
        return Rate(report["exchanges_per_second"], report["server_cpu_us_per_exchange"], window,
                    report["loss_percent"], report["wrong"], report["refused"])

    # What is measured.

    def turn(self, server):
        """Start, change, memory and all rates, with the small table."""
        ports = self.options.ports
        process, prober, started = self.begin(server, ports)
        self.note(server, "start-small", started)
        if started is None:
            rig.say(f"  {server.name}: no answer in time; its last words: {self.rig.last_words()}")
            return self.end(process, prober)
        process, changed, silence = self.change(server, process, prober, ports)
        self.note(server, "change-small", changed)
        self.note(server, "silence-small", silence)
        if server.needs_kernel:
            self.rig.introduce(self.guests())
        for workload in server.workloads:
            if workload == "relay" and not server.needs_kernel:
                continue
            self.play(server, process, workload)
        self.note(server, "memory-small", rig.resident(process.pid))
        self.end(process, prober)
        if "relay" in server.workloads and not server.needs_kernel:
            process, prober, _ = self.begin(server, ports, relayed=True)
            self.play(server, process, "relay")
            self.end(process, prober)

    def play(self, server, process, workload):
        rate = self.rate(server, process, workload, self.options.seconds, self.guests())
        if rate is not None:
            self.note(server, workload, dataclasses.asdict(rate))
            odd = "".join(f", {what}" for what in (rate.wrong and f"wrong {rate.wrong}",
                                                   rate.refused and f"refused {rate.refused}",
                                                   rate.loss_percent and f"lost {rate.loss_percent:.2f} %") if what)
            rig.say(f"  {server.name}: {workload} {rate.per_second:.0f}/s, {rate.cpu_us or 0:.1f} us{odd}")

    def large(self, server):
        """Start, change, memory and the rate of one workload, with the large table."""
        ports = self.options.large
        process, prober, started = self.begin(server, ports)
        self.note(server, "start-large", started)
        if started is not None:
            process, changed, silence = self.change(server, process, prober, ports)
            self.note(server, "change-large", changed)
            self.note(server, "silence-large", silence)
            if changed is not None:
                if server.needs_kernel:
                    self.rig.introduce(self.guests())
                rate = self.rate(server, process, server.main, self.options.seconds, self.guests())
                if rate is not None:
                    self.note(server, "rate-large", dataclasses.asdict(rate))
            self.note(server, "memory-large", rig.resident(process.pid))
        rig.say(f"  {server.name}: {ports} ports: first answer after {started and round(started, 3)} s")
        self.end(process, prober)

    def storms(self, server, count, router=None):
        """As many storms as there are turns, unless guests are left without an answer at the end of one."""
        if server.needs_kernel and count > self.options.neighbours // 2:
            rig.say(f"  {server.name}: {count} guests are too many for net.ipv6.neigh.default.gc_thresh3")
            return
        for _ in range(max(1, self.options.turns)):
            storm = self.storm(server, count, router)
            rig.say(f"  {server.name}: storm of {count}: {storm}")
            if storm is None:
                return
            self.note(server, f"storm-{count}", storm)
            if storm["all_bound_after_seconds"] is None:
                return

    def storm(self, server, count, router):
        """All guests boot within a second; a server that is no router has radvd beside it."""
        process, prober, started = self.begin(server, count)
        beside = None
        if router is not None:
            router.configure(count)
            beside = self.rig.start(router.command())
            time.sleep(SETTLE)
        report = None
        if started is not None:
            report = self.rig.bench("boot", count=count, leases=self.expected[False], storm=1.0,
                                    seconds=STORM_PATIENCE)
        if beside is not None:
            self.rig.stop(beside)
        self.end(process, prober)
        if report is None:
            return None
        return {**report["storm"], "radvd": beside is not None, "retransmissions": report["retransmissions"],
                "p50_ms": report["latency_us"]["p50"] / 1000, "p99_ms": report["latency_us"]["p99"] / 1000}

    def guests(self):
        """How many take turns: no more than the peers' kernel keeps as neighbours with room to spare."""
        return min(self.options.ports, self.options.neighbours // 2)

    def threads(self, kea):
        """The number of Kea's threads that is fastest here."""
        best = (0.0, 0)
        for threads in (0, 2, 4):
            kea.threads = threads
            process, prober, started = self.begin(kea, self.options.ports)
            if started is not None:
                rate = self.rate(kea, process, "exchange", self.options.seconds, self.guests())
                rig.say(f"  {kea.name}: {threads or 'no'} threads: {rate and round(rate.per_second)}/s")
                if rate is not None:
                    best = max(best, (rate.per_second, threads))
            self.end(process, prober)
        kea.threads = best[1]
        self.windows.clear()

    def perfdhcp(self, server):
        """ISC's perfdhcp and this generator at the same rate, and the highest rate of four-message exchanges that
        perfdhcp drives with less than a per cent dropped.

        perfdhcp(8): `-r` opens so many exchanges a second whatever the server does; `-M` makes DUID-LLs of our
        guests' MACs; its frames come from one MAC, by this end's kernel.
        """
        macs = self.rig.home / "macs"
        macs.write_text("".join(guest.mac + "\n" for guest in rig.guests(self.guests())))
        seconds = max(1, round(self.options.seconds))
        # The two have other IAIDs, and a server may keep an address for the first: each meets a fresh one.
        process, prober, _ = self.begin(server, self.options.ports)
        own = self.rig.bench("exchange", count=self.guests(), leases=self.expected[False], pid=process.pid,
                             rate=SAME_RATE, seconds=seconds)
        self.end(process, prober)
        process, prober, _ = self.begin(server, self.options.ports)
        try:
            self.rig.set_guests_kernel(True)
            before = rig.spent(process.pid)
            reached, dropped = drive(SAME_RATE, macs, seconds)
            took = rig.spent(process.pid) - before
            best = climb(lambda rate: drive(rate, macs, seconds))
            best |= {"same_rate": SAME_RATE, "dropped_percent": dropped,
                     "cpu_us": 1e6 * took / (reached * seconds) if reached else None,
                     "own_lost_percent": own and own["loss_percent"],
                     "own_cpu_us": own and own["server_cpu_us_per_exchange"]}
            rig.say(f"  {server.name}: perfdhcp {best}")
            self.note(server, "perfdhcp", best)
        finally:
            self.rig.set_guests_kernel(False)
            self.end(process, prober)


# A rate that every server and perfdhcp manage, for a comparison of the two generators.
SAME_RATE = 4000


def drive(rate, macs, seconds):
    """One run of perfdhcp; (exchanges completed a second, per cent of those begun that were not)."""
    done = subprocess.run(
        ["perfdhcp", "-6", "-l", rig.GUESTS_END, "-r", str(rate), "-R", str(sum(1 for _ in open(macs))), "-M", macs,
         "-p", str(seconds), "-W", "500000"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sent = [int(number) for number in re.findall(r"sent packets: (\d+)", done.stdout)]
    received = [int(number) for number in re.findall(r"received packets: (\d+)", done.stdout)]
    if not sent or not received or sent[0] == 0:
        return 0.0, 100.0
    return received[-1] / seconds, 100.0 * (1 - received[-1] / sent[0])


def climb(try_rate, first=SAME_RATE, factor=1.25, most=200_000):
    """Rates from `first` up, each higher than the last, until more than a per cent is dropped twice."""
    best = {"per_second": 0.0, "asked": 0}
    rate = first
    while rate <= most:
        reached, dropped = try_rate(rate)
        if dropped >= MOST_LOST:
            reached, dropped = try_rate(rate)
        # perfdhcp's own end: it sends less than it was asked to.
        if dropped >= MOST_LOST or reached < 0.9 * rate:
            best["end"] = "dropped" if dropped >= MOST_LOST else "perfdhcp"
            best["per_second"] = max(best["per_second"], reached if dropped < MOST_LOST else 0.0)
            break
        best |= {"per_second": reached, "asked": rate}
        rate = int(rate * factor)
    return best


def median(values):
    """The middle of those that were measured, or None."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None
