"""Processes of images on a plain event loop: no pod, no stack of ours, loopback of the kernel."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from podruntime.images.busybox import APPLETS
from podruntime.images.filesystem import FileSystem
from podruntime.images.process import Echoed, Octets, Process, find_program


class FakePingSocket:
    """Every reply comes from two hops away."""

    def __init__(self, answers):
        self.answers = answers

    async def ping(self, sequence, payload, timeout_s):
        return Echoed(0.001 * (sequence + 1), 62) if self.answers else None


class FakeNetwork:
    """A pod's interface whose only neighbour answers pings in 1 ms."""

    name, mac, mtu = "eth0", "0a:58:0a:f4:01:02", 1450
    interfaces = (IPv4Interface("10.244.1.2/24"),)
    gateways = (IPv4Address("10.244.1.1"),)

    def listening(self):
        return [("tcp", "0.0.0.0", 80), ("udp", "0.0.0.0", 53)]

    def sockets(self):
        row = {"protocol": "tcp", "recv_q": 0, "send_q": 128}
        listening = {"state": "LISTEN", "local": "*:80", "remote": "*:*"}
        connected = {"state": "ESTAB", "local": "10.244.1.2:80", "remote": "10.244.1.3:40000"}
        return [{**row, **listening}, {**row, "send_q": 0, **connected}]

    def neighbours(self):
        known = ("10.244.1.1", "0a:58:0a:f4:01:01", "REACHABLE")
        return [known, ("10.244.1.9", "", "INCOMPLETE")]

    def counters(self):
        return {"rx_packets": 1, "rx_octets": 60, "tx_packets": 2, "tx_octets": 120}

    @contextmanager
    def ping_socket(self, address):
        yield FakePingSocket(address in self.gateways)

    async def probe(self, params):
        if params["source"] not in ("", "10.244.1.2"):
            raise OSError(99, "Cannot assign requested address")
        router, count = str(self.gateways[0]), params.get("count", 1)
        kind, address = ("time-exceeded", router) if params["hop_limit"] == 1 else (
            "refused", params["address"])  # fmt: skip
        answer = {"kind": kind, "address": address, "rtt_s": 0.001}
        return {"answers": [answer] * count}


class FakeDualNetwork(FakeNetwork):
    """The same with both families."""

    interfaces = (*FakeNetwork.interfaces, IPv6Interface("fd00:10:244:1::2/64"))
    gateways = (*FakeNetwork.gateways, IPv6Address("fd00:10:244:1::1"))

    def listening(self):
        return [("tcp", "::", 80)]


def process(
    argv, *, stdin=b"", env=None, files=None, programs=APPLETS, network=FakeNetwork
) -> Process:
    directory = tempfile.mkdtemp()
    container = FileSystem(directory, files or {})
    weakref.finalize(container, shutil.rmtree, directory)
    return Process(
        argv=list(argv),
        env=dict(env or {}),
        cwd="/",
        files=container,
        stdin=Octets(stdin),
        stdout=Octets(),
        stderr=Octets(),
        hostname="pod-1",
        network=network(),
        programs=programs,
    )


async def run(argv, **options) -> tuple[int, str, str]:
    """Run a program; return status, stdout, stderr."""
    made = process(argv, **options)
    program = find_program(made.programs, argv[0])
    assert program is not None
    status = await program(made)
    return status, made.stdout.taken().decode(), made.stderr.taken().decode()


async def sh(script, *arguments, **options) -> tuple[int, str, str]:
    """Run a script in a shell."""
    return await run(["sh", "-c", script, "sh", *arguments], **options)
