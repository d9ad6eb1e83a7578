"""The cable, the namespaces, the processes and the load generator: what is the same for every server.

This process lives in a network namespace of its own, at the guests' end of a veth cable; servers are started in
another, at the cable's other end. Files are in memory (tmpfs), so that nobody waits for a disk.
"""

import dataclasses
import ipaddress
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

GUESTS_END, GUESTS_MAC = "guests0", "02:fe:00:00:00:02"
DEVICE, ROUTER_MAC = "srv0", "02:fe:00:00:00:01"
ROUTER = "fe80::fe:ff:fe00:1"
NETNS = "servers"

# As `frontdesk bench --pair` has them: an address and a delegated prefix for each guest.
LINK = "2001:db8:be9c::"
FIRST_ADDRESS = int(ipaddress.IPv6Address(LINK)) | 1 << 32
MOVED_ADDRESS = int(ipaddress.IPv6Address(LINK)) | 2 << 32
FIRST_PREFIX = int(ipaddress.IPv6Address("2001:db8:8000::"))
FIRST_MAC = 0x02FD00000000
DNS, OTHER_DNS = "2001:db8:cafe:a::e", "2001:db8:cafe:a::f"

# Servers that take longer to start, or to tell the news, are told with a ">".
PATIENCE = 60.0


@dataclasses.dataclass(frozen=True)
class Guest:
    """One guest: number, MAC, address and prefix that are reserved for it."""

    number: int
    mac: str
    duid: str
    address: str
    prefix: str


def guest(number, moved=False):
    """One guest; if it `moved`, it has another address."""
    mac = ":".join(f"{FIRST_MAC + number:012x}"[at : at + 2] for at in range(0, 12, 2))
    address = (MOVED_ADDRESS if moved else FIRST_ADDRESS) + number
    prefix = FIRST_PREFIX + (number << 64)
    # DUID-LL of the MAC (RFC 9915 §11.4), which the generator shows.
    return Guest(number, mac, "00:03:00:01:" + mac, str(ipaddress.IPv6Address(address)),
                 str(ipaddress.IPv6Address(prefix)))


def guests(count, moved=False):
    """The guests in order; if `moved`, the last one has another address."""
    for number in range(count):
        yield guest(number, moved and number == count - 1)


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def wait_for(condition, patience=5.0):
    """Waits until the kernel has done what it does in the background."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the cable is not ready")
        time.sleep(0.01)


def run(*command, check=True):
    """Runs a command to its end; what it said on standard output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Rig:
    """The cable between the guests and the server of the moment."""

    def __init__(self):
        self.frontdesk = os.environ["FRONTDESK"]
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        if os.path.isdir("/var/lib/dhcpv6"):  # dhcp6s keeps its DUID there, and has no option for another place
            run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/dhcpv6")
        self.home = pathlib.Path("/run/peers")
        self.home.mkdir()
        self.log = self.home / "log"
        run("ip", "link", "set", "lo", "up")
        run("ip", "netns", "add", NETNS)
        run("ip", "link", "add", GUESTS_END, "address", GUESTS_MAC, "type", "veth",
            "peer", "name", DEVICE, "address", ROUTER_MAC, "netns", NETNS)
        # Guests are played by the generator, not by this end's kernel.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{GUESTS_END}/disable_ipv6").write_text("1")
        run("ip", "-n", NETNS, "link", "set", "lo", "up")
        self._sysctl("all", "forwarding", 1)
        self._sysctl(DEVICE, "accept_dad", 0)
        run("ip", "-n", NETNS, "link", "set", DEVICE, "up")
        run("ip", "link", "set", GUESTS_END, "up")
        wait_for(lambda: "NO-CARRIER" not in run("ip", "link", "show", "dev", GUESTS_END))

    def in_netns(self, *command):
        """A command at the servers' end; it is replaced by its own process, whose number stays."""
        return ["nsenter", f"--net=/run/netns/{NETNS}", "--", *map(str, command)]

    def _sysctl(self, device, name, value):
        run(*self.in_netns("sh", "-c", f"echo {value} > /proc/sys/net/ipv6/conf/{device}/{name}"))

    def set_kernel(self, takes_part, extra=()):
        """The servers' kernel has IPv6 on the cable, as the peers' sockets need, or stays out of it, as Frontdesk's
        README advises for taps. Either way nothing is left of the server before."""
        self._sysctl(DEVICE, "disable_ipv6", 1)
        if takes_part:
            self._sysctl(DEVICE, "disable_ipv6", 0)
            for address in (LINK + "1/64", *extra):
                run("ip", "-n", NETNS, "address", "add", *address.split(), "dev", DEVICE, "nodad")

    def know_neighbour(self, link_local, mac):
        """The kernel knows the prober, so that no reply of a peer's waits for that."""
        run("ip", "-n", NETNS, "neigh", "replace", link_local, "lladdr", mac, "dev", DEVICE, "nud", "permanent",
            check=False)

    def set_guests_kernel(self, takes_part):
        """For perfdhcp, which speaks through a kernel."""
        name = pathlib.Path(f"/proc/sys/net/ipv6/conf/{GUESTS_END}")
        (name / "accept_dad").write_text("0")
        (name / "disable_ipv6").write_text("0" if takes_part else "1")
        if takes_part:
            wait_for(lambda: "fe80::" in run("ip", "-6", "address", "show", "dev", GUESTS_END, "-tentative"))

    def start(self, command, environment=None):
        """Starts a server at the other end."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(self.in_netns(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env={**os.environ, **(environment or {})})

    def stop(self, process, patience=5.0):
        """Ends a server, by force if it takes too long."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def last_words(self):
        """The end of what servers wrote."""
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-3:])

    def introduce(self, count):
        """Every guest sends a Router Solicitation, by which the peers' kernel gets to know it (RFC 4861 §6.2.6) as it
        does with real guests; dnsmasq sleeps for a tenth of a second when the kernel does not know who asks."""
        rate = 10_000
        run(self.frontdesk, "bench", GUESTS_END, "--workload", "rs", "--guests", str(count), "--rate", str(rate),
            "--time", str(count / rate + 0.1), "--warm-up", "0", "--timeout", "1", check=False)

    def bench(self, workload, *, count, leases=None, pid=None, window=None, seconds=1.0, warm_up=0.3, storm=None,
              rate=None):
        """One run of the generator: so many exchanges under way, begun a second, or all of a storm; its report, or
        None with a word when there is none."""
        command = [self.frontdesk, "bench", GUESTS_END, "--json", "--workload", workload, "--guests", str(count),
                   "--time", str(seconds)]
        if storm is not None:
            command += ["--storm", str(storm)]
        else:
            pace = ["--window", str(window)] if rate is None else ["--rate", str(rate)]
            command += [*pace, "--warm-up", str(warm_up)]
        if workload == "relay":
            command += ["--link-address", LINK]
        if leases is not None:
            command += ["--leases", str(leases)]
        if pid is not None:
            command += ["--server-pid", str(pid)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            return json.loads(done.stdout)[0]
        except (ValueError, IndexError):
            say(f"    {workload}: {done.stderr.strip().splitlines()[-1:]}")
            return None


def resident(pid):
    """Memory of a process that is in RAM, MiB: what it shares with nobody else and what it shares."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def spent(pid):
    """Processor time of all threads of a process, seconds (as `frontdesk bench --server-pid` counts it)."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def now():
    """Seconds of a clock that nobody sets."""
    return time.monotonic()
