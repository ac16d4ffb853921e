"""The network of a hollow node's pods: addresses of its podCIDRs, and no links that anyone uses.

As `podwire-ipam` gives addresses (the next behind the last, a range's gateway never), but in
memory: a hollow node's pods end with its process.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodeagent.cni.address_range import Network, Range, RangeConfig, next_free, parse_range
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import NOT_INITIALIZED
from nodeagent.cni.result import Address, Attachment, interface_name, mac_of
from nodeagent.tables import Tables


class HollowPodNetwork:
    """Attachments of one node's pods, by container id."""

    def __init__(self, tables: Tables, *, mtu: int) -> None:
        self._tables, self._mtu = tables, mtu
        self._ranges: list[Range] = []
        self._taken: dict[Address, str] = {}
        self._last: dict[int, Address] = {}
        self._attached: dict[str, Attachment] = {}

    @property
    def error(self) -> str:
        return "" if self._ranges else NOT_INITIALIZED

    def set_ranges(self, networks: Sequence[Network]) -> None:
        """The node has its podCIDRs; those that it had first stay."""
        if not self._ranges:
            self._ranges = [parse_range(RangeConfig(str(network))) for network in networks]
            self._tables.claim("link")

    async def refresh(self) -> bool:
        return False

    async def add(self, wanted: Wanted) -> Attachment:
        known = self._attached.get(wanted.container_id)
        if known is not None:
            return known
        given = [next_free([one], self._taken, self._last.get(n)) for n, one in self._numbered()]
        for number, (_, address) in enumerate(given):
            self._taken[address] = wanted.container_id
            self._last[number] = address
        attachment = Attachment(
            interface=interface_name(wanted.container_id),
            mac=mac_of(given[0][1]),
            addresses=tuple(one.interface(address) for one, address in given),
            gateways=tuple(one.gateway for one, _ in given),
            mtu=self._mtu,
        )
        self._attached[wanted.container_id] = attachment
        self._tables.replace("link", attachment.link())
        return attachment

    def _numbered(self) -> list[tuple[int, Range]]:
        return list(enumerate(self._ranges))

    async def delete(self, container_id: str) -> None:
        attachment = self._attached.pop(container_id, None)
        if attachment is None:
            return
        for address in attachment.addresses:
            del self._taken[address.ip]
        self._tables.delete("link", (attachment.interface,))
