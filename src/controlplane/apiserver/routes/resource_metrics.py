"""What nodes and pods use: what `kubectl top` and autoscalers ask (metrics.k8s.io).

Only what is there now and was measured twice is in the answer, with the labels that it has now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from componentbase.clock import Clock
from controlplane.apiserver import keys
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.pages import Page
from controlplane.apiserver.resource_metrics.answers import node_metrics, pod_metrics
from controlplane.apiserver.resource_metrics.points import PodName, Readings, Use
from controlplane.apiserver.resource_metrics.scraper import Scraper
from controlplane.apiserver.routes.resources import ResourceRoutes
from controlplane.apiserver.selection import parse_selection
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import NODEMETRICS, NODES, PODS
from kubeapi.status import StatusError, method_not_allowed, no_such_path

_Pods = Mapping[PodName, Mapping[str, Use]]


class ResourceMetricsRoutes:
    """Answers get and list of NodeMetrics and PodMetrics."""

    def __init__(self, resources: ResourceRoutes, scraper: Scraper[Readings], wall: Clock) -> None:
        self._resources, self._scraper, self._wall = resources, scraper, wall

    async def serve(self, kind: Kind, request: Request) -> Answer:
        """Answer; raises StatusError 400, 404, 405."""
        info, cacher = request.info, self._resources.registry.cacher
        if info.subresource or (info.name and kind.resource.namespaced and not info.namespace):
            raise no_such_path()
        if info.verb not in kind.verbs:
            raise method_not_allowed(kind.resource, info.verb)
        prefix = keys.prefix(kind.resource, info.namespace)
        selection = parse_selection(kind, prefix, request.query)
        form, readings = self._resources.form(kind, request), await self._scraper.wanted()
        await cacher.wait_until_fresh()
        measured = self._nodes if kind.resource == NODEMETRICS else self._pods
        found = (self._stored(kind, each) for each in measured(request, readings))
        if info.verb == "list":
            page = Page(cacher.revision, tuple(each for each in found if selection.matches(each)))
            return form.list(page)
        stored = next(found, None)
        if stored is None:
            raise _unknown(kind, request)
        return form.object(stored)

    def _stored(self, kind: Kind, obj: Object) -> StoredObject:
        key = keys.key(kind.resource, namespace_of(obj), name_of(obj))
        return StoredObject(kind, key, encode(obj), 0, obj)

    def _nodes(self, request: Request, readings: Readings) -> Iterator[Object]:
        cache = self._resources.registry.cacher.cache(NODES)
        for stored in cache.below(keys.prefix(NODES)):
            name = name_of(stored.object)
            used = readings.node(name) if request.info.name in ("", name) else None
            if used is not None:
                yield node_metrics(stored.object, used, self._wall())

    def _pods(self, request: Request, readings: Readings) -> Iterator[Object]:
        cache = self._resources.registry.cacher.cache(PODS)
        by_node: dict[str, _Pods] = {}
        for stored in cache.below(keys.prefix(PODS, request.info.namespace)):
            pod = stored.object
            node = (pod.get("spec") or {}).get("nodeName") or ""
            if request.info.name not in ("", name_of(pod)) or not node:
                continue
            if node not in by_node:
                by_node[node] = readings.pods(node)
            used = by_node[node].get((namespace_of(pod), name_of(pod)))
            if used:
                yield pod_metrics(pod, used, self._wall())


def _unknown(kind: Kind, request: Request) -> StatusError:
    """Return metrics-server's refusal: the kind's name and namespace/name, as it says them."""
    info, plural = request.info, kind.resource.kind.lower()
    name = f"{info.namespace}/{info.name}" if info.namespace else info.name
    message = f'{plural}.{kind.resource.group} "{name}" not found'
    details = {"name": name, "group": kind.resource.group, "kind": plural}
    return StatusError(404, "NotFound", message, details=details)
