"""What the measurements need to know of a server, and Frontdesk as one."""

import ipaddress
import re
import shutil
import subprocess

import rig

DOMAIN = "example.com"
DHCP = ("exchange", "rapid-commit", "inform", "pd", "relay")


class Server:
    """What the measurements need to know of a server."""

    name = ""
    program = ""
    # What it can answer; `ns` is in no peer's list but radvd's, as it is the kernel's answer, whoever runs.
    workloads = ()
    # How the prober asks, and what is played where one workload must do.
    kind, main = "solicit", "exchange"
    # It says who the router is, so that guests can boot by it alone.
    is_router = False
    # The kernel of its side has IPv6; addresses that it needs beside that of the link.
    needs_kernel, addresses = True, ()
    # It cannot be told of a change, so it is started anew.
    restarts = False
    environment = {}

    def __init__(self, bench_rig):
        self.rig = bench_rig
        self.home = bench_rig.home / re.sub(r"\W+", "-", self.name)
        self.home.mkdir(exist_ok=True)

    def missing(self):
        """Why it cannot run here, or None."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self):
        return ""

    def file(self, name):
        return self.home / name

    def configure(self, ports, moved=False, relayed=False):
        """Writes its configuration for so many guests; if `moved`, the last of them has another address."""
        raise NotImplementedError

    def forget(self):
        """Takes away the leases of the run before."""

    def command(self):
        raise NotImplementedError

    def wanted(self):
        """Octets of an answer that tells the news, once the last guest was moved."""
        return lambda ports: ipaddress.IPv6Address(rig.MOVED_ADDRESS + ports - 1).packed

    def change(self, process, ports):
        """From a written change to the word that tells the server; none when it must be started anew."""
        process.send_signal(1)  # SIGHUP

    def is_checked(self, workload):
        """Whether what it gives is held against the lease table: it has reservations of that kind."""
        return True


def package(name):
    """The upstream version of a Debian package; of a snapshot, its date."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    snapshot = re.search(r"git\.?(\d{8})", done.stdout)
    return snapshot.group(1) if snapshot else re.sub(r"^\d+:|[-+].*$", "", done.stdout) or "?"


class Frontdesk(Server):
    """The lease source as it is, read at the start and at every change."""

    name = "Frontdesk"
    workloads = ("rs", "ns", *DHCP)
    is_router = True
    needs_kernel = False

    def __init__(self, bench_rig):
        super().__init__(bench_rig)
        self.program = bench_rig.frontdesk

    def version(self):
        return rig.run(self.program, "--version").split()[-1]

    def leases(self):
        return self.file("leases.toml")

    def configure(self, ports, moved=False, relayed=False):
        with open(self.leases(), "w", encoding="ascii") as file:
            file.write(lease_source(ports, moved, relayed))

    def command(self):
        return [self.program, "run", "--leases", self.leases(), "--attach", rig.DEVICE, "--ring-frames", "4096",
                "--log-level", "warn"]


class FrontdeskCompiled(Frontdesk):
    """A compiled table, as the README advises for large ones; a change is compiled before it is told."""

    name = "Frontdesk from a compiled table"
    workloads = ()

    def configure(self, ports, moved=False, relayed=False):
        super().configure(ports, moved, relayed)
        if not moved:
            self.compile()

    def compile(self):
        rig.run(self.program, "compile", str(self.leases()), "-o", str(self.file("leases.table")))

    def command(self):
        return [str(self.file("leases.table")) if part == self.leases() else part for part in super().command()]

    def change(self, process, ports):
        self.compile()
        super().change(process, ports)


def lease_source(ports, moved=False, relayed=False):
    """The lease source that says what every guest must get, whoever the server is."""
    relay = f'[relay]\ndevices = ["{rig.DEVICE}"]\n' if relayed else ""
    head = f"""version = 1
[server]
cloud = "bench"
{relay}[networks.bench]
router = {{ mac_address = "{rig.ROUTER_MAC}", lifetime = 1800 }}
dns_nameservers = ["{rig.DNS}"]
dns_domains = ["{DOMAIN}"]
[[networks.bench.subnets]]
cidr = "{rig.LINK}/64"
ipv6_ra_mode = "dhcpv6-stateful"
ipv6_address_mode = "dhcpv6-stateful"
"""
    # The guests' end itself, as which all clients of perfdhcp come.
    own = f'[[ports]]\nmac_address = "{rig.GUESTS_MAC}"\nnetwork = "bench"\nfixed_ips = ["{rig.LINK}2"]\n'
    return head + own + "".join(
        f'[[ports]]\nmac_address = "{guest.mac}"\nnetwork = "bench"\nfixed_ips = ["{guest.address}"]\n'
        f'delegated_prefixes = ["{guest.prefix}/64"]\n' for guest in rig.guests(ports, moved))
