"""Services of this machine that pods reach as the world outside (contracts §18): `--outside`.

Every name gets a number, and by it an address in networks that are for documentation (RFC 5737,
RFC 3849), one of each family of the cluster; the cluster's DNS knows it as NAME and NAME.outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Final, Literal

import msgspec

NETWORKS: Final = {4: ip_network("203.0.113.0/24"), 6: ip_network("2001:db8:203:113::/120")}
ZONE: Final = "outside"
NUMBERS: Final = range(1, 255)
SERVICES_MAX: Final = 1024

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_WANTED: Final = re.compile(
    rf"(?P<name>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?"
    r"=(?P<host>[0-9.]+):(?P<there>[0-9]{1,5})(?:/(?P<protocol>tcp|udp))?"
)
_LOOPBACK: Final = IPv4Network("127.0.0.0/8")
_NAME_MAX: Final = 200  # With `.outside` behind it, still a name of DNS.
_BEGIN, _END = "# podwire outside: what stands here is written by that command", "# outside ends"


class OutsideError(ValueError):
    """What cannot be mapped; the text says what to write instead."""


class OutsideService(msgspec.Struct, frozen=True, kw_only=True):
    """A socket of this machine's loopback, and what pods call it."""

    name: str
    number: int = 0  # Of its address; 0: not given yet.
    port: int
    protocol: Literal["TCP", "UDP"] = "TCP"
    target: str

    @property
    def key(self) -> tuple[str, int, str]:
        return self.name, self.port, self.protocol

    def address(self, family: int) -> str:
        """Return where pods find it."""
        return str(NETWORKS[family][self.number])


def parse(text: str, near: IPv4Network | None = None) -> OutsideService:
    """Read `NAME[:PORT]=127.0.0.1:PORT[/tcp|udp]`; raises OutsideError.

    *near* is the network of containers, whose addresses may be named, too.
    """
    found = _WANTED.fullmatch(text)
    if found is None:
        raise OutsideError(f"{text!r} maps nothing; write NAME=127.0.0.1:PORT or …:PORT/udp")
    name, there = found["name"], int(found["there"])
    port = int(found["port"] or there)
    if len(name) > _NAME_MAX or name == ZONE or name.endswith(f".{ZONE}"):
        raise OutsideError(f"{name!r} cannot be called {name}.{ZONE}; choose another name")
    if near is not None and not _is_among(found["host"], near):
        raise OutsideError(f"{text!r} leaves {near}; write {name}={near[-2]}:PORT")
    if near is None and not _is_among(found["host"], _LOOPBACK):
        raise OutsideError(f"{text!r} leaves this machine's loopback; write {name}=127.0.0.1:PORT")
    if not (0 < port < 65_536 and 0 < there < 65_536):
        raise OutsideError(f"{text!r} has no port; ports are 1 to 65535")
    return OutsideService(
        name=name,
        port=port,
        protocol="UDP" if found["protocol"] == "udp" else "TCP",
        target=f"{found['host']}:{there}",
    )


def _is_among(host: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(host) in network
    except ValueError:
        return False


def added(
    known: Sequence[OutsideService], wanted: Iterable[OutsideService]
) -> tuple[OutsideService, ...]:
    """Return *known* and *wanted*, all with numbers; what has the same key is replaced."""
    services = {each.key: each for each in known}
    numbers = {each.name: each.number for each in known}
    for each in wanted:
        number = numbers.get(each.name) or _free(numbers.values())
        numbers[each.name] = number
        services[each.key] = msgspec.structs.replace(each, number=number)
    if len(services) > SERVICES_MAX:
        raise OutsideError(f"{SERVICES_MAX} services outside are mapped already; remove one first")
    return tuple(services.values())


def _free(taken: Iterable[int]) -> int:
    used = set(taken)
    number = next((each for each in NUMBERS if each not in used), None)
    if number is None:
        raise OutsideError(f"all {len(NUMBERS)} addresses outside have names; remove one first")
    return number


def rows(services: Iterable[OutsideService], families: Iterable[int]) -> list[dict[str, object]]:
    """Return what datapaths are told: each service at its address of each family."""
    versions = list(families)
    return [
        {
            "address": each.address(family),
            "port": each.port,
            "protocol": each.protocol,
            "target": each.target,
        }
        for each in services
        for family in versions
    ]


def server_block(services: Sequence[OutsideService], families: Sequence[int]) -> str:
    """Return what a Corefile says of the names, "" where there is none.

    It is a server block of its own, so that whoever changes the main one is not in its way.
    """
    if not services:
        return ""
    numbers = {each.name: each for each in services}
    lines = [
        f"       {each.address(family)} {name} {name}.{ZONE}"
        for name, each in numbers.items()
        for family in families
    ]
    zones = " ".join(f"{name}:53" for name in (*numbers, ZONE))
    head = [_BEGIN, f"{zones} {{", "    errors", "    reload 2s", "    hosts {", "       ttl 5"]
    return "\n".join([*head, *lines, "    }", "}", _END]) + "\n"


def rewritten(corefile: str, services: Sequence[OutsideService], families: Sequence[int]) -> str:
    """Return *corefile* with these names in place of those that it had."""
    own = re.compile(rf"{re.escape(_BEGIN)}.*?{re.escape(_END)}\n?", re.DOTALL)
    kept = own.sub("", corefile)
    block = server_block(services, families)
    return kept + ("\n" if block and not kept.endswith("\n") else "") + block
