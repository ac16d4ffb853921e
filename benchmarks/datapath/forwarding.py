"""Frames per second through one process, against C, and over the number of Services and policies.

A compiled sender writes messages into a veth as fast as they are taken, so the time for N frames is
the forwarder's. The C forwarders take single frames and look at nothing: one recvfrom and one
sendto per frame, or 64 at a time by recvmmsg and sendmmsg. The datapath does conntrack, DNAT of a
ClusterIP to a pod of another node, TTL and checksums; *batched*, a message holds 45 frames of 64
flows in turn, and they leave by UDP_SEGMENT. All send VXLAN over UDP to a socket that nobody reads;
it has UDP_GRO, as a node's has, so the kernel need not cut what the receiver would join again. To a
single datagram that makes no difference. Runs alternate, and the median of the ratios counts,
because a machine's speed changes from second to second.

Firewall hooks of the machine would cost a third of the rate, so everything happens in a network
namespace of its own where one may be made.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
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

from benchmarks.datapath import impaired, namespace
from benchmarks.row import Row
from componentbase import rpc
from netdev import framing
from netstack.wire import ipv4, udp
from netstack.wire.ethernet import ETHERTYPE_IPV4, Ethernet, parse_mac

_SOL_UDP, _UDP_GRO = 17, 104
_FRAMES: Final = 120_000
_ROUNDS: Final = 5
_FLOWS: Final = 64
_FRAME_OCTETS: Final = 1450
_BATCH: Final = 45
_MESSAGES: Final = 16
_RATIO_TO_C: Final = 0.5
_RATIO_BATCHED: Final = 2.5
_RATIO_OF_TABLES: Final = 1.1
_LOCAL, _REMOTE = "127.79.1.1", "127.79.1.2"
_BRIDGE_MAC: Final = b"\x0a\x57" + IPv4Address("192.168.64.1").packed
_POD_MAC: Final = "0a:58:0a:f4:01:05"
_SERVICE: Final = "10.96.0.10"


@dataclasses.dataclass(frozen=True, slots=True)
class _Size:
    """How much the tables hold."""

    services: int
    policies: int


_FEW: Final = _Size(services=10, policies=1)
_MANY: Final = _Size(services=10_000, policies=1_000)


def run() -> Iterator[Row]:
    """Measure; what is held against C only if there is a compiler."""
    yield from impaired.rows()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        yield Row("Forwarding against C", "skipped", "", None, "no C compiler")
        return
    command = [sys.executable, "-m", "benchmarks.datapath", compiler]
    for words in namespace.WAYS:
        if namespace.allowed(words):
            command = [*words, *command]
            break
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as measuring:
        assert measuring.stdout is not None
        for line in measuring.stdout:
            yield Row(**json.loads(line))
    if measuring.returncode:
        raise SystemExit("measuring the datapath failed")


def measure(compiler: str) -> None:
    """Measure here and print rows as JSON."""
    namespace.loopback_up()
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as name:
        bench = _Bench(Path(name), compiler)
        for row in (*bench.against_c(), *bench.over_tables()):
            print(json.dumps(dataclasses.asdict(row)), flush=True)


class _Bench:
    def __init__(self, directory: Path, compiler: str) -> None:
        self._directory = directory
        self._binary = directory / "forwarder"
        source = Path(__file__).with_name("forwarder.c")
        subprocess.run([compiler, "-O2", "-o", self._binary, source], check=True)
        (directory / "hello").write_bytes(msgpack.packb({"interface": "veth5"}))
        frames = [_frame(number) for number in range(_FLOWS)]
        self._write("single", [[frame] for frame in frames])
        in_turn = itertools.cycle(frames)
        batches = [list(itertools.islice(in_turn, _BATCH)) for _ in range(_MESSAGES)]
        self._write("batched", batches)

    def _write(self, name: str, batches: list[list[bytes]]) -> None:
        messages = [message for batch in batches for message in framing.encode_batch(batch)]
        records = (len(message).to_bytes(4, "big") + message for message in messages)
        (self._directory / name).write_bytes(b"".join(records))

    def against_c(self) -> Iterator[Row]:
        took: dict[str, list[float]] = {"C": [], "C, many": [], "single": [], "batched": []}
        for _ in range(_ROUNDS):
            with self._c_forwarder("forwarder") as path:
                took["C"].append(self._send(path))
            with self._c_forwarder("mforwarder") as path:
                took["C, many"].append(self._send(path))
            with self._datapath(_FEW) as path:
                took["single"].append(self._send(path))
            with self._datapath(_FEW) as path:
                took["batched"].append(self._send(path, batch=_BATCH))
        for what, goal, least in (
            (
                f"single frames of {_FRAME_OCTETS} octets, conntrack, DNAT and policy",
                "single",
                _RATIO_TO_C,
            ),
            ("the same in batches", "batched", _RATIO_BATCHED),
            ("C with recvmmsg and sendmmsg, without any of that", "C, many", None),
        ):
            ratio = statistics.median(
                in_c / ours for in_c, ours in zip(took["C"], took[goal], strict=True)
            )
            yield Row(
                f"{what}, of what C does with recvfrom and sendto",
                f"{ratio:.2f}",
                "" if least is None else f"≥ {least}",
                None if least is None else ratio >= least,
                f"{_FRAMES / statistics.median(took[goal]) / 1000:.0f} k frames/s",
            )

    def over_tables(self) -> Iterator[Row]:
        ratios = []
        for _ in range(_ROUNDS):
            with self._datapath(_FEW) as path:
                few = self._send(path)
            with self._datapath(_MANY) as path:
                many = self._send(path)
            ratios.append(many / few)
        ratio = statistics.median(ratios)
        yield Row(
            f"cost of a frame with {_MANY.services:,} Services and {_MANY.policies:,} policies, "
            f"of that with {_FEW.services} and {_FEW.policies}",
            f"{ratio:.2f}",
            f"≤ {_RATIO_OF_TABLES}",
            ratio <= _RATIO_OF_TABLES,
        )

    def _send(self, veth: Path, *, batch: int = 1) -> float:
        """Return the seconds that the frames took."""
        messages = self._directory / ("single" if batch == 1 else "batched")
        arguments = [str(veth), str(self._directory / "hello"), str(messages)]
        began = time.perf_counter()
        subprocess.run([self._binary, "sender", *arguments, str(_FRAMES // batch)], check=True)
        return time.perf_counter() - began

    @contextmanager
    def _c_forwarder(self, which: str) -> Iterator[Path]:
        veth = self._directory / "c.sock"
        veth.unlink(missing_ok=True)
        with (
            _sink(),
            subprocess.Popen([str(self._binary), which, str(veth), _LOCAL, _REMOTE]) as c,
        ):
            while not veth.exists():
                time.sleep(0.01)
            yield veth
            c.wait(timeout=10)

    @contextmanager
    def _datapath(self, size: _Size) -> Iterator[Path]:
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
                asyncio.run(_program(self._directory / "netlink.sock", size))
                yield self._directory / "veth.sock"
            finally:
                process.terminate()


@contextmanager
def _sink() -> Iterator[None]:
    """Be the other node: there, but not listening."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        other.bind((_REMOTE, 4789))
        yield


