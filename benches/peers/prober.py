"""One guest that asks every two milliseconds, to see when a server begins to answer and when it tells the news.

Frames are written and read here, octet by octet, so that this does not depend on the program that it measures.
"""

import ipaddress
import socket
import struct
import time

import rig

EVERY = 0.002
ETHERTYPE_IPV6 = 0x86DD
SOLICIT, ADVERTISE = 1, 2
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
CLIENT_ID, IA_NA, OPTION_REQUEST, ELAPSED_TIME, IA_ADDRESS = 1, 3, 6, 8, 5


class Prober:
    """Speaks for one guest on the guests' end of the cable. `kind` is "solicit" or "rs"."""

    def __init__(self, guest, kind):
        self.mac = bytes.fromhex(guest.mac.replace(":", ""))
        eui = bytes([self.mac[0] ^ 2]) + self.mac[1:3] + b"\xff\xfe" + self.mac[3:]
        self.link_local = bytes.fromhex("fe80000000000000") + eui
        self.is_rs = kind == "rs"
        self.number = 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IPV6))
        self.socket.bind((rig.GUESTS_END, ETHERTYPE_IPV6))

    def close(self):
        self.socket.close()

    def address(self):
        """The guest's link-local address, as text."""
        return str(ipaddress.IPv6Address(self.link_local))

    def first_answer(self, ended, since, wanted=None):
        """Asks until the answer has the octets `wanted`, or any; (seconds since `since`, longest time without an
        answer), or (None, …) when patience is over or the server has `ended()`."""
        heard = since
        silence = 0.0
        asked = 0.0
        while (now := rig.now()) - since < rig.PATIENCE and not ended():
            if now - asked >= EVERY:
                asked = now
                self._send()
            self.socket.settimeout(max(1e-4, asked + EVERY - now))
            try:
                frame = self.socket.recv(2048)
            except (TimeoutError, OSError):
                continue
            answer = self._answer(frame)
            if answer is None:
                continue
            now = rig.now()
            silence = max(silence, now - heard)
            heard = now
            if wanted is None or wanted in answer:
                return now - since, silence
        return None, max(silence, rig.now() - heard)

    def quieten(self):
        """Reads away what came meanwhile."""
        self.socket.setblocking(False)
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            try:
                self.socket.recv(2048)
            except BlockingIOError:
                time.sleep(0.005)

    def _send(self):
        try:
            self.socket.send(self._router_solicitation() if self.is_rs else self._solicit())
        except OSError:  # the queue is full, or the other end is down for a moment
            pass

    def _frame(self, group, next_header, payload, hops):
        destination = ipaddress.IPv6Address(group).packed
        header = struct.pack("!IHBB", 6 << 28, len(payload), next_header, hops) + self.link_local + destination
        pseudo = self.link_local + destination + struct.pack("!IHBB", len(payload), 0, 0, next_header)
        at = 2 if next_header == 58 else 6
        payload = payload[:at] + struct.pack("!H", checksum(pseudo + payload)) + payload[at + 2 :]
        return b"\x33\x33" + destination[12:] + self.mac + struct.pack("!H", ETHERTYPE_IPV6) + header + payload

    def _router_solicitation(self):
        return self._frame("ff02::2", 58, bytes([ROUTER_SOLICITATION]) + bytes(7) + b"\x01\x01" + self.mac, 255)

    def _solicit(self):
        self.number = self.number + 1 & 0xFFFFFF
        message = bytes([SOLICIT]) + self.number.to_bytes(3, "big")
        message += option(CLIENT_ID, b"\x00\x03\x00\x01" + self.mac)
        message += option(ELAPSED_TIME, b"\x00\x00") + option(OPTION_REQUEST, b"\x00\x17\x00\x18")
        message += option(IA_NA, self.mac[2:] + bytes(8))
        return self._frame("ff02::1:2", 17, struct.pack("!HHHH", 546, 547, len(message) + 8, 0) + message, 1)

    def _answer(self, frame):
        """What was answered: the message's octets, or None when it is no answer with a lease to this guest."""
        if len(frame) < 62 or frame[:6] not in (self.mac, b"\x33\x33\x00\x00\x00\x01"):
            return None
        next_header, payload = frame[20], frame[54:]
        if self.is_rs:
            return payload if next_header == 58 and payload[0] == ROUTER_ADVERTISEMENT else None
        # Any source port: WIDE's is not 547.
        if next_header != 17 or payload[2:4] != struct.pack("!H", 546) or payload[8] != ADVERTISE:
            return None
        message = payload[8:]
        return message if address_of(message[4:]) is not None else None


def address_of(options):
    """The address of an Advertise's IA_NA, or None."""
    for code, data in walk(options):
        if code == IA_NA:
            for inner, value in walk(data[12:]):
                if inner == IA_ADDRESS:
                    return value[:16]
    return None


def walk(options):
    """Options one after the other."""
    while len(options) >= 4:
        code, length = struct.unpack("!HH", options[:4])
        yield code, options[4 : 4 + length]
        options = options[4 + length :]


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def checksum(octets):
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\x00"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
