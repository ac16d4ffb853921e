"""Probes: what comes back for single packets, over the wires of `conftest` and by hand."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from netstack import probe
from netstack.icmp6 import QUOTED_OCTETS_MAX
from netstack.probe import IDENTIFIER_FIRST, Answer, Kind, Method
from netstack.wire import icmp, icmpv6

from .conftest import Network, Wire

HERE, THERE = "10.0.0.1", "10.0.0.2"
HERE6, THERE6 = "fd00::1", "fd00::2"
BOTH = pytest.mark.parametrize("there", [THERE, THERE6])


@pytest.fixture
def network():
    return Network(seed=1, wire=Wire())


@pytest.fixture
def hosts(network):
    return network.host6(1), network.host6(2)


def asked(network, host, method, there, mark, *, hop_limit=64, payload=b"x" * 32, **options):
    """Return what came back for one probe."""
    answers: list[Answer] = []
    with host.prober.open(method, ip_address(there), **options) as flow:
        flow.on_answer = answers.append
        flow.send(mark, hop_limit, payload, network.now)
        network.run(until=lambda: bool(answers), limit_s=5)
        network.run(limit_s=1)
    return answers


@BOTH
def test_echo_is_answered_with_the_ttl_that_is_left(network, hosts, there):
    (answer,) = asked(network, hosts[0], Method.ICMP, there, 7)
    assert answer == Answer(mark=7, kind=Kind.REPLY, address=ip_address(there), ttl=64)


@BOTH
def test_datagram_to_nobody_is_refused_and_one_to_somebody_answered(network, hosts, there):
    (answer,) = asked(network, hosts[0], Method.UDP, there, 33434)
    assert (answer.kind, answer.mark, str(answer.address)) == (Kind.REFUSED, 33434, there)
    echo = hosts[1].udp_bind(None, 7)
    echo.on_ready = lambda: echo.send((d := echo.receive()).data, d.remote, network.now)
    (answer,) = asked(network, hosts[0], Method.UDP, there, 7)
    assert (answer.kind, answer.mark) == (Kind.REPLY, 7)


@BOTH
def test_syn_is_answered_or_refused_and_leaves_no_connection(network, hosts, there):
    listener = hosts[1].tcp_listen(None, 80)
    (answer,) = asked(network, hosts[0], Method.TCP, there, 80)
    assert (answer.kind, answer.mark, str(answer.address)) == (Kind.REPLY, 80, there)
    (answer,) = asked(network, hosts[0], Method.TCP, there, 81)
    assert (answer.kind, answer.mark) == (Kind.REFUSED, 81)
    assert listener.accept() is None
    assert not any(host.tcp.connections() for host in hosts), "a RST has ended the handshake"


@pytest.mark.parametrize("method", Method)
def test_packet_has_the_hop_limit_that_was_asked_for(network, hosts, method):
    for there, at in ((THERE, 22), (THERE6, 21)):
        asked(network, hosts[0], method, there, 9, hop_limit=3)
        ours = [frame for _, frame in network.sent if frame[6:12] == b"\x02\0\0\0\0\x01"]
        assert 3 in {frame[at] for frame in ours if frame[12:14] != b"\x08\x06"}


def router_says(network, hosts, make):
    """Let a router on the way answer what leaves for *THERE* instead of passing it on."""
    here = hosts[0]

    def passes(frame):
        if frame[6:12] != b"\x02\0\0\0\0\x01" or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
            return True
        if frame[20:21] == b"\x3a" and frame[54] >= 133:
            return True  # Neighbour discovery.
        here.receive_frames(
            [frame[6:12] + frame[:6] + frame[12:14] + make(frame[14:])], network.now
        )
        return False

    network.passes = passes


def error4(packet, *, kind=11, code=0, rest=0):
    from netstack.ip_output import header

    body = icmp.Icmp(kind, code, rest, packet[:60]).emit()
    router, source = IPv4Address("10.0.0.254").packed, packet[12:16]
    return header(1, (router, source), 1, 0, len(body)) + body


def error6(packet, *, kind=3, code=0, rest=0):
    from netstack.ip6_output import header

    router, source = IPv6Address("fd00::fe"), IPv6Address(packet[8:24])
    body = icmpv6.Icmpv6(kind, code, rest, packet[:QUOTED_OCTETS_MAX]).emit(router, source)
    return header(58, (router.packed, source.packed), len(body)) + body


@pytest.mark.parametrize("method", Method)
def test_errors_of_routers_are_answers(network, hosts, method):
    asked(network, hosts[0], Method.ICMP, THERE, 1)  # Neighbours know each other from now on.
    asked(network, hosts[0], Method.ICMP, THERE6, 1)
    for there, error, router in ((THERE, error4, "10.0.0.254"), (THERE6, error6, "fd00::fe")):
        router_says(network, hosts, error)
        (answer,) = asked(network, hosts[0], method, there, 80)
        assert answer.kind is Kind.TIME_EXCEEDED
        assert (answer.mark, str(answer.address), answer.mtu) == (80, router, None)
    router_says(network, hosts, lambda packet: error4(packet, kind=3, code=4, rest=1280))
    (answer,) = asked(network, hosts[0], method, THERE, 80)
    assert (answer.kind, answer.mtu) == (Kind.TOO_BIG, 1280)
    router_says(network, hosts, lambda packet: error6(packet, kind=1, code=1))
    (answer,) = asked(network, hosts[0], method, THERE6, 80)
    assert (answer.kind, answer.code) == (Kind.UNREACHABLE, 1)


def test_errors_about_what_was_never_sent_are_no_answers(network, hosts):
    asked(network, hosts[0], Method.ICMP, THERE, 1)
    swap = lambda p: error4(p[:12] + p[12:16] + IPv4Address("10.0.0.9").packed + p[20:])  # noqa: E731
    router_says(network, hosts, swap)
    assert asked(network, hosts[0], Method.ICMP, THERE, 80) == []
    router_says(network, hosts, lambda packet: error4(packet[:20] + b"\0" + packet[21:]))
    assert asked(network, hosts[0], Method.ICMP, THERE, 80) == [], "an echo reply is quoted"


def test_silent_neighbour_is_unreachable_by_our_own_word(network, hosts):
    (answer,) = asked(network, hosts[0], Method.ICMP, "10.0.0.77", 1)
    assert (answer.kind, str(answer.address)) == (Kind.UNREACHABLE, HERE)


def test_flow_is_asked_for_by_number_and_nobody_elses(network, hosts):
    prober = hosts[0].prober
    listener = hosts[0].tcp_listen(None, 4000)
    for method in Method:
        with prober.open(method, IPv4Address(THERE), number=50_000) as flow:
            assert flow.number == 50_000
            with pytest.raises(OSError, match="in use"):
                prober.open(method, IPv4Address(THERE), number=50_000)
        prober.open(method, IPv4Address(THERE), number=50_000).__exit__()
    with pytest.raises(OSError, match="in use"):
        prober.open(Method.TCP, IPv4Address(THERE), number=listener.local[1])
    with prober.open(Method.ICMP, IPv4Address(THERE)) as flow:
        assert flow.number >= IDENTIFIER_FIRST
    with prober.open(Method.TCP, IPv4Address(THERE)) as flow:
        assert flow.number != listener.local[1]
    assert hosts[0].tcp.on_stray is None
    assert hosts[0].icmp.on_probe_reply is None


def test_what_cannot_be_is_refused(hosts, monkeypatch):
    prober = hosts[0].prober
    for there, source, number in (
        ("224.0.0.1", None, errno.ENETUNREACH),
        ("ff02::1", None, errno.ENETUNREACH),
        (THERE, THERE, errno.EADDRNOTAVAIL),
        (THERE, HERE6, errno.EADDRNOTAVAIL),
    ):
        with pytest.raises(OSError) as refused:  # noqa: PT011 - By its number.
            prober.open(Method.UDP, ip_address(there), source=source and ip_address(source))
        assert refused.value.errno == number
    with prober.open(Method.UDP, ip_address(THERE), source=ip_address(HERE)) as flow:
        for hop_limit in (0, 256):
            with pytest.raises(ValueError, match="hop limit"):
                flow.send(1, hop_limit, b"", 0.0)
        with pytest.raises(OverflowError):
            flow.send(65536, 1, b"", 0.0)
    monkeypatch.setattr(probe, "FLOWS_MAX", 1)
    with (
        prober.open(Method.ICMP, ip_address(THERE)),
        pytest.raises(OSError, match="too many probes"),
    ):
        prober.open(Method.ICMP, ip_address(THERE))
