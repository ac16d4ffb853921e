"""What is there before anybody asks (upstream: controlplane's bootstrap controllers).

The four system namespaces, and the `kubernetes` Service with the address of this server in its
EndpointSlice and its Endpoints, so that pods find the API at the first address of the Service
network.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.config import Config
from controlplane.apiserver.decoding import admit_shape
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import WriteOptions
from controlplane.apiserver.registry.registry import Registry
from kubeapi.objects import Object
from kubeapi.resources import ENDPOINTS, ENDPOINTSLICES, NAMESPACES, SERVICES, Resource
from kubeapi.status import StatusError

NAMESPACE_NAMES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME: Final = "kubernetes"
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


def kubernetes_endpoints(config: Config) -> Object:
    """Return the Endpoints that hold the address of this server."""
    return {
        "metadata": {"name": _NAME, "labels": {_SKIP_MIRROR: "true"}},
        "subsets": [
            {
                "addresses": [{"ip": config.advertise_address}],
                "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
            }
        ],
    }


def kubernetes_endpoint_slice(config: Config) -> Object:
    """Return the EndpointSlice that holds the address of this server."""
    return {
        "metadata": {"name": _NAME, "labels": {"kubernetes.io/service-name": _NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [config.advertise_address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
    }


class Bootstrap:
    """Creates what is missing and leaves what is there, except the server's own address."""

    def __init__(self, registry: Registry, kinds: dict[Resource, Kind], config: Config) -> None:
        self._registry, self._kinds, self._config = registry, kinds, config

    async def run(self) -> None:
        """Make sure that everything is there."""
        for name in NAMESPACE_NAMES:
            await self._ensure(NAMESPACES, "", namespace(name))
        await self._ensure(SERVICES, "default", kubernetes_service(self._config))
        for resource, wanted in (
            (ENDPOINTSLICES, kubernetes_endpoint_slice(self._config)),
            (ENDPOINTS, kubernetes_endpoints(self._config)),
        ):
            await self._ensure(resource, "default", wanted)
            await self._refresh(resource, wanted)

    async def _ensure(self, resource: Resource, where: str, obj: Object) -> None:
        kind = self._kinds.get(resource)
        if kind is None:
            return
        # Looked up first: creating it again would ask for an address that it holds itself.
        try:
            self._registry.get(kind, where, obj["metadata"]["name"])
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            admitted = admit_shape(kind, obj, "Strict")
            await self._registry.create(kind, where, admitted.obj, WriteOptions())

    async def _refresh(self, resource: Resource, wanted: Object) -> None:
        """Put this server's address in place of the one of an earlier run."""
        kind = self._kinds.get(resource)
        if kind is None:
            return
        content = {key: value for key, value in wanted.items() if key != "metadata"}
        await self._registry.update(
            kind, "default", _NAME, lambda old: {**old, **content}, WriteOptions()
        )
