"""What pods say of themselves: what autoscalers ask (sigs.k8s.io/custom-metrics-apiserver).

`pods/NAME/METRIC` is what the pod's samples say, `*` every pod of a selector. What is said of
another object is in samples with a label of its kind's name, as ingress controllers write them; of
a Service without such samples it is what the pods behind it say, and of a namespace what all of its
pods do. An external metric is every series of the namespace that has the labels asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from controlplane.apiserver import keys
from controlplane.apiserver.custom_metrics.answers import (
    EXTERNAL,
    external_list,
    metric_value,
    metric_value_list,
)
from controlplane.apiserver.custom_metrics.series import SeriesReadings, Value
from controlplane.apiserver.discovery import METRICS
from controlplane.apiserver.exchange import Answer, Request, answer_object
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.registry.registry import Registry
from controlplane.apiserver.resource_metrics.scraper import Scraper
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import ENDPOINTSLICES, NAMESPACES, PODS, SERVICES, Resource
from kubeapi.selectors import LabelSelector, SelectorError, parse_label_selector
from kubeapi.status import StatusError, bad_request, no_such_path

_EVERY, _OF_NAMESPACE = "*", "metrics"
_SERVICE_NAME = "kubernetes.io/service-name"


class CustomMetricsRoutes:
    """Answers get of metrics."""

    def __init__(
        self, registry: Registry, kinds: ServedKinds, scraper: Scraper[SeriesReadings]
    ) -> None:
        self._cacher, self._kinds, self._scraper = registry.cacher, kinds, scraper

    def serves(self, group: str) -> bool:
        """Tell whether *group* is answered here."""
        return group in METRICS

    async def serve(self, request: Request) -> Answer:
        """Answer; raises StatusError 400, 404, 405."""
        info = request.info
        if info.version not in METRICS[info.group] or info.rest:
            raise no_such_path()
        if info.verb not in ("get", "list"):
            raise StatusError(405, "MethodNotAllowed", f"{info.verb} is not supported on metrics")
        if info.group == EXTERNAL:
            found = await self._external(request)
        else:
            found = await self._custom(request)
        return answer_object(found, request.accepted)

    async def _external(self, request: Request) -> Object:
        info = request.info
        if info.name or not info.namespace:
            raise no_such_path()
        selector = _selector(request, "labelSelector")
        values = (await self._scraper.wanted()).values(info.resource)
        if values is None:
            raise _no_metric(info.resource, "external")
        mine = (value for value in values if value.labels.get("namespace") == info.namespace)
        return external_list(info.resource, (v for v in mine if selector.matches(v.labels)))

    async def _custom(self, request: Request) -> Object:
        info = request.info
        if info.resource == _OF_NAMESPACE and info.namespace and not info.subresource:
            metric, kind, name = info.name, self._kinds.of(NAMESPACES), info.namespace
        else:
            metric, kind, name = info.subresource, self._kind(info.resource), info.name
        if not metric or not name:
            raise no_such_path()
        objects = self._objects(kind, request, name)
        values = (await self._scraper.wanted()).values(metric)
        await self._cacher.wait_until_fresh()
        if values is None:
            raise _no_metric(metric, info.resource)
        labels = _selector(request, "metricLabelSelector")
        index = _Index(value for value in values if labels.matches(value.labels))
        about = [(each, self._about(kind, each, index)) for each in objects]
        items = [
            metric_value(
                _described(kind.resource, each),
                metric,
                found,
                request.query.get("metricLabelSelector", ""),
                info.version,
            )
            for each, found in about
            if found
        ]
        if not items and name != _EVERY:
            raise _no_metric(metric, f"{info.resource} {name}")
        return metric_value_list(items, info.version)

    def _kind(self, text: str) -> Kind:
        """Return the kind that `services` or `deployments.apps` names."""
        plural, _, group = text.partition(".")
        for kind in self._kinds.all():
            if (kind.resource.plural, kind.resource.group) == (plural, group) and not kind.virtual:
                return kind
        raise no_such_path()

    def _objects(self, kind: Kind, request: Request, name: str) -> Sequence[Object]:
        """Return the objects that are asked about, as they are now."""
        resource, info = kind.stored.resource, request.info
        if resource.namespaced is not bool(info.namespace) and resource != NAMESPACES:
            raise no_such_path()
        cache = self._cacher.cache(resource)
        if name != _EVERY:
            found = cache.get(
                keys.key(resource, info.namespace if resource.namespaced else "", name)
            )
            return () if found is None else (found.object,)
        selector = _selector(request, "labelSelector")
        below = cache.below(keys.prefix(resource, info.namespace))
        return [stored.object for stored in below if selector.matches(stored.labels)]

    def _about(self, kind: Kind, obj: Object, index: _Index) -> Sequence[Value]:
        namespace, name = namespace_of(obj), name_of(obj)
        if kind.resource == PODS:
            return index.of_pods(namespace, [name])
        if kind.resource == NAMESPACES:
            return index.of_namespace(name)
        said = index.labelled(kind.resource.kind.lower(), namespace, name)
        if not said and kind.resource == SERVICES:
            return index.of_pods(namespace, self._behind(namespace, name))
        return said

    def _behind(self, namespace: str, service: str) -> Iterable[str]:
        """Return the pods of a Service's EndpointSlices, each once."""
        cache = self._cacher.cache(ENDPOINTSLICES)
        below = cache.below(keys.prefix(ENDPOINTSLICES, namespace))
        mine = (each.object for each in below if each.labels.get(_SERVICE_NAME) == service)
        targets = (
            endpoint.get("targetRef") or {}
            for each in mine
            for endpoint in each.get("endpoints") or ()
        )
        return dict.fromkeys(each["name"] for each in targets if each.get("kind") == "Pod")


class _Index:
    """Values by whom they are about."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._values = list(values)
        self._by_pod: dict[tuple[str, str], list[Value]] = {}
        for value in self._values:
            pod = value.labels.get("namespace", ""), value.labels.get("pod", "")
            self._by_pod.setdefault(pod, []).append(value)

    def of_pods(self, namespace: str, names: Iterable[str]) -> list[Value]:
        return [value for name in names for value in self._by_pod.get((namespace, name), ())]

    def of_namespace(self, name: str) -> list[Value]:
        return [value for value in self._values if value.labels.get("namespace") == name]

    def labelled(self, kind: str, namespace: str, name: str) -> list[Value]:
        """Return what is said of an object: its name is a label, and perhaps its namespace."""
        return [
            value
            for value in self._values
            if value.labels.get(kind) == name and namespace in ("", _namespace(value.labels))
        ]


def _namespace(labels: Mapping[str, str]) -> str:
    """Return the namespace that a sample speaks of: its own word, else that of its pod."""
    return labels.get("exported_namespace") or labels.get("namespace", "")


def _described(resource: Resource, obj: Object) -> Object:
    shown: Object = {"kind": resource.kind}
    if namespace_of(obj):
        shown["namespace"] = namespace_of(obj)
    return {**shown, "name": name_of(obj), "apiVersion": resource.api_version}


def _selector(request: Request, field: str) -> LabelSelector:
    try:
        return parse_label_selector(request.query.get(field, ""))
    except SelectorError as error:
        raise bad_request(str(error)) from None


def _no_metric(metric: str, whose: str) -> StatusError:
    message = f"the server could not find the metric {metric} for {whose}"
    return StatusError(404, "NotFound", message)
