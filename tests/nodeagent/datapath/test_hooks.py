"""Services of IPv6, and of both families at once: who answers, and as whom one is seen."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest

from nodeagent.datapath import listing, tables
from nodeagent.datapath.drops import DropReason

SERVICE, OTHER_SERVICE = "fd00:10:96::10", "fd00:10:96::11"
POD15, POD16, POD25 = "fd00:10:244:1::5", "fd00:10:244:1::6", "fd00:10:244:2::5"
NODE1, OUTSIDE = "fd00:192:168:64::1", "fd00:192:168:64::fe"


def talk(world, client, listener):
    """Send something both ways, many segments; return the accepted connection."""
    accepted = listener.accept()
    assert client.established
    assert accepted is not None
    for sender, receiver in ((client, accepted), (accepted, client)):
        sender.write(bytes(range(256)) * 200, world.now)
        world.run(0.5)
        assert receiver.read(1 << 20, world.now) == bytes(range(256)) * 200
    return accepted


def drain(listener):
    count = 0
    while listener.accept() is not None:
        count += 1
    return count


def test_a_cluster_ip_is_translated_on_one_node_and_back(dual):
    a, b = dual.pod(1, 5), dual.pod(1, 6)
    listener = b.tcp_listen(None, 8080)
    dual.service(SERVICE, 80, [(POD16, 8080)])
    accepted = talk(dual, dual.connect(a, SERVICE, 80), listener)
    assert str(accepted.remote[0]) == POD15
    assert dual.nodes[1].ports["veth1-6"].cache.flows6  # Replies are bridged, and translated.
    assert not dual.nodes[1].drops


def test_a_cluster_ip_leads_to_another_node(dual):
    a, c = dual.pod(1, 5), dual.pod(2, 5)
    listener = c.tcp_listen(None, 8080)
    dual.service(SERVICE, 80, [(POD25, 8080)])
    accepted = talk(dual, dual.connect(a, SERVICE, 80), listener)
    assert str(accepted.remote[0]) == POD15
    (row,) = listing.conntrack(dual.nodes[1], dual.now)
    assert (row["original"]["destination"], row["reply"]["source"]) == (SERVICE, POD25)


def test_a_pod_reaches_itself_through_its_service(dual):
    a = dual.pod(1, 5)
    listener = a.tcp_listen(None, 8080)
    dual.service(SERVICE, 80, [(POD15, 8080)])
    accepted = talk(dual, dual.connect(a, SERVICE, 80), listener)
    assert str(accepted.remote[0]) == "fd00:10:244:1::1"


def test_a_client_on_the_host_is_masqueraded_and_reaches_a_remote_pod(dual):
    dual.pod(1, 5)
    listener = dual.pod(2, 5).tcp_listen(None, 8080)
    dual.service("::", 30080, [(POD25, 8080)], masquerade="always")
    accepted = talk(dual, dual.connect(dual.nodes[1].outside, NODE1, 30080), listener)
    assert str(accepted.remote[0]) == "fd00:10:244:1::"  # flannel.1's.


def test_a_local_node_port_keeps_the_clients_address(dual):
    listener = dual.pod(1, 5).tcp_listen(None, 8080)
    dual.service("::", 30080, [(POD15, 8080)], masquerade="never")
    accepted = talk(dual, dual.connect(dual.nodes[1].outside, NODE1, 30080), listener)
    assert str(accepted.remote[0]) == OUTSIDE


def test_families_have_node_ports_of_their_own(dual):
    a = dual.pod(1, 5)
    old, new = a.tcp_listen(None, 8004), a.tcp_listen(None, 8006)
    dual.service("", 30080, [("10.244.1.5", 8004)])
    dual.service("::", 30080, [(POD15, 8006)])
    outside = dual.nodes[1].outside
    assert dual.connect(outside, NODE1, 30080).established
    assert (drain(old), drain(new)) == (0, 1)
    assert dual.connect(outside, "192.168.64.1", 30080).established
    assert (drain(old), drain(new)) == (1, 0)


def test_the_node_itself_reaches_a_service(dual):
    dual.pod(2, 5).tcp_listen(None, 8080)
    dual.service(SERVICE, 80, [(POD25, 8080)])
    assert dual.connect(dual.nodes[1].stack, SERVICE, 80).established


def test_off_cluster_is_judged_by_family(dual):
    """A cluster with a network of IPv4 only masquerades nobody of IPv6."""
    listener = dual.pod(1, 5).tcp_listen(None, 8080)
    dual.controls[1].settings(tables.Settings(cluster_cidr="10.244.0.0/16"))
    dual.service("::", 30080, [(POD15, 8080)])
    accepted = talk(dual, dual.connect(dual.nodes[1].outside, NODE1, 30080), listener)
    assert str(accepted.remote[0]) == OUTSIDE


def test_affinity_keeps_an_endpoint(dual):
    a = dual.pod(1, 5)
    backends = {number: dual.pod(2, number).tcp_listen(None, 80) for number in (5, 6, 7)}
    pairs = [(f"fd00:10:244:2::{number}", 80) for number in backends]
    dual.service(SERVICE, 80, pairs)
    for _ in range(30):
        dual.connect(a, SERVICE, 80)
    counts = [drain(listener) for listener in backends.values()]
    assert sum(counts) == 30
    assert all(counts)
    dual.service(SERVICE, 80, pairs, affinity_s=10)
    for _ in range(10):
        dual.connect(a, SERVICE, 80)
    assert sorted(drain(listener) for listener in backends.values()) == [0, 0, 10]


def test_datagrams_find_another_endpoint_when_theirs_has_gone(dual):
    a, b, c = dual.pod(1, 5), dual.pod(2, 5), dual.pod(2, 6)
    dual.service(SERVICE, 53, [(POD25, 53)], protocol="UDP")
    servers = [host.udp_bind(None, 53) for host in (b, c)]
    sock = a.udp_bind(None, 4000)
    for number, backend in enumerate((POD25, "fd00:10:244:2::6")):
        dual.service(SERVICE, 53, [(backend, 53)], protocol="UDP")
        sock.send(b"hello", (IPv6Address(SERVICE), 53), dual.now)
        dual.run(0.1)
        assert servers[number].receive().data == b"hello"
        assert servers[1 - number].receive() is None


def test_masquerade_avoids_identifiers_and_ports_that_are_taken(dual):
    a, b = dual.pod(1, 5), dual.pod(1, 6)
    outside = dual.nodes[1].outside
    listener = outside.tcp_listen(None, 80)
    numbers = iter([5000, 5000, 5001])
    dual.nodes[1].rng.randint = lambda _low, _high: next(numbers)
    for host in (a, b):
        assert dual.connect(host, OUTSIDE, 80).established
    assert [listener.accept().remote[1] for _ in range(2)] == [5000, 5001]
    numbers = iter([6000, 6000, 6001])
    assert dual.ping(a, OUTSIDE)
    assert dual.ping(b, OUTSIDE)
    echoes = [
        row for row in listing.conntrack(dual.nodes[1], dual.now) if row["protocol"][0] == "I"
    ]
    assert [(row["protocol"], row["reply"]["destination_port"]) for row in echoes] == [
        ("ICMPv6", 6000),
        ("ICMPv6", 6001),
    ]
    assert not dual.nodes[1].drops


@pytest.mark.parametrize("octets", [100, 5000])
def test_a_large_ping_to_the_outside_comes_back(dual, octets):
    """Cut by the pod, made whole, translated, cut again; and so does the answer."""
    a, replies = dual.pod(1, 5), []
    a.on_echo_reply = replies.append
    a.ping(IPv6Address(OUTSIDE), identifier=7, sequence=1, payload=bytes(octets), now=dual.now)
    dual.run(0.5)
    assert [reply.payload for reply in replies] == [bytes(octets)]
    assert dual.nodes[1].drops[DropReason.INVALID] == 0


@pytest.mark.parametrize("target", [OUTSIDE, SERVICE])
def test_errors_find_whoever_hides_behind_a_translation(dual, target):
    """Nobody listens outside, nor behind the Service: the quote is translated back."""
    a = dual.pod(1, 5)
    dual.pod(2, 5)
    dual.service(SERVICE, 9, [(POD25, 99)], protocol="UDP", masquerade="always")
    sock = a.udp_bind(None, 4000)
    sock.connect((IPv6Address(target), 9))
    sock.send(b"?", None, dual.now)
    dual.run(0.1)
    assert isinstance(sock.error, ConnectionRefusedError)
    (row,) = listing.conntrack(dual.nodes[1], dual.now)
    assert row["reply"]["destination"] in (NODE1, "fd00:10:244:1::")
    assert not dual.nodes[1].drops


def test_what_a_longer_path_does_not_carry_is_told_through_the_service(dual):
    """Segments of a connection to a Service shrink to the smallest link on their way."""
    a, c = dual.pod(1, 5), dual.pod(2, 5)
    entry = tables.Vtep(
        name="flannel.1", vni=1, mac="ee:00:00:00:00:01", local="192.168.64.1", mtu=1300
    )
    dual.controls[1].vtep_replace([entry])
    listener = c.tcp_listen(None, 8080)
    dual.service(SERVICE, 80, [(POD25, 8080)])
    talk(dual, dual.connect(a, SERVICE, 80), listener)
    assert dual.nodes[1].drops[DropReason.TOO_BIG] >= 1
