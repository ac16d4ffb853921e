"""Frames per second through one process, against C, and over the number of Services.

A compiled sender writes single-frame messages into a veth as fast as they are taken, so the time
for N frames is the forwarder's. The C forwarder does one recvfrom and one sendto per frame and
looks at nothing; the datapath does conntrack, DNAT of a ClusterIP to a pod of another node, TTL and
checksums. Both send VXLAN over UDP to a socket that nobody reads. Pairs of runs alternate, and the
median of the ratios counts, because a machine's speed changes from second to second.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import msgpack

from benchmarks.row import Row
from componentbase import rpc
from netstack.wire import ipv4, udp
from netstack.wire.ethernet import ETHERTYPE_IPV4, Ethernet, parse_mac

_FRAMES: Final = 150_000
_PAIRS: Final = 5
_FLOWS: Final = 64
_FRAME_OCTETS: Final = 1450
_RATIO_TO_C: Final = 0.4
_RATIO_OF_SERVICES: Final = 1.1
_LOCAL, _REMOTE = "127.79.1.1", "127.79.1.2"
_BRIDGE_MAC: Final = b"\x0a\x57" + IPv4Address("192.168.64.1").packed
_POD_MAC: Final = "0a:58:0a:f4:01:05"
_SERVICE: Final = "10.96.0.10"


def run() -> Iterator[Row]:
    """Measure, if there is a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        yield Row("Forwarding against C", "skipped", "", None, "no C compiler")
        return
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as name:
        bench = _Bench(Path(name), compiler)
        yield from bench.against_c()
        yield from bench.over_services()


class _Bench:
    def __init__(self, directory: Path, compiler: str) -> None:
        self._directory = directory
        self._binary = directory / "forwarder"
        source = Path(__file__).with_name("forwarder.c")
        subprocess.run([compiler, "-O2", "-o", self._binary, source], check=True)
        (directory / "hello").write_bytes(msgpack.packb({"interface": "veth5"}))
        frames = b"".join(_record(_frame(number)) for number in range(_FLOWS))
        (directory / "frames").write_bytes(frames)

    def against_c(self) -> Iterator[Row]:
        ratios, rates = [], []
        for _ in range(_PAIRS):
            with self._c_forwarder() as path:
                in_c = self._send(path)
            with self._datapath(services=10) as path:
                ours = self._send(path)
            ratios.append(in_c / ours)
            rates.append(_FRAMES / ours)
        ratio = statistics.median(ratios)
        yield Row(
            f"Single frames of {_FRAME_OCTETS} octets, conntrack and DNAT, of what C does without",
            f"{ratio:.2f}",
            f"≥ {_RATIO_TO_C}",
            ratio >= _RATIO_TO_C,
            f"{statistics.median(rates) / 1000:.0f} k frames/s",
        )

    def over_services(self) -> Iterator[Row]:
        ratios = []
        for _ in range(_PAIRS):
            with self._datapath(services=10) as path:
                few = self._send(path)
            with self._datapath(services=5000) as path:
                many = self._send(path)
            ratios.append(many / few)
        ratio = statistics.median(ratios)
        yield Row(
            "Cost of a frame with 5,000 Services, of that with 10",
            f"{ratio:.2f}",
            f"≤ {_RATIO_OF_SERVICES}",
            ratio <= _RATIO_OF_SERVICES,
        )

    def _send(self, veth: Path) -> float:
        """Return the seconds that the frames took."""
        arguments = [veth, self._directory / "hello", self._directory / "frames"]
        began = time.perf_counter()
        subprocess.run([self._binary, "sender", *arguments, str(_FRAMES)], check=True)
        return time.perf_counter() - began

    @contextmanager
    def _c_forwarder(self) -> Iterator[Path]:
        veth = self._directory / "c.sock"
        veth.unlink(missing_ok=True)
        with (
            _sink(),
            subprocess.Popen([str(self._binary), "forwarder", str(veth), _LOCAL, _REMOTE]) as c,
        ):
            while not veth.exists():
                time.sleep(0.01)
            yield veth
            c.wait(timeout=10)

    @contextmanager
    def _datapath(self, *, services: int) -> Iterator[Path]:
        config = {
            "node_name": "node-1",
            "internal_ip": "192.168.64.1",
            "transport_map": {"192.168.64.0/24": "127.79.1.0/24"},
            "directory": str(self._directory),
            "host_address": "192.168.64.254",
        }
        path = self._directory / "config.json"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "nodeagent.datapath", str(path)]
        with _sink(), subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                asyncio.run(_program(self._directory / "netlink.sock", services))
                yield self._directory / "veth.sock"
            finally:
                process.terminate()


@contextmanager
def _sink() -> Iterator[None]:
    """Be the other node: there, but not listening."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((_REMOTE, 4789))
        yield


async def _program(path: Path, services: int) -> None:
    """Fill the tables: two nodes, a pod, and as many Services as asked for."""
    netlink = await rpc.connect_retrying(path)
    remote_mac = "ee:00:00:00:00:02"
    chance = random.Random(services)
    frontends = [
        {
            "address": f"10.96.{1 + number // 250}.{1 + number % 250}",
            "port": 80,
            "protocol": "UDP",
            "service": f"default/service-{number}",
            "backends": [{"address": f"10.244.2.{chance.randint(2, 250)}", "port": 8080}],
        }
        for number in range(services - 1)
    ]
    frontends.append(
        {
            "address": _SERVICE,
            "port": 80,
            "protocol": "UDP",
            "service": "default/web",
            "backends": [{"address": f"10.244.2.{host}", "port": 8080} for host in range(2, 12)],
        }
    )
    tables: dict[str, list[dict[str, object]]] = {
        "vtep": [
            {"name": "flannel.1", "vni": 1, "mac": "ee:00:00:00:00:01", "local": "192.168.64.1"}
        ],
        "address": [
            {"address": "10.244.1.1/24", "device": "cni0"},
            {"address": "10.244.1.0/32", "device": "flannel.1"},
        ],
        "route": [{"destination": "10.244.2.0/24", "device": "flannel.1", "via": "10.244.2.0"}],
        "neighbour": [{"address": "10.244.2.0", "device": "flannel.1", "mac": remote_mac}],
        "fdb": [{"mac": remote_mac, "device": "flannel.1", "remote": "192.168.64.2"}],
        "link": [{"name": "veth5", "mac": _POD_MAC, "address": "10.244.1.5/24"}],
        "frontend": frontends,
    }
    for table, entries in tables.items():
        await netlink.call(f"{table}_replace", {"entries": entries})
    await netlink.close()


def _frame(flow: int) -> bytes:
    """Return a datagram from the pod to the Service, of the *flow*-th socket."""
    payload = _FRAME_OCTETS - 14 - ipv4.HEADER_OCTETS - udp.HEADER_OCTETS
    header = ipv4.Ipv4(
        source=IPv4Address("10.244.1.5"),
        destination=IPv4Address(_SERVICE),
        protocol=ipv4.PROTOCOL_UDP,
        payload_length=udp.HEADER_OCTETS + payload,
    )
    datagram = udp.Udp(40000 + flow, 80, bytes(payload))
    ethernet = Ethernet(_BRIDGE_MAC, parse_mac(_POD_MAC), ETHERTYPE_IPV4)
    return ethernet.emit() + header.emit() + datagram.emit(header.source, header.destination)


def _record(frame: bytes) -> bytes:
    return len(frame).to_bytes(2, "big") + frame
