"""Who answers: by resource, verb and subresource, or by path where no resource is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from controlplane.apiserver.apiextensions.controller import CustomResources, terminating
from controlplane.apiserver.authn import NODES as NODE_GROUP
from controlplane.apiserver.authz.authorizer import Authorizer
from controlplane.apiserver.conversion import remembering
from controlplane.apiserver.exchange import Answer, Request, Stream, Watching
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.routes.component_statuses import ComponentStatusRoutes
from controlplane.apiserver.routes.custom_metrics import CustomMetricsRoutes
from controlplane.apiserver.routes.discovery import DiscoveryRoutes
from controlplane.apiserver.routes.pods import PodRoutes
from controlplane.apiserver.routes.proxies import ProxyRoutes
from controlplane.apiserver.routes.resource_metrics import ResourceMetricsRoutes
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.routes.reviews import ReviewRoutes
from controlplane.apiserver.routes.serviceaccounts import ServiceAccountRoutes
from controlplane.apiserver.routes.streams import StreamRoutes
from controlplane.apiserver.routes.subresources import SubresourceRoutes
from controlplane.apiserver.streams.upgrade import Upgrade
from kubeapi.resources import (
    BINDINGS,
    COMPONENTSTATUSES,
    NAMESPACES,
    NODEMETRICS,
    NODES,
    PODMETRICS,
    PODS,
    SERVICEACCOUNTS,
    SERVICES,
)
from kubeapi.status import (
    method_not_allowed,
    no_such_path,
)

#: What may be done to all namespaces at once.
_ACROSS_NAMESPACES: Final = ("list", "watch")
_PROXIED: Final = (PODS, SERVICES, NODES)


class Dispatcher:
    """All routes of the server."""

    def __init__(
        self,
        kinds: ServedKinds,
        resources: ResourceRoutes,
        pods: PodRoutes,
        discovery: DiscoveryRoutes,
        *,
        accounts: ServiceAccountRoutes,
        streams: StreamRoutes,
        authorizer: Authorizer,
        reviews: ReviewRoutes,
        components: ComponentStatusRoutes,
        custom: CustomResources,
        proxies: ProxyRoutes,
        metrics: ResourceMetricsRoutes,
        custom_metrics: CustomMetricsRoutes,
    ) -> None:
        self._metrics, self._custom_metrics = metrics, custom_metrics
        self._custom = custom
        self._kinds, self.authorizer, self._reviews = kinds, authorizer, reviews
        self._resources, self._pods, self._discovery = resources, pods, discovery
        self._accounts, self._subresources = accounts, SubresourceRoutes(resources)
        self._streams, self._proxies, self._components = streams, proxies, components

    async def authorize(self, request: Request) -> None:
        """Raise StatusError 403 when the user may not do this."""
        user, info = request.user, request.info
        if self.authorizer.authorize(user, info).allowed:
            return
        # A pod that another server has just bound to the node may not be known here yet.
        if NODE_GROUP in user.groups:
            await self._resources.registry.cacher.wait_until_fresh()
            if self.authorizer.authorize(user, info).allowed:
                return
        raise self.authorizer.refusal(user, info)

    async def serve(self, request: Request) -> Answer | Stream | Watching | Upgrade:
        """Answer an authorized request; raises StatusError."""
        info = request.info
        if not info.resource:
            return await self._discovery.serve(request)
        if self._custom_metrics.serves(info.group):
            return await self._custom_metrics.serve(request)
        kind = self._kinds.find(info.group, info.version, info.resource)
        if kind is None and "." in info.group:
            await self._custom.settle()  # Another server may know of a definition already.
            kind = self._kinds.find(info.group, info.version, info.resource)
        if kind is None:
            raise no_such_path()
        if kind.is_converted:
            with remembering():
                answer = await self._serve_kind(kind, request)
        else:
            answer = await self._serve_kind(kind, request)
        if kind.deprecation and isinstance(answer, Answer | Watching):
            return replace(answer, warnings=[kind.deprecation, *answer.warnings])
        return answer

    async def _serve_kind(
        self, kind: Kind, request: Request
    ) -> Answer | Stream | Watching | Upgrade:
        info = request.info
        if kind.virtual:
            return await self._serve_virtual(kind, request)
        if info.subresource == "proxy" and kind.resource in _PROXIED:
            return await self._proxies.serve(kind, request)
        if info.rest:
            raise no_such_path()
        self._check_scope(kind, request)
        if info.subresource:
            return await self._serve_subresource(kind, request)
        resources = self._resources
        match info.verb:
            case "get":
                return await resources.get(kind, request)
            case "list":
                return await resources.list(kind, request)
            case "watch":
                return await resources.watch(kind, request)
            case "create" if kind.is_custom and self._custom.is_terminating(kind.resource):
                raise terminating(kind.resource)
            case "create" if not info.name:
                return await resources.create(kind, request)
            case "update" if info.name:
                return await resources.update(kind, request)
            case "patch" if info.name:
                return await resources.patch(kind, request)
            case "delete":
                return await resources.delete(kind, request)
            case "deletecollection" if kind.resource != NAMESPACES:
                return await resources.delete_collection(kind, request)
        raise method_not_allowed(kind.resource, info.verb)

    async def _serve_virtual(self, kind: Kind, request: Request) -> Answer:
        if kind.resource == BINDINGS:
            self._check_scope(kind, request)
            return await self._pods.bindings(self._kinds.of(PODS), request)
        if kind.resource == COMPONENTSTATUSES:
            return await self._components.serve(kind, request)
        if kind.resource in (NODEMETRICS, PODMETRICS):
            return await self._metrics.serve(kind, request)
        return await self._reviews.serve(kind, request)

    def _check_scope(self, kind: Kind, request: Request) -> None:
        info, namespaced = request.info, kind.resource.namespaced
        if not namespaced and info.namespace and kind.resource != NAMESPACES:
            raise no_such_path()
        if namespaced and not info.namespace and info.name:
            raise no_such_path()
        if namespaced and not info.namespace and info.verb not in _ACROSS_NAMESPACES:
            raise method_not_allowed(kind.resource, info.verb)

    async def _serve_subresource(self, kind: Kind, request: Request) -> Answer | Stream | Upgrade:
        match kind.resource, request.info.subresource:
            case resource, "binding" if resource == PODS:
                return await self._pods.binding(kind, request)
            case resource, "eviction" if resource == PODS:
                return await self._pods.evictions.create(kind, request)
            case resource, "log" if resource == PODS:
                return await self._pods.log(kind, request)
            case resource, "exec" | "attach" if resource == PODS:
                return await self._streams.program(kind, request)
            case resource, "portforward" if resource == PODS:
                return await self._streams.port_forward(kind, request)
            case resource, "token" if resource == SERVICEACCOUNTS:
                return await self._accounts.token(kind, request)
            case resource, "finalize" if resource == NAMESPACES:
                return await self._subresources.finalize(kind, request)
        return await self._subresources.serve(kind, request)
