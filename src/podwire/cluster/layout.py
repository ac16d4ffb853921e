"""Where a cluster's state lies, and what is fixed about a cluster when it is made.

Everything of a cluster is below one directory of mode 0700, `$PODWIRE_HOME/NAME` (default
`~/.podwire/NAME`); `cluster.json` in it holds the `Cluster` that `podwire up` decided on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from typing import Final, Literal

import msgspec

from componentbase.decoding import UNREADABLE
from componentbase.timings import TimingsName
from nodeagent.hollow import config as hollow_nodes
from nodeagent.proxy.mode import IpvsScheduler, ProxyModeName
from podwire.cluster import families
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.cluster.outside import OutsideService

DEFAULT_NAME: Final = "podwire"
NODES_MAX: Final = 249  # Host parts .1 to .249 of the underlay; the rest are control planes.
HOLLOW_MAX: Final = hollow_nodes.NUMBER_MAX
#: What carries the hollow nodes' network: nobody listens there, so who dials is refused.
HOLLOW_TRANSPORT: Final = "127.255.0.0/21"
CONTROL_PLANES_MAX: Final = 3
DNS_REPLICAS_MAX: Final = 10
#: Of the nodes' network: what leaves IPv6's least to pods, and what one UDP datagram carries.
MTU_MIN, MTU_MAX = 1330, 65_000
ETHERNET_MTU: Final = 1500
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


class UsageError(Exception):
    """What the user asked for cannot be done; the text says what to do instead."""


def home() -> Path:
    """Return the directory that holds all clusters of this user."""
    try:
        return Path(os.environ.get("PODWIRE_HOME") or Path.home() / ".podwire").absolute()
    except RuntimeError:
        raise UsageError("this user has no home directory; set HOME or PODWIRE_HOME") from None


def no_home(error: OSError) -> UsageError:
    """Return what is said where the home cannot be a directory of this user's."""
    why = "Not a directory" if isinstance(error, FileExistsError) else error.strerror
    return UsageError(
        f"{error.filename or home()}: {why}; set PODWIRE_HOME to a directory that you may write"
    )


def is_loopback_socket(text: str) -> bool:
    """Tell whether *text* is 127.x.x.x:PORT: what kernel sockets may be opened towards."""
    address, _, port = text.rpartition(":")
    try:
        return IPv4Address(address).is_loopback and 0 < int(port) < 65_536
    except ValueError:
        return False


