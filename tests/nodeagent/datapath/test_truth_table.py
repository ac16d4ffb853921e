"""The truth table of policies, row by row, by packets through two nodes' datapaths.

The rows follow each other in one world, as changes of one cluster: what a row applies that the next
one has not goes, and what both have stays. Each probe is the first packet of a connection; it
arrives at its pod or it does not. What `podwire policy` says of it is compared with that.
"""

from __future__ import annotations

import json
import re
import struct
from collections import defaultdict
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import product

import msgspec
import policy_rows
import pytest
from admin_policy_rows import ADMIN_ROWS
from e2e_policy_rows import E2E_ROWS
from policy_rows import ADDRESSES, NAMESPACES, NODES, PORTS, PROBES, PROTOCOLS

from kubeapi.objects import key_of
from kubeapi.resources import ALL, PODS
from kubeapi.resources import NAMESPACES as NAMESPACE
from kubeapi.resources import NODES as NODE
from netstack.addresses import IpAddress
from netstack.wire import checksum
from nodeagent.datapath import tables
from nodeagent.datapath.drops import DropReason
from nodeagent.policy.compiler import Compiler
from nodeagent.policy.evaluation import NEEDED, Evaluation, Flow
from nodeagent.policy.front_ends import FRONT_ENDS

ROWS = (*policy_rows.ROWS, *ADMIN_ROWS, *E2E_ROWS)
_NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_KINDS = {resource.kind: resource for resource in ALL}
_SOURCE_PORT = 40000


_ETHERTYPES = {4: b"\x08\x00", 6: b"\x86\xdd"}


def _address(pod: str, family: int) -> IpAddress:
    """Return a pod's address: 10.244.N.M, or fd00:10:244:N::M."""
    text = ADDRESSES[pod]
    if family == 4:
        return IPv4Address(text)
    node, number = text.split(".")[2:]
    return IPv6Address(f"fd00:10:244:{node}::{number}")


def _mac(pod: str) -> bytes:
    return b"\x0a\x58" + IPv4Address(ADDRESSES[pod]).packed


def _transport(probe, addresses: bytes) -> bytes:
    """Return a SYN, a datagram or an INIT, to the probe's port."""
    _, _, port, protocol = probe
    if protocol == "SCTP":  # Nothing on the way looks at its CRC.
        return struct.pack("!HHIIBBHIIHHI", _SOURCE_PORT, port, 0, 0, 1, 0, 20, 7, 65535, 1, 1, 7)
    if protocol == "UDP":
        plain = struct.pack("!HHHH", _SOURCE_PORT, port, 8, 0)
    else:
        plain = struct.pack("!HHIIBBHHH", _SOURCE_PORT, port, 7, 0, 0x50, 2, 65535, 0, 0)
    total = checksum.add(addresses) + _NUMBERS[protocol] + len(plain) + checksum.add(plain)
    at = 6 if protocol == "UDP" else 16
    return plain[:at] + struct.pack("!H", checksum.finish(total)) + plain[at + 2 :]


def _frame(probe, router: bytes, family: int) -> bytes:
    """Return the probe as its pod sends it: to a neighbour on its bridge, or to the router."""
    source, destination, _, protocol = probe
    addresses = _address(source, family).packed + _address(destination, family).packed
    payload = _transport(probe, addresses)
    if family == 6:
        header = struct.pack("!IHBB", 6 << 28, len(payload), _NUMBERS[protocol], 64)
    else:
        size, number = 20 + len(payload), _NUMBERS[protocol]
        header = struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0, 64, number, 0)
        total = checksum.finish(checksum.add(header + addresses))
        header = header[:10] + struct.pack("!H", total)
    near = NODES[source] == NODES[destination]
    macs = (_mac(destination) if near else router) + _mac(source)
    return macs + _ETHERTYPES[family] + header + addresses + payload


