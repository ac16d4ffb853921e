"""How a pod resolves names, as glibc does: numbers, /etc/hosts, then DNS by /etc/resolv.conf.

The search path and `ndots` are what Kubernetes' service names rely on. Deliberate limits: A
records only, UDP only, at most `SERVERS_MAX` servers, `ATTEMPTS` rounds of `TIMEOUT_S` each.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from podruntime.sandbox import dns

log = logging.getLogger(__name__)

SERVERS_MAX: Final = 3
TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 2
_PORT: Final = 53
_NDOTS_MAX: Final = 15

#: What asyncio's calls take as a port: a number, or a service's name.
Port = str | int | bytes | None

_SERVICES: Final = {"http": 80, "https": 443, "domain": 53}


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What resolv.conf(5) says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    ndots: int = 1

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        """Read a resolv.conf, ignoring what it does not know."""
        servers: list[str] = []
        searches: list[str] = []
        ndots = 1
        for words in (line.split() for line in text.splitlines()):
            match words:
                case ["nameserver", address, *_]:
                    servers.append(address)
                case ["search", *domains]:
                    searches = domains
                case ["options", *options]:
                    ndots = _ndots(options, ndots)
        return cls(tuple(servers[:SERVERS_MAX]), tuple(searches), ndots)

    def candidates(self, name: str) -> list[str]:
        """Return the full names that *name* may mean, in the order to try them."""
        if name.endswith("."):
            return [name.rstrip(".")]
        searched = [f"{name}.{domain.rstrip('.')}" for domain in self.searches]
        return [name, *searched] if name.count(".") >= self.ndots else [*searched, name]


def _ndots(options: Sequence[str], default: int) -> int:
    for option in options:
        key, _, value = option.partition(":")
        if key == "ndots" and value.isdigit():
            return min(int(value), _NDOTS_MAX)
    return default


def parse_hosts(text: str) -> dict[str, list[str]]:
    """Return the IPv4 addresses that a hosts(5) file gives to each name."""
    hosts: dict[str, list[str]] = {}
    for words in (line.partition("#")[0].split() for line in text.splitlines()):
        for name in words[1:]:
            if ":" not in words[0]:
                hosts.setdefault(name.lower(), []).append(words[0])
    return hosts


def numeric(host: str) -> str | None:
    """Return *host* when it is an IPv4 address (a mapped IPv6 one counts), else None."""
    text = host.removeprefix("::ffff:")
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        return None


class _Query(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[dns.Answer], identifier: int) -> None:
        self._answer, self._identifier = answer, identifier

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            answer = dns.parse_answer(data, self._identifier)
        except dns.MalformedMessage as error:
            log.warning("%s answered: %s", addr, error)
            return
        if not self._answer.done():
            self._answer.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


class Resolver:
    """Answers getaddrinfo for the code that runs in a pod."""

    def __init__(self, read_file: Callable[[str], str], rng: random.Random) -> None:
        self._read_file, self._rng = read_file, rng

    async def addresses(self, host: str | None, *, passive: bool) -> list[str]:
        """Return the IPv4 addresses of *host*; raises socket.gaierror."""
        if host is None:
            return ["0.0.0.0" if passive else "127.0.0.1"]
        address = numeric(host)
        if address is not None:
            return [address]
        known = parse_hosts(self._read_file("/etc/hosts"))
        if host.lower().rstrip(".") in known:
            return known[host.lower().rstrip(".")]
        return await self._ask_servers(host)

    def name_of(self, address: str) -> str | None:
        """Return the name that /etc/hosts gives to *address*."""
        for name, addresses in parse_hosts(self._read_file("/etc/hosts")).items():
            if address in addresses:
                return name
        return None

    async def _ask_servers(self, host: str) -> list[str]:
        conf = ResolvConf.parse(self._read_file("/etc/resolv.conf"))
        if not conf.servers:
            raise _gaierror(socket.EAI_AGAIN)
        for name in conf.candidates(host):
            try:
                dns.encode_name(name)
            except ValueError:
                raise _gaierror(socket.EAI_NONAME) from None
            answer = await self._ask(name, conf.servers)
            if answer.addresses:
                return [str(address) for address in answer.addresses]
        raise _gaierror(socket.EAI_NONAME)

    async def _ask(self, name: str, servers: Sequence[str]) -> dns.Answer:
        """Return the first server's answer that is one; raises gaierror when none answers."""
        for _ in range(ATTEMPTS):
            for server in servers:
                try:
                    answer = await self._ask_one(name, server)
                except OSError as error:  # Time-outs included.
                    log.info("name server %s: %s", server, error)
                    continue
                if answer.rcode in (dns.NOERROR, dns.NXDOMAIN):
                    return answer
        raise _gaierror(socket.EAI_AGAIN)

    async def _ask_one(self, name: str, server: str) -> dns.Answer:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dns.Answer] = loop.create_future()
        identifier = self._rng.getrandbits(16)
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Query(answer, identifier), remote_addr=(server, _PORT)
        )
        try:
            transport.sendto(dns.query(name, identifier))
            async with asyncio.timeout(TIMEOUT_S):
                return await answer
        finally:
            transport.close()


def port_number(port: Port) -> int:
    """Return *port* as a number; raises gaierror for an unknown service name."""
    if port is None:
        return 0
    if isinstance(port, int):
        return port
    text = port.decode() if isinstance(port, bytes) else port
    if text.isdigit():
        return int(text)
    if text not in _SERVICES:
        raise _gaierror(socket.EAI_SERVICE)
    return _SERVICES[text]


def _gaierror(code: int) -> socket.gaierror:
    return socket.gaierror(code, _MESSAGES[code])


_MESSAGES: Final = {
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_FAMILY: "Address family not supported by protocol",
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
}