StoreName = Literal["embedded", "etcd"]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a cluster; written by `podwire up`, which chooses the block.

    `nodes` is a count while the nodes are node-1 to node-N, else the list of their numbers.
    """

    name: str
    nodes: int | tuple[int, ...]
    hollow: int | tuple[int, ...] = 0  # Nodes without processes, likewise.
    block: int = 0
    uid: str = ""  # What the store's keys belong to; stays when state is kept.
    store: StoreName = "embedded"
    control_planes: int = 1
    timings: TimingsName = "lab"
    network: str = "flannel"
    cluster_cidr: str = NETWORKS["ipv4"]["cluster_cidr"]
    node_cidr_mask: int = 24
    service_cidr: str = NETWORKS["ipv4"]["service_cidr"]
    cluster_dns: str = NETWORKS["ipv4"]["cluster_dns"]
    cluster_domain: str = "cluster.local"
    underlay: str = "192.168.64.0/24"
    external: str = "192.168.65.0/24"  # Load balancers, and clients outside.
    node_cpu: str = "4"
    node_memory: str = "8Gi"
    node_disk: str = "100Gi"
    node_pods_max: int = 110
    mtu: int = ETHERNET_MTU  # Of the network between the nodes.
    proxy_mode: ProxyModeName = "iptables"
    ipvs_scheduler: IpvsScheduler = "rr"
    node_port_addresses: tuple[str, ...] = ()  # Networks, or "primary"; none: the mode's.
    dns_replicas: int = 1  # Pods of the cluster's DNS; 0: it has none.
    dns_upstream: str = ""  # A resolver of this machine's loopback, ADDRESS:PORT; "": none.
    ingress: bool = False  # Whether it has an ingress controller.
    audit_policy: str = ""  # What API servers write down, an audit.k8s.io/v1 Policy; "": nothing.
    audit_log: str = ""  # Where; "": beside the other logs.
    cni_conf: str = ""  # The pods' network on every node, if it is not ours.
    scheduler_config: str = ""  # A KubeSchedulerConfiguration's text; empty: the defaults.
    kubelet_config: str = ""  # A KubeletConfiguration's text; empty: the defaults.
    image_bandwidth_bit_s: float = 0.0  # How fast nodes pull images; 0: at once.
    outside: tuple[OutsideService, ...] = ()  # What of this machine pods reach.
    outside_any: bool = False  # Pods reach every port of 127.0.0.1, as the host's.
    #: Where pods' packets keep their source, as ip-masq-agent's nonMasqueradeCIDRs.
    non_masquerade_cidrs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no cluster can be (msgspec makes a ValidationError of it)."""
        if not all(1 <= number <= NODES_MAX for number in self.node_numbers):
            raise ValueError(f"nodes are numbered 1 to {NODES_MAX}")
        if not all(1 <= number <= HOLLOW_MAX for number in self.hollow_numbers):
            raise ValueError(f"hollow nodes are numbered 1 to {HOLLOW_MAX}")
        if not 1 <= self.control_planes <= CONTROL_PLANES_MAX:
            raise ValueError(f"there are 1 to {CONTROL_PLANES_MAX} control planes")
        if not MTU_MIN <= self.mtu <= MTU_MAX:
            raise ValueError(f"the nodes' network has an mtu of {MTU_MIN} to {MTU_MAX}")
        if not 0 <= self.dns_replicas <= DNS_REPLICAS_MAX:
            raise ValueError(f"the cluster's DNS has 0 to {DNS_REPLICAS_MAX} pods")
        if self.dns_upstream and not is_loopback_socket(self.dns_upstream):
            raise ValueError(f"{self.dns_upstream!r} is no socket of this machine's loopback")

    @property
    def node_numbers(self) -> tuple[int, ...]:
        """Return the nodes' numbers, in order."""
        return _numbers(self.nodes)

    @property
    def hollow_numbers(self) -> tuple[int, ...]:
        """Return the hollow nodes' numbers, in order."""
        return _numbers(self.hollow)

    @property
    def all_names(self) -> tuple[str, ...]:
        """Return the names of all nodes, live ones first."""
        hollow = map(hollow_nodes.hollow_name, self.hollow_numbers)
        return (*map(node_name, self.node_numbers), *hollow)

    @property
    def nodes_text(self) -> str:
        """Return the nodes' names, for people."""
        live = _names_text(self.nodes, [node_name(number) for number in self.node_numbers])
        names = [hollow_nodes.hollow_name(number) for number in self.hollow_numbers]
        return f"{live}, {_names_text(self.hollow, names)}" if names else live

    def with_nodes(self, numbers: Iterable[int]) -> Cluster:
        """Return this cluster with the nodes *numbers*."""
        return msgspec.structs.replace(self, nodes=_count_or_numbers(numbers))

    def with_hollow(self, numbers: Iterable[int]) -> Cluster:
        """Return this cluster with the hollow nodes *numbers*."""
        return msgspec.structs.replace(self, hollow=_count_or_numbers(numbers))

    @property
    def families(self) -> tuple[int, ...]:
        """Return the families of pods and nodes, 4 and 6, the foremost first."""
        return families.versions(self.cluster_cidr)

    @property
    def ip_family(self) -> IpFamily:
        """Return the families as `podwire up --ip-family` names them."""
        if len(self.families) > 1:
            return "dual"
        return "ipv4" if self.families == (4,) else "ipv6"

    def underlay_address(self, host: int) -> str:
        """Return the emulated IPv4 address of host part *host*; every cluster has it."""
        return self.underlay.rsplit(".", 1)[0] + f".{host}"

    def underlay_address6(self, host: int) -> str:
        """Return the emulated IPv6 address of host part *host*, "" where the cluster has none."""
        if 6 not in self.families:
            return ""
        return str(ip_network(families.underlay6(self.underlay))[host])

    def host_addresses(self, host: int) -> list[str]:
        """Return what objects call host part *host*: an address of each family, foremost first."""
        both = {4: self.underlay_address(host), 6: self.underlay_address6(host)}
        return [both[family] for family in self.families]

    def transport_address(self, host: int) -> str:
        """Return the near address of host part *host*: where its processes listen."""
        return f"127.0.{self.block}.{host}"

    def far_address(self, host: int) -> str:
        """Return where the fabric listens for host part *host*: what other hosts dial."""
        return f"127.0.{FAR + self.block}.{host}"

    @property
    def transport_map(self) -> dict[str, str]:
        """Return the map of emulated underlay networks to near networks."""
        return self._map(f"127.0.{self.block}.0/24")

    @property
    def fabric_map(self) -> dict[str, str]:
        """Return the map of emulated underlay networks to far networks."""
        return self._map(f"127.0.{FAR + self.block}.0/24")

    @property
    def external_map(self) -> dict[str, str]:
        """Return the map of the networks of load balancers and of other clients."""
        return self._map(f"127.0.{EXTERNAL + self.block}.0/24", self.external)

    def _map(self, network: str, emulated: str = "") -> dict[str, str]:
        """Map the underlay onto *network*: what has IPv6 there is carried by IPv4, too."""
        emulated = emulated or self.underlay
        rows = {emulated: network}
        if 6 in self.families:
            rows[families.underlay6(emulated)] = network
        return rows

    @property
    def hollow_map(self) -> dict[str, str]:
        """Return the map of the hollow nodes' networks: to where nobody listens."""
        return {hollow_nodes.NETWORKS[family]: HOLLOW_TRANSPORT for family in self.families}

    @property
    def masters(self) -> tuple[int, ...]:
        """Return the numbers of the control planes, from 1."""
        return tuple(range(1, self.control_planes + 1))

    @property
    def endpoint_host(self) -> int:
        """Return the host part of the control-plane endpoint."""
        return ENDPOINT_HOST if self.control_planes > 1 else CONTROL_PLANE_HOST

    @property
    def api_url(self) -> str:
        """Return the API server's address as kubectl is told it."""
        return f"https://{self.transport_address(self.endpoint_host)}:{API_PORT}"


