"""What is there before anybody asks (upstream: controlplane's bootstrap controllers).

The four system namespaces, the two system priority classes, the flow schemas and priority levels,
cluster-info, the ServiceCIDR that tells the range of the Services' addresses, and the `kubernetes`
Service, whose Endpoints and EndpointSlice list the API servers that are alive, so that pods find
the API at the first address of that range. Besides, the objects of add-ons that the configuration
names, made where they are missing. Several servers may do this at once: what another has made is
there.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import yaml

from componentbase.decoding import UNREADABLE
from controlplane.apiserver.config import Config
from controlplane.apiserver.decoding import admit_shape
from controlplane.apiserver.kinds.flowcontrol import mandatory
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.priorityclass import SYSTEM
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.registry.registry import Registry
from kubeapi.objects import Object, deep_copy, name_of
from kubeapi.resources import (
    ALL,
    CONFIGMAPS,
    ENDPOINTS,
    ENDPOINTSLICES,
    FLOWSCHEMAS,
    NAMESPACES,
    PRIORITYCLASSES,
    PRIORITYLEVELCONFIGURATIONS,
    SERVICECIDRS,
    SERVICES,
    Resource,
)
from kubeapi.status import StatusError, is_already_exists, is_not_found

NAMESPACE_NAMES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME: Final = "kubernetes"
_PUBLIC, _CLUSTER_INFO = "kube-public", "cluster-info"
_HTTPS: Final = 443
#: Says that the EndpointSlice is written beside these Endpoints, not from them.
_SKIP_MIRROR: Final = "endpointslice.kubernetes.io/skip-mirror"


def namespace(name: str) -> Object:
    return {"metadata": {"name": name}}


def kubernetes_service(config: Config) -> Object:
    """Return the Service that stands for the API servers."""
    return {
        "metadata": {
            "name": _NAME,
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": config.kubernetes_service_ip(),
            "ports": [
                {"name": "https", "port": _HTTPS, "protocol": "TCP", "targetPort": config.port}
            ],
        },
    }


def kubernetes_endpoints(addresses: Sequence[str], port: int) -> Object:
    """Return the Endpoints that hold the addresses of the servers."""
    return {
        "metadata": {"name": _NAME, "labels": {_SKIP_MIRROR: "true"}},
        "subsets": [
            {
                "addresses": [{"ip": address} for address in addresses],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            }
        ],
    }


def kubernetes_endpoint_slice(addresses: Sequence[str], port: int) -> Object:
    """Return the EndpointSlice that holds the addresses of the servers."""
    return {
        "metadata": {"name": _NAME, "labels": {"kubernetes.io/service-name": _NAME}},
        "addressType": "IPv6" if any(":" in each for each in addresses) else "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses
        ],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def priority_class(name: str) -> Object:
    """Return one of the two classes that are the system's."""
    about = (
        "that must not be moved from their current node"
        if name == "system-node-critical"
        else "that must run in the cluster, but can be moved to another node if necessary"
    )
    return {
        "metadata": {"name": name},
        "value": SYSTEM[name],
        "description": f"Used for system critical pods {about}.",
    }


def service_cidr(config: Config) -> Object:
    """Return the object that says which addresses Services have."""
    return {"metadata": {"name": _NAME}, "spec": {"cidrs": config.service_cidr.split(",")}}


def in_use(cidr: Object) -> Object:
    """Return the ServiceCIDR with a status that says that Services have its addresses."""
    status = cidr.get("status") or {}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": cidr["metadata"]["creationTimestamp"],
    }
    return cidr if status.get("conditions") else {**cidr, "status": {"conditions": [condition]}}


def cluster_info(config: Config) -> Object:
    """Return where the cluster is and whom to trust, for who joins it (kubeadm: cluster-info)."""
    address = config.advertise_address
    server = f"https://{f'[{address}]' if ':' in address else address}:{config.port}"
    authority = base64.b64encode(Path(config.client_ca).read_bytes()).decode()
    known = {"certificate-authority-data": authority, "server": server}
    kubeconfig: Object = {
        "apiVersion": "v1",
        "clusters": [{"cluster": known, "name": ""}],
        "contexts": None,
        "current-context": "",
        "kind": "Config",
        "preferences": {},
        "users": None,
    }
    text = yaml.dump(kubeconfig, Dumper=yaml.CSafeDumper, sort_keys=False)
    return {"metadata": {"name": _CLUSTER_INFO}, "data": {"kubeconfig": text}}


