"""How a pod resolves names, as glibc does: numbers, /etc/hosts, then DNS by /etc/resolv.conf.

The search path and `ndots` are what Kubernetes' service names rely on. A and AAAA are asked for at
once; what is too long for UDP is asked again by TCP; nothing is cached. Errors are getaddrinfo's,
with glibc's words.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

from netstack.addresses import IpAddress
from podruntime.sandbox import dns, name_server
from podruntime.sandbox.destination_order import ordered
from podruntime.sandbox.endpoints import SockAddr, parse, show
from podruntime.sandbox.resolv_conf import ResolvConf, parse_hosts

#: What asyncio's calls take as a port: a number, or a service's name.
Port = str | int | bytes | None
AddrInfo = tuple[int, int, int, str, SockAddr]

#: What the machine's /etc/services need not know.
_SERVICES: Final = {"http": 80, "https": 443, "domain": 53}
_KINDS: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    (socket.SOCK_RAW, 0),
)
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_TYPES: Final = {socket.AF_INET: dns.A, socket.AF_INET6: dns.AAAA}
_FLAGS: Final = int(
    socket.AI_PASSIVE | socket.AI_CANONNAME | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    | socket.AI_V4MAPPED | socket.AI_ALL | socket.AI_ADDRCONFIG
)  # fmt: skip
_MAPPED: Final = 0xFFFF << 32
_LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_WILDCARD: Final = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_MESSAGES: Final = {
    socket.EAI_ADDRFAMILY: "Address family for hostname not supported",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_BADFLAGS: "Bad value for ai_flags",
    socket.EAI_FAIL: "Non-recoverable failure in name resolution",
    socket.EAI_FAMILY: "ai_family not supported",
    socket.EAI_NODATA: "No address associated with hostname",
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
    socket.EAI_SOCKTYPE: "ai_socktype not supported",
}


@dataclass(frozen=True, slots=True)
class _Found:
    addresses: list[IpAddress]
    canonical: str


class Addressing(Protocol):
    """What the resolver asks of the pod's interface."""

    def has(self, family: int) -> bool:
        """Return whether there is an address of *family* besides loopback's."""

    def source_for(self, destination: IpAddress) -> IpAddress | None:
        """Return the source of packets to *destination*; None: there is no route."""


