"""The addresses that load balancers may have: numbers, and what each number is called.

Number N is host part N of every network of `external_map` (contracts §18): inside the cluster an
address of each family, and on this machine the one loopback address that carries them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from kubeapi.objects import Object

#: Host parts of load balancers; those above are other clients of this machine.
NUMBERS: Final = range(1, 128)


@dataclass(frozen=True, slots=True)
class Pool:
    """Networks of the cluster by family, and the one of this machine; all may be absent."""

    networks: Mapping[str, IPv4Network | IPv6Network]
    machine: IPv4Network | None

    @classmethod
    def of(cls, external_map: Mapping[str, str]) -> Pool:
        """Read a configuration; raises ValueError when it makes no sense."""
        networks = [ip_network(text) for text in external_map]
        machines = {IPv4Network(text) for text in external_map.values()}
        if len(machines) > 1:
            raise ValueError("external_map leads to several networks of this machine")
        return cls({f"IPv{each.version}": each for each in networks}, next(iter(machines), None))

    def __bool__(self) -> bool:
        return self.machine is not None

    def __str__(self) -> str:
        return ", ".join(
            f"{network[NUMBERS[0]]} to {network[NUMBERS[-1]]}" for network in self.networks.values()
        )

    def number_of(self, text: str) -> int | None:
        """Return which number *text* is an address of; None when it is none of ours."""
        try:
            address = ip_address(text)
        except ValueError:
            return None
        networks = [*self.networks.values()]
        if self.machine is not None:
            networks.append(self.machine)
        for network in networks:
            number = int(address) - int(network.network_address)
            if address.version == network.version and number in NUMBERS:
                return number
        return None

    def ingress(self, number: int, families: Sequence[str]) -> list[Object]:
        """Return `status.loadBalancer.ingress` of a Service that has *number*."""
        assert self.machine is not None
        found: list[Object] = [
            {"ip": str(self.networks[family][number]), "ipMode": "VIP"}
            for family in families
            if family in self.networks
        ]
        machine: IPv4Address = self.machine[number]
        # Not a frontend (kube-proxy leaves those of mode Proxy alone): people dial it.
        return [*found, {"ip": str(machine), "ipMode": "Proxy"}]
