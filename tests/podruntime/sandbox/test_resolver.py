"""Names in pods: hosts, resolv.conf, and a name server of the test's own in the other pod."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.sandbox import dns
from podruntime.sandbox.endpoints import parse
from podruntime.sandbox.resolv_conf import ResolvConf, parse_hosts

from .pods import SERVER, TwoPods

RESOLV = f"""# made by the kubelet
nameserver {SERVER}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
RECORDS = {"web.default.svc.cluster.local": "10.96.0.7", "example.com": "203.0.113.5"}


def test_resolv_conf_and_its_candidates():
    conf = ResolvConf.parse(RESOLV)
    assert conf.servers == (SERVER,)
    assert conf.options.ndots == 5
    assert conf.candidates("web") == [
        "web.default.svc.cluster.local",
        "web.svc.cluster.local",
        "web.cluster.local",
        "web",
    ]
    assert conf.candidates("example.com.") == ["example.com"]
    assert ResolvConf.parse("search a\noptions ndots:x").candidates("b.c") == ["b.c", "b.c.a"]
    assert len(ResolvConf.parse("nameserver 10.0.0.1\n" * 9).servers) == 3


def test_hosts_and_numbers():
    text = "127.0.0.1 localhost\n::1 localhost ip6\n10.0.0.1\tDB db2 # note\n10.0.0.2 db\n"
    assert parse_hosts(text) == [
        ("127.0.0.1", ("localhost",)),
        ("::1", ("localhost", "ip6")),
        ("10.0.0.1", ("db", "db2")),
        ("10.0.0.2", ("db",)),
    ]
    assert str(parse("10.0.0.1")) == "10.0.0.1"
    assert parse("web") is None


class _NameServer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        name, at = [], 12
        while data[at]:
            name.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        self.asked.append(".".join(name))
        address = RECORDS.get(self.asked[-1])
        flags = 0x8180 if address else 0x8183
        answer = data[:2] + struct.pack("!5H", flags, 1, int(bool(address)), 0, 0) + data[12:]
        if address:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + IPv4Address(address).packed
        self.transport.sendto(b"\0" * 20, addr)  # Somebody else's: not an answer to the question.
        self.transport.sendto(answer, addr)


def test_names_are_asked_along_the_search_path():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/resolv.conf"] = RESOLV
        _, server = await pods.loop.create_datagram_endpoint(
            _NameServer, local_addr=("0.0.0.0", 53)
        )
        pods.use(pods.client)
        assert (await pods.loop.getaddrinfo("web", 80))[0][4] == (SERVER, 80), "hosts come first"
        pods.files["/etc/hosts"] = "127.0.0.1 localhost\n"
        infos = await pods.loop.getaddrinfo("web", "http", type=socket.SOCK_STREAM)
        assert infos == [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.96.0.7", 80))]
        server.asked.clear()
        assert (await pods.loop.getaddrinfo("example.com", 1))[0][4] == ("203.0.113.5", 1)
        assert server.asked[-1] == "example.com"
        assert len(set(server.asked)) == 4
        with pytest.raises(socket.gaierror) as caught:
            await pods.loop.getaddrinfo("nosuch", 80)
        assert caught.value.errno == socket.EAI_NONAME
        with pytest.raises(socket.gaierror):
            await pods.loop.getaddrinfo("a..b", 80)

    TwoPods().run(scenario)


def test_without_a_server_resolution_fails_for_now():
    async def scenario(pods: TwoPods) -> None:
        with pytest.raises(socket.gaierror) as caught:
            await pods.loop.getaddrinfo("example.com", 80)
        assert caught.value.errno == socket.EAI_AGAIN
        with pytest.raises(socket.gaierror):
            await pods.loop.getaddrinfo("localhost", 80, family=socket.AF_INET6)
        with pytest.raises(socket.gaierror):
            await pods.loop.getaddrinfo("localhost", "no-service")
        assert await pods.loop.getnameinfo((SERVER, 80)) == ("web", "http")
        numeric_only = await pods.loop.getnameinfo((SERVER, 80), socket.NI_NUMERICHOST)
        assert numeric_only == (SERVER, "http")

    TwoPods().run(scenario)


@given(st.binary(max_size=100))
def test_any_octets_are_an_answer_or_malformed(octets):
    question = dns.Question(7, "web.example.com", dns.AAAA)
    try:
        dns.parse_answer(octets, question)
        dns.parse_answer(question.encode()[:2] + b"\x81\x80" + octets, question)
    except dns.MalformedMessage:
        return


def test_a_name_has_labels_of_bounded_length():
    assert dns.encode_name("a.bc.") == b"\x01a\x02bc\x00"
    for name in ("", "a..b", "x" * 64, "a." * 130):
        with pytest.raises(ValueError, match="no domain name"):
            dns.encode_name(name)
