"""The peers: how each is configured, started, and told that something changed.

All know the same guests by MAC (WIDE: by the DUID that is made of it), each with an address and, where the server can,
a prefix reserved for it, and all say the same DNS server and search list. Each is tuned as its own documentation
advises, which is cited where it is followed. Everything is in memory: nobody waits for a disk.
"""

import ipaddress
import json
import os
import pathlib
import shutil
import subprocess

import rig
from servers import DHCP, DOMAIN, Frontdesk, FrontdeskCompiled, Server, package


class Kea(Server):
    """Kea, with host reservations by MAC and a memfile as it is by default: leases are written to a file.

    The Kea Administrator Reference Manual 2.2, chapter 8 (The DHCPv6 Server), is followed in these sections:
    * "Fine-Tuning DHCPv6 Host Reservation": only identifiers that are used are looked up, all reserved addresses are
      out of the pools, and no global reservations are looked for.
    * "MAC/Hardware Addresses in DHCPv6": only the sources that are used; what a relay says first.
    * "Multi-Threading Settings With Different Database Backends": four threads and a queue of 150 each for memfile;
      as it says that this depends on the hardware, the fastest of that, two threads and none is taken (`threads`).
    * "Lease Caching", with the threshold of its example: a lease that was just given is not written again.
    Only warnings are logged.
    """

    name = "Kea"
    program = "kea-dhcp6"
    workloads = DHCP
    persist = True
    threads = 0

    def __init__(self, bench_rig):
        super().__init__(bench_rig)
        self.environment = {"KEA_PIDFILE_DIR": str(self.home), "KEA_LOCKFILE_DIR": str(self.home)}

    def version(self):
        return package("kea-dhcp6-server")

    def configure(self, ports, moved=False, relayed=False):
        database = {"type": "memfile", "persist": self.persist}
        if self.persist:
            database["name"] = str(self.file("leases.csv"))
        threads = {"enable-multi-threading": self.threads > 0}
        if self.threads:
            threads |= {"thread-pool-size": self.threads, "packet-queue-size": 150 * self.threads}
        config = {
            "interfaces-config": {"interfaces": [rig.DEVICE]},
            "lease-database": database,
            "server-id": {"type": "LL", "htype": 1, "identifier": rig.ROUTER_MAC.replace(":", ""), "persist": False},
            "host-reservation-identifiers": ["hw-address"],
            "mac-sources": ["client-link-addr-option", "duid"],
            "reservations-global": False,
            "reservations-in-subnet": True,
            "reservations-out-of-pool": True,
            "multi-threading": threads,
            "cache-threshold": 0.25,
            "valid-lifetime": 7200,
            "preferred-lifetime": 3600,
            "loggers": [{"name": "kea-dhcp6", "severity": "WARN", "output_options": [{"output": "stderr"}]}],
            "option-data": [{"name": "dns-servers", "data": rig.DNS}, {"name": "domain-search", "data": DOMAIN}],
            "subnet6": [{
                "id": 1, "subnet": rig.LINK + "/64", "interface": rig.DEVICE, "rapid-commit": True,
                # A subnet gives its reservations whether or not it has pools; there is nobody else here.
                "reservations": [
                    {"hw-address": guest.mac, "ip-addresses": [guest.address], "prefixes": [guest.prefix + "/64"]}
                    for guest in rig.guests(ports, moved)
                ],
            }],
        }
        with open(self.file("kea.json"), "w", encoding="ascii") as file:
            json.dump({"Dhcp6": config}, file)

    def forget(self):
        for file in self.home.glob("leases.csv*"):
            file.unlink()

    def command(self):
        return [self.program, "-c", self.file("kea.json")]


class KeaWithoutFile(Kea):
    """Kea whose leases are in memory only ("persist": false)."""

    name = "Kea without a lease file"
    persist = False


