"""What the fabric is told: who the hosts are, where it listens for them, which links are bad."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from typing import Final

import msgspec

from netdev.impairment import Impairment

#: What a dialler is called whose address belongs to no host.
OUTSIDE: Final = "outside"

Address = tuple[str, int]


class Door(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listening address for one host's port; `source` names the dialler where only one may."""

    listen: Address
    target: Address
    host: str
    source: str = ""


class BalancerTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API server that a balancer may choose."""

    host: str
    address: Address


class Balancer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A listening address for whichever of several API servers is live."""

    listen: Address
    targets: list[BalancerTarget]


class Topology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `configure` replaces: near addresses with the hosts' names, doors, balancers."""

    hosts: dict[str, str] = {}
    doors: list[Door] = []
    balancers: list[Balancer] = []

    def __post_init__(self) -> None:
        listened = self.listened
        dialled = [door.target for door in self.doors]
        dialled += [target.address for each in self.balancers for target in each.targets]
        for host, port in (*listened, *dialled):
            IPv4Address(host)
            if not 0 < port < 1 << 16:
                raise ValueError(f"{host}:{port}: a port is 1 to 65535")
        for near in self.hosts:
            IPv4Address(near)
        for (host, port), times in Counter(listened).items():
            if times > 1:
                raise ValueError(f"{host}:{port} is listened at twice; give each door its own")

    @property
    def listened(self) -> list[Address]:
        """Every address to listen at."""
        return [door.listen for door in self.doors] + [each.listen for each in self.balancers]

    def near_addresses(self) -> dict[str, IPv4Address]:
        """Return where each host is, by name."""
        addresses = {door.host: IPv4Address(door.target[0]) for door in self.doors}
        for balancer in self.balancers:
            addresses |= {each.host: IPv4Address(each.address[0]) for each in balancer.targets}
        return addresses | {name: IPv4Address(near) for near, name in self.hosts.items()}


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `python -m podwire.fabric CONFIG.json` reads; the last three are for asking /readyz."""

    control_socket: str
    hosts: dict[str, str] = {}
    doors: list[Door] = []
    balancers: list[Balancer] = []
    certificate: str = ""
    private_key: str = ""
    ca: str = ""
    log_file: str = ""
    journal: str = ""

    @property
    def topology(self) -> Topology:
        return Topology(hosts=self.hosts, doors=self.doors, balancers=self.balancers)


class Rule(Impairment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with what leaves one host towards another."""

    from_: str = msgspec.field(name="from")
    to: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_ == self.to:
            raise ValueError(f"{self.to} has no link to itself; name two hosts")