class _Ear:
    """A pod that only listens."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def receive_frames(self, frames, _now) -> None:
        self.heard += frames

    def frames_to_send(self) -> list[bytes]:
        return []

    def deadline(self) -> float:
        return float("inf")


class Lab:
    """A world whose pods are those of the table, and an agent's compiler for each node."""

    def __init__(self, world, family: int) -> None:
        self.world, self.family, self.ears = world, family, {}
        self.compilers = {number: Compiler(f"node-{number}") for number in world.nodes}
        for pod, number in NODES.items():
            self._add_pod(pod, number)
        self.objects = {}
        self.frames = {
            probe: _frame(probe, world.nodes[NODES[probe[0]]].bridge.mac, family)
            for probe in PROBES
        }

    def _add_pod(self, pod: str, number: int) -> None:
        name, address = f"veth{pod.replace('/', '')}", str(_address(pod, self.family))
        mac = _mac(pod).hex(":")
        which = {"address": f"{address}/24"} if self.family == 4 else {"address6": f"{address}/64"}
        control, node = self.world.controls[number], self.world.nodes[number]
        control.link_replace([tables.Link(name=name, mac=mac, **which)])
        control.neighbour_replace([tables.Neighbour(address=address, device="cni0", mac=mac)])
        port, self.ears[pod] = node.ports[name], _Ear()
        port.connected = True
        self.world.stacks[name] = node, port, self.ears[pod]

    def tell(self, row) -> Evaluation:
        """Let the cluster be as *row* has it; return what the command line would know."""
        objects = {}
        for obj in [*_namespaces(row), *_pods(row, self.family), *row.policies]:
            objects[obj["kind"], key_of(obj)] = obj
        for compiler in self.compilers.values():
            for kind, key in self.objects:
                if (kind, key) not in objects:
                    compiler.policy_deleted(kind, key)
            for (kind, key), obj in objects.items():
                if self.objects.get((kind, key)) != obj:
                    _told(compiler, kind, obj)
        self.objects = objects
        for number, compiler in self.compilers.items():
            self._program(self.world.controls[number], compiler.changes())
        found = {resource: [] for resource in NEEDED}
        for (kind, _), obj in objects.items():
            found[_KINDS[kind]].append(obj)
        return Evaluation({**found, NODE: []})

    def _program(self, control, changes) -> None:
        control.address_set_replace(
            [
                tables.AddressSet(name=name, addresses=addresses)
                for name, addresses in changes.sets.items()
                if addresses is not None
            ]
        )
        entries = [entry for entry in changes.pods.values() if entry is not None]
        control.policy_replace(msgspec.convert(entries, list[tables.Policy]))
        control.policy_delete([pod for pod, entry in changes.pods.items() if entry is None])
        control.address_set_delete([name for name, each in changes.sets.items() if each is None])

    def arriving(self, probes) -> set:
        """Send *probes*; return those that arrive."""
        for node in self.world.nodes.values():
            for connection in list(node.conntrack):
                node.conntrack.delete(connection)
        batches = defaultdict(list)
        for probe in probes:
            batches[probe[0]].append(memoryview(bytearray(self.frames[probe])))
        for pod, frames in batches.items():
            node, port, _ = self.world.stacks[f"veth{pod.replace('/', '')}"]
            node.receive_port(port, frames, self.world.now)
            node.flush(self.world.now)
        self.world.run()
        found = set()
        names = {_address(pod, self.family).packed: pod for pod in NODES}
        protocols = {number: name for name, number in _NUMBERS.items()}
        for pod, ear in self.ears.items():
            for frame in map(bytes, ear.heard):
                at, number, source = (
                    (34, 23, slice(26, 30)) if self.family == 4 else (54, 20, slice(22, 38))
                )
                sender = names[frame[source]]
                port = int.from_bytes(frame[at + 2 : at + 4], "big")
                found.add((sender, pod, port, protocols[frame[number]]))
            ear.heard.clear()
        return found


def _told(compiler, kind, obj) -> None:
    if kind == "Namespace":
        compiler.namespace_changed(obj)
    elif kind == "Pod":
        compiler.pod_changed(obj)
    else:
        compiler.policy_changed(FRONT_ENDS[_KINDS[kind]](obj))