def _first(config: Config) -> Iterator[tuple[Resource, str, Object]]:
    """Yield what depends on nothing else."""
    for name in NAMESPACE_NAMES:
        yield NAMESPACES, "", namespace(name)
    for name in SYSTEM:
        yield PRIORITYCLASSES, "", priority_class(name)
    yield SERVICECIDRS, "", service_cidr(config)
    for resource in (FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS):
        for obj in mandatory.objects(resource.kind):
            yield resource, "", obj


def _addons(config: Config) -> list[Object]:
    """Return the objects of the add-ons; raises OSError when the file holds none."""
    if not config.addons:
        return []
    try:
        return msgspec.json.decode(Path(config.addons).read_bytes(), type=list[Object])
    except UNREADABLE as error:
        raise OSError(f"{config.addons}: {error}") from None


def _resource_of(obj: Object) -> Resource:
    """Return the resource that *obj* is one of."""
    kind = obj.get("apiVersion"), obj.get("kind")
    found = next((each for each in ALL if (each.api_version, each.kind) == kind), None)
    if found is None:
        raise OSError(f"an add-on has an object of no kind that is served: {kind}")
    return found


class Bootstrap:
    """Creates what is missing and leaves what is there, except the list of servers."""

    def __init__(self, registry: Registry, kinds: ServedKinds, config: Config) -> None:
        self._registry, self._kinds, self._config = registry, kinds, config

    async def run(self) -> None:
        """Make sure that namespaces and Service are there; raises StatusError, StorageError."""
        await asyncio.gather(*(self._ensure(*each) for each in _first(self._config)))
        await self._registry.update(
            self._kinds.of(SERVICECIDRS), "", _NAME, in_use, WriteOptions(), subresource="status"
        )
        await asyncio.gather(*map(self._level_found, mandatory.objects(FLOWSCHEMAS.kind)))
        await self._ensure(CONFIGMAPS, _PUBLIC, cluster_info(self._config))
        await self._ensure(SERVICES, "default", kubernetes_service(self._config))
        for obj in _addons(self._config):
            await self._ensure(_resource_of(obj), obj["metadata"].get("namespace", ""), obj)

    async def _level_found(self, schema: Object) -> None:
        """Let a FlowSchema say that its level is there."""
        kind, name = self._kinds.of(FLOWSCHEMAS), name_of(schema)
        if not self._registry.get(kind, "", name).object.get("status"):
            await self._registry.update(
                kind, "", name, mandatory.with_level, WriteOptions(), subresource="status"
            )

    async def publish(self, addresses: Sequence[str]) -> None:
        """Let the `kubernetes` Service have the servers at *addresses*; raises as `run` does."""
        port = self._config.port
        for resource, wanted in (
            (ENDPOINTSLICES, kubernetes_endpoint_slice(addresses, port)),
            (ENDPOINTS, kubernetes_endpoints(addresses, port)),
        ):
            await self._ensure(resource, "default", wanted)
            await self._refresh(resource, wanted)

    async def _ensure(self, resource: Resource, where: str, obj: Object) -> None:
        kind, name = self._kinds.of(resource), obj["metadata"]["name"]
        try:
            self._registry.get(kind, where, name)
        except StatusError as error:
            if not is_not_found(error):
                raise
            admitted = admit_shape(kind, deep_copy(obj), "Strict")
            await self._create(kind, where, admitted.obj)

    async def _create(self, kind: Kind, where: str, obj: Object) -> None:
        try:
            await self._registry.create(kind, where, obj, WriteOptions())
        except StatusError as error:
            if not is_already_exists(error):
                raise

    async def _refresh(self, resource: Resource, wanted: Object) -> None:
        content = {key: value for key, value in wanted.items() if key != "metadata"}
        await self._registry.update(
            self._kinds.of(resource),
            "default",
            _NAME,
            lambda old: {**old, **deep_copy(content)},
            WriteOptions(),
        )
