"""The configuration of a datapath process."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import msgspec

from nodeagent.datapath.tables import OutsideService


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `python -m nodeagent.datapath CONFIG.json` reads."""

    node_name: str
    internal_ip: str
    transport_map: dict[str, str]
    directory: str
    host_address: str
    log_file: str = ""
    vxlan_port: int = 4789
    external_map: dict[str, str] = {}  # Load balancers and clients outside; {}: there are none.
    underlay_port: int = 8285
    mtu: int = 1500  # Of eth0.
    #: Where API servers are dialled, if another network than the transport map's leads to them,
    #: and from which address: the fabric learns from it which node asks.
    fabric_map: dict[str, str] = {}
    dial_source: str = ""
    #: The node's and the host's addresses of IPv6, "" where the cluster has none.
    internal_ip6: str = ""
    dns_upstream: str = ""  # Who answers at the host's port 53, a socket of this machine's.
    host_address6: str = ""
    outside_services: list[OutsideService] = []  # What of this machine pods reach at the start.
    outside_any: bool = False  # The host's ports lead to those of 127.0.0.1.

    def resolver(self) -> tuple[str, int] | None:
        """Return the resolver that pods reach; raises ValueError for none of the loopback's."""
        if not self.dns_upstream:
            return None
        address, _, port = self.dns_upstream.rpartition(":")
        if not IPv4Address(address).is_loopback:
            raise ValueError(f"dns_upstream {self.dns_upstream} is not on the loopback")
        return address, int(port)

    @property
    def internal_address(self) -> IPv4Address:
        return IPv4Address(self.internal_ip)

    @property
    def internal_address6(self) -> IPv6Address | None:
        return IPv6Address(self.internal_ip6) if self.internal_ip6 else None