def _namespaces(row):
    others = dict(row.labels)
    for name in NAMESPACES:
        labels = {**dict(others.get(name, (("ns", name),))), "kubernetes.io/metadata.name": name}
        yield {"kind": NAMESPACE.kind, "metadata": {"name": name, "labels": labels}}


def _pods(row, family):
    others = dict(row.labels)
    ports = [
        {"name": f"serve-{n}-{p.lower()}", "containerPort": n, "protocol": p}
        for n in PORTS
        for p in PROTOCOLS
    ]
    for pod, number in NODES.items():
        namespace, name = pod.split("/")
        labels = dict(others.get(pod, (("pod", name),)))
        yield {
            "kind": PODS.kind,
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": f"node-{number}", "containers": [{"ports": ports}]},
            "status": {"phase": "Running", "podIPs": [{"ip": str(_address(pod, family))}]},
        }


@pytest.fixture
def lab(world):
    return Lab(world, 4)


def worth_a_packet(number, expected):
    """Return the probes of one row to send: of ports that have the same truth, two at most."""
    pairs = {
        each: frozenset(probe[:2] for probe in expected if probe[2:] == each)
        for each in product(PORTS, PROTOCOLS)
    }
    kinds = list(pairs)
    chosen = {each for each in kinds if pairs[each] != pairs[kinds[0]]}
    chosen |= {kinds[0], kinds[number % len(kinds)]}
    return [probe for probe in PROBES if probe[2:] in chosen]


def disagreements(lab, rows):
    """Return the rows that packets, or `podwire policy`, find otherwise than they are written."""
    wrong = []
    for number, row in enumerate(rows):
        evaluation, expected = lab.tell(row), row.allowed()
        sent = worth_a_packet(number, expected)
        lost = lab.arriving(sent) ^ expected.intersection(sent)
        said = {
            probe
            for probe in PROBES
            if evaluation.judge(
                Flow(
                    *(str(_address(pod, lab.family)) for pod in probe[:2]),
                    protocol=probe[3],
                    port=probe[2],
                )
            ).denial
            is None
        }
        if lost or said != expected:
            wrong.append((row.name, sorted(lost)[:3], sorted(said ^ expected)[:3]))
    return wrong


def test_every_row_is_what_packets_meet(lab):
    assert not disagreements(lab, ROWS)


_OF_IPV6 = (
    (r"10\.244\.(\d)\.(\d+)/32", r"fd00:10:244:\1::\2/128"),
    (r"10\.244\.(\d)\.0/24", r"fd00:10:244:\1::/64"),
    (r"10\.244\.0\.0/16", "fd00:10:244::/56"),
    (r"0\.0\.0\.0/0", "::/0"),
)


def test_every_eighth_row_and_all_blocks_hold_for_ipv6_too(dual):
    rows = []
    for number, row in enumerate(ROWS):
        text = json.dumps(row.policies)
        if number % 8 == 0 or "cidr" in text:
            for pattern, instead in _OF_IPV6:
                text = re.sub(pattern, instead, text)
            if not re.search(r"\d\.\d", text) and "::/0" not in json.dumps(row.policies):
                rows.append(replace(row, policies=tuple(json.loads(text))))
    assert len(rows) > 30
    assert not disagreements(Lab(dual, 6), rows)


def test_nothing_else_is_lost_on_the_way(lab):
    lab.tell(ROWS[0])
    assert lab.arriving(PROBES) == set(PROBES)
    for node in lab.world.nodes.values():
        assert not [reason for reason in node.drops if reason is not DropReason.NETWORK_POLICY]


def test_the_table_is_as_long_as_it_says():
    assert len(ROWS) == len({row.name for row in ROWS}) >= 150
    assert policy_rows.Row("r", (), "deny * -> x/a:80; allow y/* -> x/a").allowed() >= {
        ("y/b", "x/a", 80, "TCP"),
        ("x/b", "x/a", 81, "TCP"),
    }
