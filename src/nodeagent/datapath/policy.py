"""What `settings` says about the cluster's addresses: who is masqueraded, whom a node believes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from nodeagent.datapath.packet import IPV6_FROM

#: Modes of rp_filter: a packet's source must be reachable by its own device, or at all.
STRICT, LOOSE = 1, 2


def holds(network: IPv4Network | IPv6Network, address: int) -> bool:
    """Tell whether *address*, of the family of *network*, is in it."""
    return address & int(network.netmask) == int(network.network_address)


@dataclass(frozen=True, slots=True)
class Cidrs:
    """A network of each family, or of one, or none."""

    ipv4: IPv4Network | None = None
    ipv6: IPv6Network | None = None

    @classmethod
    def parse(cls, text: str) -> Cidrs:
        """Read networks with a comma between; raises ValueError when they make no sense."""
        ipv4: IPv4Network | None = None
        ipv6: IPv6Network | None = None
        for each in text.split(",") if text else ():
            network = ip_network(each.strip())
            if isinstance(network, IPv4Network) and ipv4 is None:
                ipv4 = network
            elif isinstance(network, IPv6Network) and ipv6 is None:
                ipv6 = network
            else:
                raise ValueError(f"{text}: give one network of a family")
        return cls(ipv4, ipv6)

    def holds(self, address: int) -> bool | None:
        """Tell whether *address* is in the network of its family, None where there is none."""
        network = self.ipv4 if address < IPV6_FROM else self.ipv6
        return None if network is None else holds(network, address)


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of a node."""

    cluster_cidr: Cidrs = field(default_factory=Cidrs)
    masquerade_cidr: Cidrs = field(default_factory=Cidrs)
    rp_filter: Mapping[str, int] = field(default_factory=lambda: {"all": LOOSE})
    non_masquerade_cidrs: tuple[IPv4Network | IPv6Network, ...] = ()

    def masquerades(self, rule: str, source: int) -> bool:
        """Tell whether a Service with this *rule* hides *source* from its endpoints."""
        if rule == "off-cluster":
            return self.cluster_cidr.holds(source) is False
        return rule == "always"

    def leaves_cluster(self, source: int, destination: int) -> bool:
        """Tell whether flannel's `--ip-masq` rule applies: from a pod to somewhere else."""
        cidr = self.masquerade_cidr
        return (
            bool(cidr.holds(source)) and not cidr.holds(destination) and not self._kept(destination)
        )

    def _kept(self, destination: int) -> bool:
        """Tell whether ip-masq-agent's nonMasqueradeCIDRs have *destination*."""
        version = 4 if destination < IPV6_FROM else 6
        return any(
            network.version == version and holds(network, destination)
            for network in self.non_masquerade_cidrs
        )

    def reverse_path_mode(self, device: str) -> int:
        """Return the rp_filter mode of *device*."""
        return max(self.rp_filter.get("all", 0), self.rp_filter.get(device, 0))
