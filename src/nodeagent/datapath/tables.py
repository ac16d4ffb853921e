"""Entries of the tables that "netlink" fills, as they are on the wire: texts for addresses.

Unknown fields are an error, so that a nodeagent of another version is noticed at once.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from netdev import impairment

Protocol = Literal["TCP", "UDP"]


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bridge port on `cni0` and the pod behind it; `host`: a pod in the node's own network."""

    name: str
    kind: Literal["veth", "host"] = "veth"
    mac: str
    address: str = ""
    address6: str = ""
    mtu: int = 1450
    hairpin: bool = False  # A frame may leave by the port that it came in by.


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address of the node itself."""

    address: str
    device: str


class Vtep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The VXLAN device."""

    name: str
    vni: int
    mac: str
    local: str
    port: int = 4789
    mtu: int = 1450


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A route that is not implied by an address."""

    destination: str
    device: str = ""  # Of a route that leads somewhere.
    via: str | None = None
    onlink: bool = False
    type: Literal["unicast", "blackhole", "unreachable", "prohibit"] = "unicast"
    metric: int = 0


class Neighbour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A permanent neighbour."""

    address: str
    device: str
    mac: str
    state: Literal["PERMANENT"] = "PERMANENT"


class Fdb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A permanent forwarding entry; `remote` is the other node's InternalIP.

    `offload` says that the node there is of ours, and takes TCP without checksums.
    """

    mac: str
    device: str
    remote: str | None = None
    offload: bool = False


class Backend(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An endpoint of a Service; `weight` is for the schedulers of IPVS that have weights."""

    address: str
    port: int
    node: str | None = None
    weight: int = 1


Scheduler = Literal[
    "random", "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "lblc", "lblcr"
]


class Frontend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address that a Service is reached at; `address` "" or "::" means any of this node.

    Port 0 stands for all ports of the address that have no frontend of their own.
    """

    address: str
    port: int
    protocol: Protocol
    service: str
    backends: list[Backend] = []
    #: Whom those get who come from outside; pods and the node itself get `backends`.
    local_backends: list[Backend] | None = None
    #: Endpoints that serve and get nobody new: they keep the flows of UDP that they have.
    retained: list[Backend] = []
    #: Who may come; empty: everybody.
    source_ranges: list[str] = []
    scheduler: Scheduler = "random"
    affinity_s: int = 0
    masquerade: Literal["off-cluster", "always", "never"] = "off-cluster"
    on_empty: Literal["reject", "drop"] = "reject"
    listen: bool = False


class HostPort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port of the node that leads to a pod (CNI's portmap); `address` as a frontend's."""

    address: str
    port: int
    protocol: Protocol
    pod: str
    target: str
    target_port: int

    def frontend(self) -> Frontend:
        """Return what serves it: one endpoint, which sees who asks."""
        backends = [Backend(address=self.target, port=self.target_port)]
        return Frontend(
            address=self.address,
            port=self.port,
            protocol=self.protocol,
            service=self.pod,
            backends=backends,
            masquerade="never",
            listen=True,
        )


class HostListener(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port of the node's own addresses that a process of the node serves on this machine."""

    protocol: Literal["TCP"] = "TCP"
    port: int
    service: str


class EgressRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose address a pod's packets have in the world outside, and by which node they get there."""

    source: str
    address: str
    #: An address of the other node's pods; "": it is this node; null: nobody is the gateway.
    gateway: str | None


class OutsideService(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A socket of this machine's loopback, and where in the world outside pods find it."""

    address: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]
    protocol: Protocol
    target: str  # 127.x.x.x:PORT


class Flow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tuple of a connection's first packet, as conntrack lists it."""

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int


class AddressSet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Addresses of the pods that a selector selects."""

    name: str
    addresses: list[str]


class PolicyPort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ports of one protocol, all of them unless it says otherwise."""

    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    first: int = 0
    last: int = 65535


class PolicyBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of addresses without some."""

    cidr: str
    excluded: list[str] = []


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule of a policy; no `ports` are all, of any protocol."""

    policy: str
    rule: str = ""
    action: Literal["allow", "deny", "pass"] = "allow"
    log: bool = False
    ports: list[PolicyPort] | None = None
    anyone: bool = False
    sets: list[str] = []
    blocks: list[PolicyBlock] = []


class PolicyTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules in their order; what none of them fits is for the next tier, or, if somebody isolates
    the pod, denied."""

    tier: Literal["Admin", "NetworkPolicy", "Baseline"]
    rules: list[PolicyRule] = []
    isolated_by: list[str] = []


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pod of this node that policies are about."""

    pod: str
    addresses: list[str]
    ingress: list[PolicyTier] = []
    egress: list[PolicyTier] = []


class Impairment(impairment.Impairment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with the wire to another node; `remote` is its InternalIP."""

    remote: str


TO_POD: Final = "to-pod"
FROM_POD: Final = "from-pod"


class LinkImpairment(impairment.Impairment, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with one way between a pod and its node; `name` is its link's."""

    name: str
    direction: Literal["to-pod", "from-pod"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What applies to the whole node; an empty text switches a rule off.

    A network of each family may be given, with a comma between.
    """

    cluster_cidr: str = ""
    masquerade_cidr: str = ""
    #: What leaves `masquerade_cidr` for one of these is not masqueraded (ip-masq-agent).
    non_masquerade_cidrs: list[str] = []
    #: As net.ipv4.conf.*.rp_filter: device or "all" → 0 off, 1 strict, 2 loose; the larger counts.
    rp_filter: dict[str, Literal[0, 1, 2]] = msgspec.field(default_factory=lambda: {"all": 2})
