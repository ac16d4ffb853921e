"""The checkers find what they are for: each is shown a world with just that fault in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from netstack.tcp.connection import TcpConnection
from netstack.udp import Datagram, UdpSocket
from netstack.wire.ethernet import ETHERTYPE_IPV4
from simulator import checkers
from simulator.attacks import ATTACKS, Aim
from simulator.checkers import WireWatch, wrong_checksum
from simulator.cluster import Cluster
from simulator.link import FRAMES
from simulator.plan import GOOD_VETH, Chat, Converse, Plan
from simulator.simulation import Simulation
from simulator.tables import POD_UDP_PORT

TALK = Converse(at=0.0, client="pod-0", server="pod-1", up=5000, down=5000)
QUIET = Plan(nodes=0, pods=2, events=(TALK,))
OVERLAY = Plan(
    nodes=2,
    pods=3,
    services=(("pod-0", "pod-1", "pod-2"),),
    events=(replace(TALK, server="service-0"), TALK),
)


@pytest.mark.parametrize("plan", [QUIET, OVERLAY], ids=["wire", "overlay"])
def test_a_good_world_has_no_violation(plan: Plan) -> None:
    outcome = Simulation(plan, 1).run()
    assert not outcome.violations
    assert outcome.succeeded == outcome.conversations > 1


def violations_if_read_is(monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]) -> str:
    """Return what is found when stacks give their users something else than what arrived."""
    read = TcpConnection.read
    monkeypatch.setattr(
        TcpConnection, "read", lambda *arguments: change(read(*arguments)), raising=True
    )
    plan = replace(QUIET, events=(replace(TALK, up=100_000, down=100_000),))
    return "\n".join(Simulation(plan, 1).run().violations)


def test_changed_octets_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = violations_if_read_is(
        monkeypatch, lambda octets: octets[:-1] + bytes([octets[-1] ^ 1]) if octets else octets
    )
    assert "wrong octets" in found


def test_lost_octets_that_were_acknowledged_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = violations_if_read_is(monkeypatch, lambda octets: octets[:-1])
    assert "octets acknowledged" in found


def swapped(octets: bytes) -> bytes:
    """Return *octets* with two words exchanged, which leaves their sum as it was."""
    return octets[:4] + octets[6:8] + octets[4:6] + octets[8:]


def changed_once(octets: bytes) -> bytes:
    """Return *octets* with one octet changed, which any sum shows."""
    return octets[:-1] + bytes([octets[-1] ^ 1])


@pytest.mark.parametrize(
    ("corrupt", "change", "violations"),
    [(1e-12, swapped, 0), (0.0, swapped, 2), (1e-12, changed_once, 2)],
)
def test_a_wrong_answer_is_excused_only_where_no_checksum_could_tell(
    monkeypatch: pytest.MonkeyPatch,
    corrupt: float,
    change: Callable[[bytes], bytes],
    violations: int,
) -> None:
    receive = UdpSocket.receive

    def changed(socket: UdpSocket) -> Datagram | None:
        datagram = receive(socket)
        if datagram is None or socket.local[1] == POD_UDP_PORT:
            return datagram
        return replace(datagram, data=change(datagram.data))

    monkeypatch.setattr(UdpSocket, "receive", changed)
    chat = Chat(at=0.0, client="pod-0", server="pod-1", datagrams=2, octets=20)
    veth = msgspec.structs.replace(GOOD_VETH, corrupt=corrupt)
    found = Simulation(replace(QUIET, veth=veth, events=(chat,)), 1).run().violations
    assert len(found) == violations


def test_a_stream_that_ends_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = violations_if_read_is(monkeypatch, lambda octets: octets[:4])
    assert "the stream ended after" in found


def test_a_wrong_checksum_and_a_low_ttl_are_found() -> None:
    cluster = Simulation(OVERLAY, 1).cluster
    frame = bytearray(a_frame(cluster))
    found: list[str] = []
    watch = WireWatch(found.append, nodes=2, checksums=True, ttl=True)
    link = cluster.links["pod-0 up"]
    watch.see(link, FRAMES, frame, 0.0)
    assert not found
    frame[-1] ^= 1
    watch.see(link, FRAMES, frame, 0.0)
    frame[14 + 8] = 9
    watch.see(link, FRAMES, frame, 0.0)
    assert "wrong checksum of protocol 6" in found[0]
    assert "TTL 9" in found[1]
    assert "wrong checksum of IPv4" in found[2]


def a_frame(cluster: Cluster) -> bytes:
    one, other = cluster.pods["pod-0"].host, cluster.pods["pod-1"].host
    aim = Aim(one.address, one.mac, other.mac, other.address)
    frame = ATTACKS["own-syn"](aim, random.Random(1))
    assert int.from_bytes(frame[12:14], "big") == ETHERTYPE_IPV4
    assert not wrong_checksum(memoryview(frame)[14:])
    return frame


def test_leaks_are_found() -> None:
    simulation = Simulation(OVERLAY, 1)
    assert not simulation.run().violations
    pod, kernel = simulation.cluster.pods["pod-0"], simulation.cluster.kernels[1]
    pod.host.tcp_connect((pod.host.address.__class__("10.244.2.9"), 80), simulation.world.now)
    pod.wake()
    simulation.world.run(limit_s=0.1)
    assert any("connections" in leak for leak in checkers.leaks_of_pod(pod, neighbours=4))
    leaks = checkers.leaks_of_kernel(kernel, neighbours=4)
    assert any("tracked connections" in leak for leak in leaks)


def test_an_endpoint_that_is_not_ready_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is never told that endpoints have left goes on sending to them."""
    simulation = Simulation(OVERLAY, 1)
    ready = ["pod-0"]
    monkeypatch.setattr(simulation.cluster, "ready", lambda service: ready)
    found = {violation.split(": ")[-1] for violation in simulation.run().violations}
    assert any("which is not ready" in violation for violation in found)


def test_a_table_beyond_its_bound_is_found() -> None:
    plan = replace(OVERLAY, events=())
    simulation = Simulation(plan, 1)
    simulation.run()
    kernel = simulation.cluster.kernels[1]
    for number in range(1100):
        kernel.node.neighbours.replace("cni0", number, bytes(6))
    [found] = checkers.bounds([kernel], [], conntrack_max=0)
    assert found.startswith("node-1: 11")
    assert found.endswith("neighbours, 1024 are allowed")
