"""Names in pods: hosts, resolv.conf, and a name server of the test's own in the other pod."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv4Address

import pytest

from .pods import CLIENT, SERVER, SERVER6, TwoPods
from .servers import NameServer

RESOLV = f"""# made by the kubelet
nameserver {SERVER}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""
RECORDS = {"web.default.svc.cluster.local": "10.96.0.7", "example.com": "203.0.113.5"}


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


def test_a_name_server_of_ipv6_is_asked():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/resolv.conf"] = RESOLV.replace(SERVER, SERVER6)
        _, server = await pods.loop.create_datagram_endpoint(_NameServer, local_addr=("::", 53))
        pods.use(pods.client)
        infos = await pods.loop.getaddrinfo("example.com", 80, type=socket.SOCK_STREAM)
        assert [info[4] for info in infos] == [("203.0.113.5", 80)]
        assert server.asked[-1] == "example.com"

    TwoPods(dual_stack=True).run(scenario)


def test_without_a_server_resolution_fails_for_now():
    async def scenario(pods: TwoPods) -> None:
        with pytest.raises(socket.gaierror) as caught:
            await pods.loop.getaddrinfo("example.com", 80)
        assert caught.value.errno == socket.EAI_AGAIN
        with pytest.raises(socket.gaierror):
            await pods.loop.getaddrinfo("localhost", "no-service")
        assert await pods.loop.getnameinfo((SERVER, 80)) == ("web", "http")
        numeric_only = await pods.loop.getnameinfo((SERVER, 80), socket.NI_NUMERICHOST)
        assert numeric_only == (SERVER, "http")

    TwoPods().run(scenario)


