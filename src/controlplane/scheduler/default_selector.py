"""Who is like a pod that does not say it: by its Services and its controller.

Upstream: helper.DefaultSelector. The selectors of all Services that mean the pod hold together, and
with them that of its ReplicaSet, ReplicationController or StatefulSet. Other controllers say
nothing: the pods of a Job, say, are spread only if a Service means them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from controlplane.scheduler.framework.handle import Listers
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.objects import controller_of
from kubeapi.selectors import LabelSelector, SelectorError

#: Kinds of controllers that count; those whose selector is a plain map.
_KINDS: Final = ("ReplicaSet", "StatefulSet")
_PLAIN: Final = ("ReplicationController",)


def default_selector(pod: PodInfo, listers: Listers) -> LabelSelector:
    """Return whom default spreading counts; without requirements: nobody."""
    labels: dict[str, str] = {}
    for service in listers.services(pod.namespace):
        selector: Mapping[str, str] = (service.get("spec") or {}).get("selector") or {}
        if selector and selector.items() <= pod.labels.items():
            labels.update(selector)
    owner = controller_of(pod.obj)
    kind = owner.get("kind") if owner else None
    found = None
    if owner and kind in (*_KINDS, *_PLAIN):
        found = listers.controller(str(kind), pod.namespace, owner["name"])
    said = (found.get("spec") or {}).get("selector") or {} if found else {}
    if kind in _PLAIN:
        return LabelSelector.from_labels({**labels, **said})
    by_services = LabelSelector.from_labels(labels)
    try:
        by_owner = LabelSelector.from_object(said)
    except SelectorError:
        return by_services
    return LabelSelector((*by_services.requirements, *by_owner.requirements))
