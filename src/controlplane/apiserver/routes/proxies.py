"""The proxy subresources: which endpoint is meant, and who dials it.

Upstream: registry/core/{pod,service,node}/rest proxy.go, and their ResourceLocation.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from controlplane.apiserver import keys
from controlplane.apiserver.admission import connecting
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.kubelet_proxy import KubeletProxy, Target
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.routes.pods import kubelet_address
from controlplane.apiserver.streams import location
from controlplane.apiserver.streams.location import Endpoint, Name
from controlplane.apiserver.streams.upgrade import Upgrade
from kubeapi.objects import is_condition_true, name_of
from kubeapi.resources import ENDPOINTSLICES, NODES, PODS
from kubeapi.status import StatusError, service_unavailable

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientWebSocketResponse, web
    from multidict import CIMultiDict

_SERVICE_LABEL: Final = "kubernetes.io/service-name"


class ProxyRoutes:
    """Hands requests on to pods, services and nodes."""

    def __init__(
        self, registry: Registry, kubelets: KubeletProxy, kinds: ServedKinds, rng: random.Random
    ) -> None:
        self._registry, self._kubelets, self._kinds, self._rng = registry, kubelets, kinds, rng

    async def serve(self, kind: Kind, request: Request) -> Upgrade:
        """Answer pods/proxy, services/proxy or nodes/proxy; raises StatusError."""
        await self._registry.cacher.wait_until_fresh()
        await connecting.admit(self._registry.chain, kind, request)
        if kind.resource == NODES:
            return self._node(request)
        name = Name.parse(request.info.name, kind.resource.kind.lower())
        found = self._registry.get(kind, request.info.namespace, name.name).object
        if kind.resource == PODS:
            return self._through(location.pod_endpoint(found, name), name)
        port = location.service_port(found, name)
        slices = (
            stored.object
            for stored in self._registry.cacher.cache(ENDPOINTSLICES).below(
                keys.prefix(ENDPOINTSLICES, request.info.namespace)
            )
            if (stored.object["metadata"].get("labels") or {}).get(_SERVICE_LABEL) == name.name
        )
        return self._through(location.service_endpoint(slices, port, name.name, self._rng), name)

    def _node(self, request: Request) -> Upgrade:
        name = Name.parse(request.info.name, "node")
        node = self._registry.get(self._kinds.of(NODES), "", name.name).object
        address, port = kubelet_address(node)
        if name.port and name.port != str(port):
            endpoint = Endpoint(address=address, port=int(name.port), node=name.name)
            return self._through(endpoint, name)

        async def carry(http: web.BaseRequest) -> web.StreamResponse:
            from controlplane.apiserver.streams import proxy

            async def send(
                method: str,
                path: str,
                headers: CIMultiDict[str],
                body: AsyncIterator[bytes] | None,
            ) -> ClientResponse:
                target = Target(address=address, port=port, path=path)
                return await self._kubelets.request(method, target, headers, body)

            route = proxy.route_of(http.raw_path, "https", _authority(address, port))
            return await proxy.hand_on(http, route, send)

        return Upgrade(carry)

    def _through(self, endpoint: Endpoint, name: Name) -> Upgrade:
        kubelet = self._kubelet(endpoint)

        async def carry(http: web.BaseRequest) -> web.StreamResponse:
            from controlplane.apiserver.streams import proxy

            async def dial() -> ClientWebSocketResponse:
                try:
                    return await self._kubelets.stream(kubelet, [("port", str(endpoint.port))])
                except StatusError as error:
                    why = error.message.removeprefix("Internal error occurred: ")
                    said = f"error trying to reach service: {why}"
                    raise service_unavailable(said) from None

            where = _authority(endpoint.address, endpoint.port)
            route = proxy.route_of(http.raw_path, name.scheme, where)
            return await proxy.serve(http, route, dial)

        return Upgrade(carry)

    def _kubelet(self, endpoint: Endpoint) -> Target:
        """Return who dials *endpoint*: its node's kubelet, or that of any node that is ready."""
        nodes = self._kinds.of(NODES)
        name = endpoint.node or self._any_node()
        address, port = kubelet_address(self._registry.get(nodes, "", name).object)
        path = f"/dial/{quote(endpoint.address, safe='')}"
        return Target(address=address, port=port, path=path)

    def _any_node(self) -> str:
        ready = [
            name_of(stored.object)
            for stored in self._registry.cacher.cache(NODES).below(keys.prefix(NODES, ""))
            if is_condition_true(stored.object, "Ready")
        ]
        if not ready:
            raise service_unavailable("error trying to reach service: no node is ready")
        return self._rng.choice(ready)


def _authority(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