class Coredhcp(Server):
    """coredhcp, of Debian's source package, built here with Debian's Go, as its users build it.

    Its `file` plugin knows guests by MAC; it reads its file again when the kernel says that it changed
    (`autorefresh`). Its `prefix` plugin has no reservations, so prefixes come from a pool and are only checked for
    being one. https://github.com/coredhcp/coredhcp has no advice on speed; only warnings are logged. Now and then it
    answers with another client's identifier: it gives a request's buffer to the next one while it still reads from
    it (server/handle.go, `bufpool.Put`). Such answers are counted as wrong and not as exchanges.
    """

    name = "coredhcp"
    source = "github.com/coredhcp/coredhcp/cmds/coredhcp"
    workloads = DHCP

    def missing(self):
        if shutil.which("go") is None:
            return "golang-go is not installed"
        self.program = str(self.file("coredhcp"))
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "",
                       "GOCACHE": str(self.file("cache")), "HOME": str(self.home)}
        done = subprocess.run(["go", "build", "-o", self.program, self.source], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        shutil.rmtree(self.file("cache"), ignore_errors=True)
        return None if done.returncode == 0 else f"it cannot be built: {done.stdout.strip().splitlines()[-1:]}"

    def version(self):
        return package("golang-github-coredhcp-coredhcp-dev")

    def configure(self, ports, moved=False, relayed=False):
        # A change is written by `change`, into the file that is watched.
        if not moved:
            with open(self.file("leases.txt"), "w", encoding="ascii") as file:
                file.writelines(self.line(guest) for guest in rig.guests(ports))
        with open(self.file("config.yml"), "w", encoding="ascii") as file:
            file.write(f"""server6:
  listen: "[ff02::1:2%{rig.DEVICE}]:547"
  plugins:
    - server_id: LL {rig.ROUTER_MAC}
    - file: {self.file("leases.txt")} autorefresh
    - dns: {rig.DNS}
    - searchdomains: {DOMAIN}
    - prefix: 2001:db8:8000::/47 64
""")

    @staticmethod
    def line(guest):
        # Of one length, so that a change is one write, and the file is read once and whole.
        return f"{guest.mac} {ipaddress.IPv6Address(guest.address).exploded}\n"

    def command(self):
        return [self.program, "-c", self.file("config.yml"), "-L", "warning"]

    def change(self, process, ports):
        line = self.line(rig.guest(ports - 1, moved=True)).encode()
        with open(self.file("leases.txt"), "r+b", buffering=0) as file:
            file.seek(-len(line), os.SEEK_END)
            file.write(line)

    def is_checked(self, workload):
        return workload != "pd"


class Dhcpd(Server):
    """ISC dhcpd, with a host declaration for each MAC.

    ISC's "Synchronous Disk Writes and DHCP Performance Limitations" (kb.isc.org, AA-00373) is about the lease file:
    it is in memory here, where fsync(2) costs nothing, so `dont-use-fsync` (AA-01095, advised against) is not needed.
    Fixed addresses are in no lease file anyway. There is no syslog here to be waited for, of which AA-00373 warns too.
    Hash tables have the sizes that Debian built them with. "Whenever changes are made to the dhcpd.conf file, dhcpd
    must be restarted" (dhcpd(8), OPERATION).
    """

    name = "ISC dhcpd"
    program = "dhcpd"
    workloads = DHCP
    restarts = True

    def version(self):
        return package("isc-dhcp-server")

    def configure(self, ports, moved=False, relayed=False):
        with open(self.file("dhcpd.conf"), "w", encoding="ascii") as file:
            file.write(f"""default-lease-time 7200; preferred-lifetime 3600; option dhcp6.rapid-commit; authoritative;
log-facility local7;
option dhcp6.name-servers {rig.DNS}; option dhcp6.domain-search "{DOMAIN}";
subnet6 {rig.LINK}/64 {{ }}
""")
            file.writelines(
                f"host g{guest.number} {{ hardware ethernet {guest.mac}; fixed-address6 {guest.address}; "
                f"fixed-prefix6 {guest.prefix}/64; }}\n" for guest in rig.guests(ports, moved))
        self.file("leases").touch()

    def forget(self):
        self.file("leases").write_text("")

    def command(self):
        return [self.program, "-6", "-f", "-q", "-cf", self.file("dhcpd.conf"), "-lf", self.file("leases"),
                "-pf", self.file("pid"), "--no-pid", rig.DEVICE]


class Dnsmasq(Server):
    """dnsmasq, with a line for each MAC in --dhcp-hostsfile, which SIGHUP reads again (dnsmasq(8)).

    No DNS, no log of leases or advertisements (--quiet-dhcp6, --quiet-ra), and as many leases as there are guests
    (--dhcp-lease-max, 1000 by default). It writes its lease file whole after every change, into
    memory here. It has no prefix delegation.
    """

    name = "dnsmasq"
    program = "dnsmasq"
    workloads = ("rs", "exchange", "rapid-commit", "inform", "relay")
    is_router = True

    def version(self):
        return package("dnsmasq-base")

    def configure(self, ports, moved=False, relayed=False):
        with open(self.file("hosts"), "w", encoding="ascii") as file:
            file.writelines(f"{guest.mac},[{guest.address}]\n" for guest in rig.guests(ports, moved))

    def forget(self):
        self.file("leases").unlink(missing_ok=True)

    def lease_file(self):
        return [f"--dhcp-leasefile={self.file('leases')}"]

    def command(self):
        # It cannot take another group where there is no root.
        denied = pathlib.Path("/proc/self/setgroups").read_text().strip() == "deny"
        return [self.program, "--no-daemon" if denied else "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
                f"--interface={rig.DEVICE}", "--enable-ra", "--user=root", "--group=root", "--log-facility=-",
                "--quiet-dhcp6", "--quiet-ra", "--dhcp-lease-max=200000", "--pid-file",
                f"--dhcp-range={rig.LINK},static,64,2h", f"--dhcp-hostsfile={self.file('hosts')}",
                f"--dhcp-option=option6:dns-server,[{rig.DNS}]", f"--dhcp-option=option6:domain-search,{DOMAIN}",
                "--dhcp-rapid-commit", *self.lease_file()]


class DnsmasqWithoutFile(Dnsmasq):
    """dnsmasq that keeps its leases in memory only (--leasefile-ro)."""

    name = "dnsmasq without a lease file"

    def lease_file(self):
        return ["--leasefile-ro"]


class Radvd(Server):
    """radvd, which answers by unicast (AdvRASolicitedUnicast) as often as it is asked; `ns` is its kernel's answer.

    The same RA is for every guest, so the number of ports makes no difference to it. SIGHUP reads its configuration
    again (radvd(8)).
    """

    name = "radvd"
    program = "radvd"
    workloads = ("rs", "ns")
    kind, main = "rs", "rs"
    is_router = True

    def version(self):
        return package("radvd")

    def configure(self, ports, moved=False, relayed=False):
        self.file("radvd.conf").write_text(f"""interface {rig.DEVICE} {{
  AdvSendAdvert on; AdvManagedFlag on; AdvRASolicitedUnicast on; AdvDefaultLifetime 1800;
  prefix {rig.LINK}/64 {{ AdvAutonomous off; }};
  RDNSS {rig.OTHER_DNS if moved else rig.DNS} {{ }}; DNSSL {DOMAIN} {{ }};
}};
""")

    def command(self):
        return [self.program, "-n", "-C", self.file("radvd.conf"), "-p", self.file("pid"), "-m", "stderr"]

    def wanted(self):
        return lambda ports: ipaddress.IPv6Address(rig.OTHER_DNS).packed


class Wide(Server):
    """WIDE dhcp6s, with a host for each DUID, as it knows no MACs: address and prefix.

    dhcp6s.conf(5) has no advice on speed. `dhcp6ctl reload` asks for a control key (dhcp6s(8), -k); it ends the
    server's leases, but not its sockets. It does not read relays' RFC 6939 option, which it does not need: the DUID
    is in the message.
    """

    name = "WIDE dhcp6s"
    program = "dhcp6s"
    workloads = DHCP

    def version(self):
        return package("wide-dhcpv6-server")

    def configure(self, ports, moved=False, relayed=False):
        self.file("key").write_text("c2VjcmV0\n")
        with open(self.file("dhcp6s.conf"), "w", encoding="ascii") as file:
            file.write(f'option domain-name-servers {rig.DNS};\noption domain-name "{DOMAIN}";\n'
                       f"interface {rig.DEVICE} {{ allow rapid-commit; }};\n")
            file.writelines(
                f"host g{guest.number} {{ duid {guest.duid}; address {guest.address} 3600 7200; "
                f"prefix {guest.prefix}/64 3600 7200; }};\n" for guest in rig.guests(ports, moved))

    def command(self):
        return [self.program, "-f", "-c", self.file("dhcp6s.conf"), "-k", self.file("key"), "-P", self.file("pid"),
                rig.DEVICE]

    def change(self, process, ports):
        rig.run(*self.rig.in_netns("dhcp6ctl", "-S", "-k", self.file("key"), "reload"))


class Odhcpd(Server):
    """odhcpd, OpenWrt's, which Debian does not have: ODHCPD names the program.

    A `host` section for each MAC with its host id (its README); SIGHUP reads the configuration again. It delegates
    parts of the prefixes that its own device has, not reserved ones. It is not asked through a relay: what it sends
    back is malformed when options follow the Relay Message option, as the generator's Interface-Id does.
    """

    name = "odhcpd"
    workloads = ("rs", *(workload for workload in DHCP if workload != "relay"))
    is_router = True
    # Where prefixes are delegated from. Addresses are of the prefix that is preferred for longer (dhcpv6_assignall).
    addresses = ("2001:db8:8000::1/33 valid_lft 900000 preferred_lft 900000",)

    def missing(self):
        self.program = os.environ.get("ODHCPD", "")
        return None if self.program else "Debian has none: name one by ODHCPD"

    def configure(self, ports, moved=False, relayed=False):
        folder = self.file("config")
        folder.mkdir(exist_ok=True)
        with open(folder / "dhcp", "w", encoding="ascii") as file:
            file.write(f"""config odhcpd odhcpd
	option maindhcp 0
	option loglevel 3
config dhcp lan
	option interface lan
	option ifname {rig.DEVICE}
	option ra server
	option dhcpv6 server
	option ra_default 2
	option dhcpv6_assignall 0
	list ra_flags managed-config
	option ra_slaac 0
	list dns {rig.DNS}
	list domain {DOMAIN}
""")
            file.writelines(
                f"config host\n\tlist mac {guest.mac}\n\toption hostid {host_id(guest.address)}\n"
                for guest in rig.guests(ports, moved))

    def command(self):
        return [self.program, "-f", "-l", "3", "-c", self.file("config")]

    def is_checked(self, workload):
        return workload != "pd"


def host_id(address):
    """The lower half of an address."""
    return f"{int(ipaddress.IPv6Address(address)) & (1 << 64) - 1:x}"


ALL = (Frontdesk, FrontdeskCompiled, Kea, KeaWithoutFile, Coredhcp, Dhcpd, Dnsmasq, DnsmasqWithoutFile, Radvd, Wide,
       Odhcpd)
