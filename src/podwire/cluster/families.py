"""Which families of addresses a cluster has, and its networks in each (contracts §14).

The underlay that carries packets is IPv4 always, so a machine without IPv6 runs every kind of
cluster. Upstream's KEP-563 has the same three; there, the foremost family of a dual cluster may
also be IPv6.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from typing import Final, Literal, TypedDict

IpFamily = Literal["ipv4", "ipv6", "dual"]


class Networks(TypedDict):
    """The fields of a Cluster that a family decides."""

    cluster_cidr: str
    service_cidr: str
    cluster_dns: str


_IPV4: Final = Networks(
    cluster_cidr="10.244.0.0/16", service_cidr="10.96.0.0/16", cluster_dns="10.96.0.10"
)
_IPV6: Final = Networks(
    cluster_cidr="fd00:10:244::/56", service_cidr="fd00:10:96::/112", cluster_dns="fd00:10:96::a"
)
NETWORKS: Final[Mapping[IpFamily, Networks]] = {
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "dual": Networks(
        cluster_cidr=f"{_IPV4['cluster_cidr']},{_IPV6['cluster_cidr']}",
        service_cidr=f"{_IPV4['service_cidr']},{_IPV6['service_cidr']}",
        cluster_dns=_IPV4["cluster_dns"],
    ),
}

#: How many nodes the networks above are for: each gets a /24, and a /64 of IPv6.
NODES_OF_NETWORKS: Final = 256
#: What pods have in a cluster of more nodes.
_WIDE: Final = {
    _IPV4["cluster_cidr"]: "10.240.0.0/13",
    _IPV6["cluster_cidr"]: "fd00:10:244::/52",
}


def widened(networks: str) -> str:
    """Return the pods' networks of a cluster with more nodes than the usual ones are for."""
    return ",".join(_WIDE.get(text, text) for text in networks.split(","))


#: As many host parts as the underlay of IPv4 has.
UNDERLAY6_PREFIX: Final = 120


def underlay6(underlay: str) -> str:
    """Return the network of IPv6 beside an underlay: fd00, then the same three numbers."""
    numbers = str(IPv4Network(underlay).network_address).split(".")[:3]
    return f"fd00:{':'.join(numbers)}::/{UNDERLAY6_PREFIX}"


def versions(networks: str) -> tuple[int, ...]:
    """Return the families of one network, or of several with commas between, in their order."""
    return tuple(ip_network(text).version for text in networks.split(","))


def first_addresses(networks: str) -> list[str]:
    """Return the first address of each of *networks*: the API's, if they are of Services."""
    return [str(ip_network(text)[1]) for text in networks.split(",")]
