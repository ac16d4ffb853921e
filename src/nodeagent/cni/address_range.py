"""Ranges that addresses are given from (host-local's `ranges`), and who is next.

Upstream: plugins/ipam/host-local/backend/allocator. The search goes round a set of ranges, from
behind the address given last, so an address is reused as late as possible; a range's gateway is
never given away.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

import msgspec

from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.result import Address, Interface

Network = IPv4Network | IPv6Network


class RangeConfig(msgspec.Struct, frozen=True, rename="camel"):
    """One range as a configuration says it."""

    subnet: str
    range_start: str = ""
    range_end: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses from *first* to *last* of *subnet*."""

    subnet: Network
    first: Address
    last: Address
    gateway: Address

    def __contains__(self, address: Address) -> bool:
        return (
            address.version == self.subnet.version
            and int(self.first) <= int(address) <= int(self.last)
            and address != self.gateway
        )

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def addresses(self, start: int) -> Iterator[Address]:
        """Yield what may be given, from the address with the number *start* on."""
        for number in range(start, int(self.last) + 1):
            address = type(self.first)(number)
            if address in self:
                yield address

    def interface(self, address: Address) -> Interface:
        """Return *address* with the subnet's prefix length."""
        return ip_interface((address, self.subnet.prefixlen))


def parse_range(config: RangeConfig) -> Range:
    """Return the range that *config* describes, with upstream's defaults; raises CniError."""
    try:
        subnet = ip_network(config.subnet)
        edge = 1 if subnet.version == 4 else 0  # IPv4's last address is the broadcast one.
        if subnet.num_addresses < 4:
            raise ValueError(f"Network {subnet} too small to allocate from")
        parsed = Range(
            subnet=subnet,
            first=ip_address(config.range_start) if config.range_start else subnet[1],
            last=ip_address(config.range_end) if config.range_end else subnet[-1 - edge],
            gateway=ip_address(config.gateway) if config.gateway else subnet[1],
        )
    except ValueError as error:
        raise CniError(Code.INVALID_NETWORK_CONFIG, f"invalid range: {error}") from None
    inside = parsed.first in subnet and parsed.last in subnet
    if not inside or int(parsed.first) > int(parsed.last):
        text = f"invalid range: {parsed} is not in {subnet}"
        raise CniError(Code.INVALID_NETWORK_CONFIG, text)
    return parsed


def parse_sets(configs: Sequence[Sequence[RangeConfig]]) -> list[list[Range]]:
    """Return the sets of ranges: of each an attachment gets one address; raises CniError."""
    sets = [[parse_range(config) for config in each] for each in configs]
    if not sets or not all(sets):
        raise CniError(Code.INVALID_NETWORK_CONFIG, "no IP ranges specified")
    for each in sets:
        if len({one.subnet.version for one in each}) > 1:
            raise CniError(Code.INVALID_NETWORK_CONFIG, "mixed address families in a range set")
    everything = [one for each in sets for one in each]
    for number, one in enumerate(everything):
        for other in everything[number + 1 :]:
            if one.subnet.version == other.subnet.version and _overlap(one, other):
                text = f"range sets overlap: {one} and {other}"
                raise CniError(Code.INVALID_NETWORK_CONFIG, text)
    return sets


def _overlap(one: Range, other: Range) -> bool:
    return int(one.first) <= int(other.last) and int(other.first) <= int(one.last)


def next_free(
    ranges: Sequence[Range], taken: Container[Address], last: Address | None
) -> tuple[Range, Address]:
    """Return the first free address behind *last*, going round; raises CniError when all is full.

    It ends: as many addresses are taken as there are files.
    """
    begin = next((n for n, each in enumerate(ranges) if last is not None and last in each), None)
    order = [(each, int(each.first)) for each in ranges]
    if begin is not None and last is not None:
        after = (ranges[begin], int(last) + 1)
        order = [after, *order[begin + 1 :], *order[: begin + 1]]
    for each, start in order:
        for address in each.addresses(start):
            if address not in taken:
                return each, address
    names = ",".join(map(str, ranges))
    raise CniError(Code.PLUGIN_FAILED, f"no IP addresses available in range set: {names}")