def _names_text(nodes: int | tuple[int, ...], names: Sequence[str]) -> str:
    if isinstance(nodes, int) and nodes > 1:
        return f"{names[0]} to {names[-1]}"
    return ", ".join(names)


def _numbers(nodes: int | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(1, nodes + 1)) if isinstance(nodes, int) else nodes


def _count_or_numbers(numbers: Iterable[int]) -> int | tuple[int, ...]:
    ordered = tuple(sorted(numbers))
    return len(ordered) if ordered == tuple(range(1, len(ordered) + 1)) else ordered


FAR: Final = 128  # The far network of block B is 127.0.(FAR + B).0/24.
EXTERNAL: Final = 63  # Load balancers of block B are at 127.0.(EXTERNAL + B).0/24.
ENDPOINT_HOST: Final = 250  # Balances over the API servers where there are several.
CONTROL_PLANE_HOST: Final = 251  # Control-plane host K is 250 + K.
OUTSIDE_HOST: Final = 254  # The machine that the person sits at.


def control_plane_host(number: int) -> int:
    """Return the host part of control plane *number* (from 1), and of its etcd."""
    return CONTROL_PLANE_HOST - 1 + number


API_PORT: Final = 6443
#: Where the two show health and metrics, on the control-plane host that they are on.
CONTROLLER_MANAGER_PORT: Final = 10257
SCHEDULER_PORT: Final = 10259
KUBELET_PORT: Final = 10250
VXLAN_PORT: Final = 4789
UNDERLAY_PORT: Final = 8285
ETCD_CLIENT_PORT: Final = 2379
ETCD_PEER_PORT: Final = 2380
ETCD_DOOR_PORT: Final = 23790  # Plus J: etcd-J, as a control-plane host sees it.


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one cluster's directory."""

    directory: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """Return the layout of the cluster *name*; raises UsageError for an impossible name."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a cluster: use 1 to 32 of a-z, 0-9 and '-', "
                "beginning and ending with a letter or digit"
            )
        return cls(home() / name)

    @property
    def name_option(self) -> str:
        """Return what to add to a command so that it means this cluster."""
        name = self.directory.name
        return "" if name == DEFAULT_NAME else f" --name {name}"

    @property
    def cluster_file(self) -> Path:
        return self.directory / "cluster.json"

    @property
    def session_file(self) -> Path:
        return self.directory / "session.json"

    @property
    def launcher_socket(self) -> Path:
        return self.directory / "launcher.sock"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def store(self) -> Path:
        return self.directory / "store" / "podwire.db"

    def log(self, process: str) -> Path:
        return self.directory / "logs" / f"{process}.log"

    def config(self, process: str) -> Path:
        return self.directory / "config" / f"{process}.json"

    def certificate(self, name: str) -> Path:
        return self.directory / "pki" / f"{name}.crt"

    def private_key(self, name: str) -> Path:
        return self.directory / "pki" / f"{name}.key"

    @property
    def addons(self) -> Path:
        """Return the file of objects that the API server makes where they are missing."""
        return self.directory / "config" / "addons.json"

    @property
    def audit_policy(self) -> Path:
        """Return the file of what API servers write down."""
        return self.directory / "config" / "audit-policy.yaml"

    def public_key(self, name: str) -> Path:
        return self.directory / "pki" / f"{name}.pub"

    def component_kubeconfig(self, name: str) -> Path:
        return self.directory / "kubeconfigs" / name

    def bootstrap_kubeconfig(self, name: str) -> Path:
        """Return by what a node asks for its certificate, if it joins."""
        return self.component_kubeconfig(f"{name}.bootstrap")

    def bootstrap_token(self, name: str) -> Path:
        return self.component_kubeconfig(f"{name}.token")

    def node(self, name: str) -> Path:
        return self.directory / "nodes" / name

    def etcd_data(self, process: str) -> Path:
        return self.directory / process

    def control_socket(self, process: str) -> Path:
        return self.directory / "control" / f"{process}.sock"

    def journal(self, process: str) -> Path:
        return self.directory / "journal" / f"{process}.jsonl"

    @property
    def faults_file(self) -> Path:
        return self.directory / "faults.json"

    def make_directories(self) -> None:
        """Create what is missing, readable by this user alone."""
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = ("logs", "config", "pki", "kubeconfigs", "store", "nodes", "control", "journal")
        for part in ("", *parts):
            (self.directory / part).mkdir(mode=0o700, exist_ok=True)

    def is_half_made(self) -> bool:
        """Tell whether the directory is there and empty but for folders: `up` was cut short."""
        unfinished = self.cluster_file.with_suffix(".new")
        files = (path for path in self.directory.rglob("*") if not path.is_dir())
        return self.directory.is_dir() and all(path == unfinished for path in files)

    def write_cluster(self, cluster: Cluster) -> None:
        text = msgspec.json.format(msgspec.json.encode(cluster)) + b"\n"
        temporary = self.cluster_file.with_suffix(".new")
        temporary.write_bytes(text)
        temporary.rename(self.cluster_file)

    def read_cluster(self) -> Cluster:
        """Return the cluster's parameters; raises UsageError when there is no such cluster."""
        try:
            return msgspec.json.decode(self.cluster_file.read_bytes(), type=Cluster)
        except FileNotFoundError:
            raise UsageError(
                f"there is no cluster {self.directory.name!r}; "
                f"start one with: podwire up{self.name_option}"
            ) from None
        except (PermissionError, NotADirectoryError) as error:
            raise no_home(error) from None
        except OSError as error:
            raise UsageError(
                f"{self.cluster_file}: {error.strerror}; "
                f"podwire down{self.name_option} removes the damaged cluster"
            ) from None
        except UNREADABLE as error:
            raise UsageError(
                f"{self.cluster_file}: {error}; "
                f"podwire down{self.name_option} removes the damaged cluster"
            ) from None


def node_name(number: int) -> str:
    """Return the name of node *number* (from 1)."""
    return f"node-{number}"


def node_number(name: str) -> int:
    """Return the number of a node's name; raises UsageError when it is none of ours."""
    match = re.fullmatch(r"node-([1-9][0-9]{0,2})", name)
    if match is None or int(match[1]) > NODES_MAX:
        raise UsageError(f"{name!r} is no node: nodes are node-1, node-2, …")
    return int(match[1])


def hollow_number(name: str) -> int:
    """Return the number of a hollow node's name, 0 when it is none."""
    match = re.fullmatch(r"hollow-([1-9][0-9]{0,3})", name)
    return int(match[1]) if match is not None else 0