class Resolver:
    """Answers getaddrinfo for the code that runs in a pod."""

    def __init__(
        self, read_file: Callable[[str], str], rng: random.Random, addressing: Addressing
    ) -> None:
        self._read_file, self._rng, self._addressing = read_file, rng, addressing

    # --- getaddrinfo

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """Resolve as getaddrinfo(3); raises socket.gaierror."""
        name = host.decode("idna") if isinstance(host, bytes) else host
        if flags & ~_FLAGS or (flags & socket.AI_CANONNAME and not name):
            raise gaierror(socket.EAI_BADFLAGS)
        if family not in (socket.AF_UNSPEC, *_TYPES):
            raise gaierror(socket.EAI_FAMILY)
        if name == "" or (name is None and port is None):
            raise gaierror(socket.EAI_NONAME)
        kinds = [each for each in _KINDS if type in (0, each[0]) and proto in (0, each[1])]
        if not kinds:
            raise gaierror(socket.EAI_SOCKTYPE if not type else socket.EAI_SERVICE)
        number = port_number(port, flags)
        found = await self._find(name, family, flags)
        canonical = found.canonical if flags & socket.AI_CANONNAME else ""
        return _infos(found.addresses, number, kinds, canonical)

    async def _find(self, host: str | None, family: int, flags: int) -> _Found:
        wanted = [family] if family else list(_TYPES)
        if host is None:
            texts = _WILDCARD if flags & socket.AI_PASSIVE else _LOOPBACK
            usable = [
                ip_address(texts[each])
                for each in _TYPES
                # IPv4's loopback is there also where no other address of IPv4 is.
                if each in wanted
                and (family or each == socket.AF_INET or self._addressing.has(each))
            ]
            return _Found(usable, "")
        address = parse(host)
        if address is not None:
            return _Found([self._fitting(address, family, flags)], host)
        if flags & socket.AI_NUMERICHOST:
            raise gaierror(socket.EAI_NONAME)
        if flags & socket.AI_ADDRCONFIG:
            wanted = [each for each in wanted if self._addressing.has(each)] or wanted
        found = self._in_hosts(host, wanted) or await self._ask_servers(host, wanted)
        return _Found(ordered(found.addresses, self._addressing.source_for), found.canonical)

    def _fitting(self, address: IpAddress, family: int, flags: int) -> IpAddress:
        if family in (0, _FAMILIES[address.version]):
            return address
        if flags & socket.AI_V4MAPPED and address.version == 4:
            return IPv6Address(_MAPPED | int(address))
        raise gaierror(socket.EAI_ADDRFAMILY)

    def _in_hosts(self, host: str, wanted: Sequence[int]) -> _Found | None:
        name = host.lower().rstrip(".")
        found: list[IpAddress] = []
        canonical = ""
        for text, names in parse_hosts(self._read_file("/etc/hosts")):
            address = parse(text)
            if name in names and address is not None and _FAMILIES[address.version] in wanted:
                found.append(address)
                canonical = canonical or names[0]
        return _Found(list(dict.fromkeys(found)), canonical) if found else None

    async def _ask_servers(self, host: str, wanted: Sequence[int]) -> _Found:
        conf = ResolvConf.parse(self._read_file("/etc/resolv.conf"))
        if not conf.servers:
            raise gaierror(socket.EAI_AGAIN)
        kinds = [_TYPES[socket.AddressFamily(each)] for each in wanted]
        if conf.options.no_aaaa:
            kinds = [each for each in kinds if each != dns.AAAA] or kinds
        seen = {dns.NXDOMAIN}
        for name in conf.candidates(host):
            answers = await self._ask(conf, name, kinds)
            addresses = [address for each in answers for address in each.addresses]
            if addresses:
                return _Found(addresses, next(each.canonical for each in answers if each.addresses))
            seen.update(each.rcode for each in answers)
        if dns.NOERROR in seen:
            raise gaierror(socket.EAI_NODATA)
        raise gaierror(socket.EAI_NONAME if seen == {dns.NXDOMAIN} else socket.EAI_AGAIN)

    async def _ask(self, conf: ResolvConf, name: str, kinds: Sequence[int]) -> list[dns.Answer]:
        try:
            dns.encode_name(name)
        except ValueError:
            raise gaierror(socket.EAI_NONAME) from None
        answers = await name_server.ask(conf, name, kinds, self._rng)
        if answers is None:
            raise gaierror(socket.EAI_AGAIN)
        return answers

    # --- getnameinfo

    async def getnameinfo(self, sockaddr: SockAddr, flags: int = 0) -> tuple[str, str]:
        """Return host and service of an address, as getnameinfo(3); raises socket.gaierror."""
        if not isinstance(sockaddr, tuple):
            raise TypeError("getnameinfo() argument 1 must be a tuple")
        host, port = str(sockaddr[0]), int(sockaddr[1])
        address = parse(host)
        if address is None:
            raise gaierror(socket.EAI_NONAME)
        service = str(port)
        if not flags & socket.NI_NUMERICSERV:
            service = _service_name(port, "udp" if flags & socket.NI_DGRAM else "tcp")
        if flags & socket.NI_NUMERICHOST:
            return host, service
        name = self._hosts_name(address) or await self._pointer(address)
        if name is None and flags & socket.NI_NAMEREQD:
            raise gaierror(socket.EAI_NONAME)
        return name or host, service

    def _hosts_name(self, address: IpAddress) -> str | None:
        for text, names in parse_hosts(self._read_file("/etc/hosts")):
            if parse(text) == address:
                return names[0]
        return None

    async def _pointer(self, address: IpAddress) -> str | None:
        conf = ResolvConf.parse(self._read_file("/etc/resolv.conf"))
        if not conf.servers:
            return None
        answers = await name_server.ask(conf, address.reverse_pointer, [dns.PTR], self._rng)
        return next((name for each in answers or () for name in each.names), None)


def _infos(
    addresses: Sequence[IpAddress],
    port: int,
    kinds: Sequence[tuple[int, int]],
    canonical: str,
) -> list[AddrInfo]:
    infos: list[AddrInfo] = []
    for address in addresses:
        six = address.version == 6
        for kind, proto in kinds:
            where: SockAddr = (show(address), port, 0, 0) if six else (str(address), port)
            first = "" if infos else canonical
            infos.append((_FAMILIES[address.version], kind, proto, first, where))
    return infos


def port_number(port: Port, flags: int = 0) -> int:
    """Return *port* as a number; raises gaierror for an unknown service name."""
    if port is None or port in ("", b""):
        return 0
    if isinstance(port, int):
        return port
    text = port.decode() if isinstance(port, bytes) else port
    if text.isdigit():
        return int(text)
    if flags & socket.AI_NUMERICSERV:
        raise gaierror(socket.EAI_NONAME)
    if text in _SERVICES:
        return _SERVICES[text]
    try:
        return socket.getservbyname(text)
    except OSError:
        raise gaierror(socket.EAI_SERVICE) from None


def _service_name(port: int, protocol: str) -> str:
    for name, number in _SERVICES.items():
        if number == port:
            return name
    try:
        return socket.getservbyport(port, protocol)
    except OSError:
        return str(port)


def gaierror(code: int) -> socket.gaierror:
    """Return the error of number *code* with glibc's words."""
    return socket.gaierror(code, _MESSAGES[code])
