"""Where a cluster's state lies, and what is fixed about a cluster when it is made.

Everything of a cluster is below one directory of mode 0700, `$PODWIRE_HOME/NAME` (default
`~/.podwire/NAME`); `cluster.json` in it holds the `Cluster` that `podwire up` decided on.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from componentbase.timings import TimingsName

DEFAULT_NAME: Final = "podwire"
NODES_MAX: Final = 250  # Host parts .1 to .250 of the underlay; the rest are control planes.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


class UsageError(Exception):
    """What the user asked for cannot be done; the text says what to do instead."""


def home() -> Path:
    """Return the directory that holds all clusters of this user."""
    try:
        return Path(os.environ.get("PODWIRE_HOME") or Path.home() / ".podwire").absolute()
    except RuntimeError:
        raise UsageError("this user has no home directory; set HOME or PODWIRE_HOME") from None


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a cluster; written once by `podwire up`, which chooses the block."""

    name: str
    nodes: int
    block: int = 0
    timings: TimingsName = "lab"
    network: str = "flannel"
    cluster_cidr: str = "10.244.0.0/16"
    node_cidr_mask: int = 24
    service_cidr: str = "10.96.0.0/16"
    cluster_dns: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    underlay: str = "192.168.64.0/24"
    node_cpu: str = "4"
    node_memory: str = "8Gi"
    node_pods_max: int = 110

    def underlay_address(self, host: int) -> str:
        """Return the emulated address of host part *host*."""
        return self.underlay.rsplit(".", 1)[0] + f".{host}"

    def transport_address(self, host: int) -> str:
        """Return the loopback address that carries the packets of host part *host*."""
        return f"127.0.{self.block}.{host}"

    @property
    def transport_map(self) -> dict[str, str]:
        """Return the map of emulated underlay networks to transport networks."""
        return {self.underlay: f"127.0.{self.block}.0/24"}

    @property
    def api_url(self) -> str:
        """Return the API server's address as kubectl is told it."""
        return f"https://{self.transport_address(CONTROL_PLANE_HOST)}:{API_PORT}"


CONTROL_PLANE_HOST: Final = 251  # Control-plane host K is 250 + K.
OUTSIDE_HOST: Final = 254  # The machine that the person sits at.
API_PORT: Final = 6443
KUBELET_PORT: Final = 10250
VXLAN_PORT: Final = 4789
UNDERLAY_PORT: Final = 8285


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

    def component_kubeconfig(self, name: str) -> Path:
        return self.directory / "kubeconfigs" / name

    def node(self, name: str) -> Path:
        return self.directory / "nodes" / name

    def make_directories(self) -> None:
        """Create what is missing, readable by this user alone."""
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("", "logs", "config", "pki", "kubeconfigs", "store", "nodes"):
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
        except OSError as error:
            raise UsageError(f"{self.cluster_file}: {error.strerror}") from None
        except msgspec.MsgspecError as error:
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
