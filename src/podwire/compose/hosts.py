"""The hosts of a cluster of containers: names, addresses, and which files each has.

A host's volume is mounted at `/etc/podwire` in the containers that play it, as a kubeadm host has
`/etc/kubernetes`. What the person's own tools and the emulated nodes see are one and the same
address here: the transport map is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podwire.cluster import layout
from podwire.compose.settings import CONTROL_PLANES_MAX, NODES

_FIRST_CONTROL_PLANE: Final = layout.OUTSIDE_HOST - CONTROL_PLANES_MAX
_FIRST_ETCD: Final = 241
#: Where containers find their host's volume, what lasts as long as they run, and the folder that
#: all share. Its parent is their `PODWIRE_HOME`, so `podwire events` finds a cluster there.
MOUNT: Final = Path("/etc/podwire")
STATE: Final = Path("/run/podwire")
CLUSTER: Final = layout.Layout(Path("/var/lib/podwire/compose"))

BALANCER: Final = "balancer"
AUTHORITIES: Final = "authorities"


def control_plane_host(number: int) -> int:
    """Return the host part of control-plane host *number*."""
    return _FIRST_CONTROL_PLANE + number - 1


def etcd_host(number: int) -> int:
    """Return the host part of etcd member *number*, which is a container of its own."""
    return _FIRST_ETCD + number - 1


def node_names() -> list[str]:
    return [layout.node_name(number) for number in range(1, NODES + 1)]


def control_plane_names(count: int = CONTROL_PLANES_MAX) -> list[str]:
    return [f"control-plane-{number}" for number in range(1, count + 1)]


def etcd_names(count: int = CONTROL_PLANES_MAX) -> list[str]:
    return [f"etcd-{number}" for number in range(1, count + 1)]


@dataclass(frozen=True, slots=True)
class Files:
    """One host's files: *folder* in the setup's container, `MOUNT` in its own."""

    folder: Path

    def config(self, process: str) -> Path:
        return self.folder / f"{process}.json"

    def kubeconfig(self, name: str) -> Path:
        return self.folder / "kubeconfigs" / name

    def certificate(self, name: str) -> Path:
        return self.folder / "pki" / f"{name}.crt"

    def private_key(self, name: str) -> Path:
        return self.folder / "pki" / f"{name}.key"

    def public_key(self, name: str) -> Path:
        return self.folder / "pki" / f"{name}.pub"

    @property
    def addons(self) -> Path:
        """Return the file of objects that the API server makes where they are missing."""
        return self.folder / "addons.json"

    @property
    def cluster_uid(self) -> Path:
        """Return the file that says which cluster this volume belongs to."""
        return self.folder / "cluster-uid"

    @property
    def etcd_data(self) -> Path:
        return self.folder / "data"


MOUNTED: Final = Files(MOUNT)
