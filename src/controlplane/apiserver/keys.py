"""Where things lie in the store: API objects at `/registry/PLURAL/[NAMESPACE/]NAME`.

As in upstream's etcd, group and version are not part of it: no two built-in kinds share a plural.
Custom resources lie at `/registry/GROUP/PLURAL/…`; their groups have a dot, and no plural has.
Unlike there, Services and Nodes lie under their own plurals (upstream: `services/specs`,
`minions`). What is no API object has a name of its own below the same root.
"""

from __future__ import annotations

from typing import Final

from kubeapi.resources import Resource

ROOT: Final = "/registry/"
#: Which API servers are alive (upstream: the lease endpoint reconciler).
MASTER_LEASES: Final = f"{ROOT}masterleases/"
#: Which numbers of Services are taken, each by a key of its own (upstream: ranges, IPAddresses).
RANGES: Final = f"{ROOT}ranges/"


def prefix(resource: Resource, namespace: str = "") -> str:
    """Return what the keys of a resource, or of one namespace of it, begin with."""
    group = f"{resource.group}/" if resource.custom else ""
    whole = f"{ROOT}{group}{resource.plural}/"
    return f"{whole}{namespace}/" if namespace and resource.namespaced else whole


def key(resource: Resource, namespace: str, name: str) -> str:
    """Return the key of one object."""
    return prefix(resource, namespace) + name


def bucket(text: str) -> str:
    """Return what `prefix` made of the key's resource, with its slash; empty when there is none."""
    end = text.find("/", len(ROOT)) + 1
    if "." in text[len(ROOT) : end]:
        end = text.find("/", end) + 1
    return text[:end]
