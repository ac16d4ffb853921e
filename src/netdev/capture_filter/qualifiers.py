"""What stands before an address, a number or a name: protocol, direction, kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from netdev.capture_filter import tree
from netdev.capture_filter.layers import NETWORKS, TRANSPORTS

PROTOCOLS: Final = ("ether", *NETWORKS, *TRANSPORTS)
DIRECTIONS: Final = ("src", "dst")
KINDS: Final = ("host", "net", "port", "portrange", "proto")
_WITH_ADDRESSES: Final = ("", *NETWORKS)
_WITH_PORTS: Final = ("", "tcp", "udp", "sctp")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{1,2}(:[0-9A-Fa-f]{1,2}){5}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,5}|0[xX][0-9A-Fa-f]{1,4}")
#: Where the next protocol's number stands, and its length.
_NEXT: Final = {"ether": (12, 2), "ip": (9, 1), "ip6": (6, 1)}
_NUMBERS: Final = {"ether": NETWORKS, "ip": TRANSPORTS, "ip6": TRANSPORTS}
#: In IPv6 the next protocol may stand in a fragment's header, which is the next header then.
_FRAGMENT, _BEHIND_FRAGMENT_AT = 44, 40
#: Of /etc/services, what is met in a cluster.
_SERVICES: Final = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "http": 80,
    "ntp": 123,
    "snmp": 161,
    "ldap": 389,
    "https": 443,
    "syslog": 514,
    "etcd-client": 2379,
    "etcd-server": 2380,
    "mysql": 3306,
    "postgresql": 5432,
    "redis": 6379,
    "kubelet": 10250,
}


@dataclass(frozen=True, slots=True)
class Qualifiers:
    """How a value is meant."""

    protocol: str
    direction: str
    kind: str

    def host(self, word: str, depth: int) -> tree.Tree:
        """Return what matches one address, of IP or Ethernet; raises ValueError."""
        if self.protocol == "ether":
            if not _MAC.fullmatch(word):
                raise ValueError("no Ethernet address; write 0a:58:0a:f4:01:05")
            address = bytes(int(part, 16) for part in word.split(":"))
            return tree.Mac(self.direction, address, depth)
        try:
            network = ip_network(ip_address(word))
        except ValueError:
            hint = "; write ether host" if _MAC.fullmatch(word) else ""
            raise ValueError(
                f"no IP address{hint or '; for a pod write host pod NAMESPACE/NAME'}"
            ) from None
        return self.address(network, depth)

    def address(self, network: IPv4Network | IPv6Network, depth: int) -> tree.Tree:
        """Return what matches an address of *network*; raises ValueError."""
        if self.protocol not in _WITH_ADDRESSES:
            raise ValueError(f"'{self.protocol}' says nothing of IP addresses")
        family = "ip6" if network.version == 6 else self.protocol
        if (family == "ip6") != (network.version == 6) or self.protocol not in ("", family):
            raise ValueError(f"'{self.protocol}' does not have such addresses")
        return tree.Address(self.direction, network, self.protocol, depth)

    def ports(self, low: int, high: int, depth: int) -> tree.Tree:
        """Return what matches a port; raises ValueError."""
        if self.protocol not in _WITH_PORTS:
            raise ValueError(f"'{self.protocol}' says nothing of ports")
        return tree.Ports(self.direction, low, high, self.protocol, depth)

    def number(self, word: str, depth: int) -> tree.Tree:
        """Return what matches a protocol's number; raises ValueError."""
        if self.protocol not in ("", *_NEXT) or self.direction:
            raise ValueError("before 'proto' stands ether, ip, ip6 or nothing")
        number = _NUMBERS[self.protocol or "ip"].get(word)
        if number is None:
            if not _NUMBER.fullmatch(word) or int(word, 0) > 0xFFFF:
                raise ValueError("no protocol; write its number, or tcp, udp, icmp")
            number = int(word, 0)
        if not self.protocol:
            return tree.Or(_next("ip", number, depth), _next("ip6", number, depth))
        return _next(self.protocol, number, depth)


def _next(header: str, number: int, depth: int) -> tree.Tree:
    """Return what matches frames whose *header* says that *number* follows."""
    at, size = _NEXT[header]

    def holds(at: int, value: int) -> tree.Relation:
        return tree.Relation(
            "=", tree.Load(header, tree.Number(at), size, depth), tree.Number(value)
        )

    if header != "ip6":
        return holds(at, number)
    fragment = tree.And(holds(at, _FRAGMENT), holds(_BEHIND_FRAGMENT_AT, number))
    return tree.Or(fragment, holds(at, number))


def network_of(word: str, length: str) -> IPv4Network | IPv6Network:
    """Return a network; `10.244` is short for `10.244.0.0/16`."""
    octets = word.count(".") + 1
    if ":" not in word and octets < 4 and word.replace(".", "").isdecimal():
        word, length = word + ".0" * (4 - octets), length or str(8 * octets)
    try:
        return ip_network(f"{word}/{length}" if length else word)
    except ValueError as error:
        raise ValueError(f"no network: {error}") from None


def port_of(word: str) -> tuple[int, int]:
    """Return one port twice; raises ValueError."""
    port = _SERVICES.get(word, -1)
    if _NUMBER.fullmatch(word):
        port = int(word, 0)
    if not 0 <= port <= 65535:
        raise ValueError("no port; a port is 0 to 65535")
    return port, port


def ports_of(word: str) -> tuple[int, int]:
    """Return both ends of `1000-2000`; raises ValueError."""
    low, _, high = (word, "", "") if word in _SERVICES else word.partition("-")
    (first, _), (last, _) = port_of(low), port_of(high or low)
    return min(first, last), max(first, last)