def test_both_families_are_asked_for_and_cut_answers_come_by_tcp():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/resolv.conf"] = f"nameserver {SERVER}\nsearch example.com\n"
        served = await NameServer.start(
            {
                "both.example.com": ["203.0.113.1", "2001:db8::1"],
                "alias.example.com": ["CNAME both.example.com."],
                "six.example.com": ["2001:db8::6"],
                "many.example.com": [f"203.0.113.{number}" for number in range(1, 60)],
                "empty.example.com": [],
            }
        )
        pods.use(pods.client)
        resolve = pods.loop.getaddrinfo
        infos = await resolve("both", 80, type=socket.SOCK_STREAM)
        assert [info[4] for info in infos] == [("203.0.113.1", 80), ("2001:db8::1", 80, 0, 0)], (
            "a pod without IPv6 tries IPv4 first (RFC 6724, rule 1)"
        )
        assert {kind for name, kind in served.asked if name == "both.example.com"} == {1, 28}
        infos = await resolve("both", 80, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        assert [info[0] for info in infos] == [socket.AF_INET]
        infos = await resolve("six", 80, family=socket.AF_INET6, type=socket.SOCK_DGRAM)
        assert [info[:3] for info in infos] == [(socket.AF_INET6, socket.SOCK_DGRAM, 17)]
        infos = await resolve("many", 80, family=socket.AF_INET, type=socket.SOCK_STREAM)
        assert len(infos) == 59
        assert served.asked_by == {"udp", "tcp"}
        for name, code in (("empty", socket.EAI_NODATA), ("nobody", socket.EAI_NONAME)):
            with pytest.raises(socket.gaierror) as caught:
                await resolve(name, 80)
            assert caught.value.errno == code
        with pytest.raises(socket.gaierror) as caught:
            await resolve("six", 80, family=socket.AF_INET)
        assert str(caught.value) == "[Errno -5] No address associated with hostname"
        served.close()

    TwoPods().run(scenario)


def test_edns_brings_longer_answers_and_old_servers_are_asked_without_it():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/resolv.conf"] = f"nameserver {SERVER}\noptions edns0 attempts:1\n"
        many = [f"203.0.113.{number}" for number in range(1, 60)]
        served = await NameServer.start({"many.test": many, "few.test": many[:3]})
        pods.use(pods.client)

        async def found(name: str) -> int:
            infos = await pods.loop.getaddrinfo(
                name, 80, family=socket.AF_INET, type=socket.SOCK_STREAM
            )
            return len(infos)

        assert await found("many.test") == 59
        assert served.asked_by == {"udp"}, "59 addresses are less than 1,200 octets"
        served.is_old = True
        assert await found("few.test") == 3
        assert await found("many.test") == 59
        assert served.asked_by == {"udp", "tcp"}
        served.close()

    TwoPods().run(scenario)


def test_the_next_server_is_asked_when_one_fails_or_is_silent():
    class Failing(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(data[:2] + b"\x81\x82" + data[4:], addr)  # SERVFAIL

    async def scenario(pods: TwoPods) -> None:
        conf = f"nameserver {CLIENT}\nnameserver 127.0.0.1\nnameserver {SERVER}\n"
        pods.files["/etc/resolv.conf"] = conf + "options timeout:1 attempts:1\n"
        served = await NameServer.start({"web.test": ["203.0.113.1"]})
        pods.use(pods.client)
        await pods.loop.create_datagram_endpoint(Failing, local_addr=(CLIENT, 53))
        infos = await pods.loop.getaddrinfo("web.test", 80, type=socket.SOCK_STREAM)
        assert infos[0][4] == ("203.0.113.1", 80), "one failed, one refused, one knew"
        assert await pods.loop.getnameinfo(("203.0.113.1", 7)) == ("203.0.113.1", "echo")
        pods.files["/etc/resolv.conf"] = f"nameserver {CLIENT}\noptions attempts:1\n"
        with pytest.raises(socket.gaierror, match="Temporary failure in name resolution"):
            await pods.loop.getaddrinfo("web.test", 80)
        pods.files["/etc/resolv.conf"] = "nameserver 10.244.1.2\noptions attempts:1 timeout:1\n"
        served.close()
        pods.dropping = True
        with pytest.raises(socket.gaierror) as caught:
            await pods.loop.getaddrinfo("web.test", 80)
        assert caught.value.errno == socket.EAI_AGAIN

    TwoPods().run(scenario)


def test_addresses_have_names():
    async def scenario(pods: TwoPods) -> None:
        pods.files["/etc/resolv.conf"] = f"nameserver {SERVER}\noptions use-vc\n"
        served = await NameServer.start(
            {"7.113.0.203.in-addr.arpa": ["PTR seven.example.com."], "x.test": ["203.0.113.9"]}
        )
        pods.use(pods.client)
        name = pods.loop.getnameinfo
        assert await name(("203.0.113.7", 80)) == ("seven.example.com", "http")
        assert served.asked_by == {"tcp"}, "use-vc"
        assert await name(("203.0.113.8", 80), socket.NI_NUMERICSERV) == ("203.0.113.8", "80")
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            await name(("203.0.113.8", 80), socket.NI_NAMEREQD)
        with pytest.raises(socket.gaierror):
            await name(("web", 80))
        with pytest.raises(TypeError):
            await name("web")
        served.close()

    TwoPods().run(scenario)


@pytest.mark.parametrize(
    ("host", "port", "given", "message"),
    [
        (None, None, {}, "Name or service not known"),
        ("", 80, {}, "Name or service not known"),
        ("10.0.0.1", 80, {"family": 99}, "ai_family not supported"),
        ("10.0.0.1", 80, {"type": 99}, "Servname not supported for ai_socktype"),
        ("10.0.0.1", 80, {"flags": 1 << 20}, "Bad value for ai_flags"),
        ("10.0.0.1", 80, {"family": socket.AF_INET6}, "Address family for hostname not supported"),
        ("::1", 80, {"family": socket.AF_INET}, "Address family for hostname not supported"),
        ("web", 80, {"flags": socket.AI_NUMERICHOST}, "Name or service not known"),
        ("10.0.0.1", "http", {"flags": socket.AI_NUMERICSERV}, "Name or service not known"),
        ("10.0.0.1", "no such", {}, "Servname not supported for ai_socktype"),
    ],
)
def test_errors_have_glibcs_words(host, port, given, message):
    async def scenario(pods: TwoPods) -> None:
        with pytest.raises(socket.gaierror, match=message):
            await pods.loop.getaddrinfo(host, port, **given)

    TwoPods().run(scenario)


def test_numbers_names_and_flags():
    async def scenario(pods: TwoPods) -> None:
        resolve = pods.loop.getaddrinfo
        stream = {"type": socket.SOCK_STREAM}
        assert [info[1:3] for info in await resolve("10.0.0.1", 80)] == [(1, 6), (2, 17), (3, 0)]
        mapped = {"family": socket.AF_INET6, "flags": socket.AI_V4MAPPED}
        (info,) = await resolve("10.0.0.1", 80, **stream, **mapped)
        assert info[4] == ("::ffff:10.0.0.1", 80, 0, 0)
        (info,) = await resolve("web", 80, **stream, flags=socket.AI_CANONNAME)
        assert info[3] == "web"
        (info,) = await resolve(None, 80, **stream, flags=socket.AI_PASSIVE)
        assert info[4] == ("0.0.0.0", 80)
        (info,) = await resolve(None, "http", **stream)
        assert info[4] == ("127.0.0.1", 80)
        (info,) = await resolve(b"10.0.0.1", b"443", proto=socket.IPPROTO_UDP)
        assert info[1:] == (socket.SOCK_DGRAM, 17, "", ("10.0.0.1", 443))

    TwoPods().run(scenario)