async def _program(path: Path, size: _Size) -> None:
    """Fill the tables: two nodes, a pod, as many Services, and policies that isolate the pod."""
    netlink = await rpc.connect_retrying(path)
    remote_mac = "ee:00:00:00:00:02"
    chance = random.Random(size.services)
    frontends = [
        {
            "address": f"10.96.{1 + number // 250}.{1 + number % 250}",
            "port": 80,
            "protocol": "UDP",
            "service": f"default/service-{number}",
            "backends": [{"address": f"10.244.2.{chance.randint(2, 250)}", "port": 8080}],
        }
        for number in range(size.services - 1)
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
        "policy": [_policies(size.policies)],
    }
    for table, entries in tables.items():
        await netlink.call(f"{table}_replace", {"entries": entries})
    await netlink.close()


def _policies(number: int) -> dict[str, object]:
    """Isolate the pod by *number* policies; only the last allows what it sends."""
    names = [f"NetworkPolicy default/policy-{each:04}" for each in range(number)]
    port = {"protocol": "UDP", "first": 8080, "last": 8080}
    rules: list[dict[str, object]] = [
        {
            "policy": name,
            "ports": [port],
            "blocks": [{"cidr": f"10.244.{3 + index % 250}.0/24", "excluded": []}],
        }
        for index, name in enumerate(names[:-1])
    ]
    rules.append({"policy": names[-1], "ports": [port], "blocks": [{"cidr": "10.244.2.0/24"}]})
    tier = {"tier": "NetworkPolicy", "isolated_by": names, "rules": rules}
    return {"pod": "default/pod", "addresses": ["10.244.1.5"], "egress": [tier]}


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
