"""LimitRanges: defaults for what containers do not say, and bounds (upstream: limitranger)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.quota import pod_resources
from controlplane.quota.amounts import Amounts, read
from kubeapi.objects import Object
from kubeapi.quantity import format
from kubeapi.resources import LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS
from kubeapi.status import forbidden

ANNOTATION: Final = "kubernetes.io/limit-ranger"
#: What is completed, where it stands, and which list of a limit has it.
_DEFAULTS: Final = (("request", "requests", "defaultRequest"), ("limit", "limits", "default"))


class LimitRanger:
    """Completes and judges pods, and judges claims."""

    name = "LimitRanger"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        if subresource:
            return False
        if kind.resource == PERSISTENTVOLUMECLAIMS:
            return operation in (Operation.CREATE, Operation.UPDATE)
        return kind.resource == PODS and operation is Operation.CREATE

    def _limits(self, namespace: str) -> list[Object]:
        cache = self._cacher.cache(LIMITRANGES)
        if not len(cache):
            return []
        found = cache.below(keys.prefix(LIMITRANGES, namespace))
        return [limit for each in found for limit in each.object["spec"].get("limits") or ()]

    async def admit(self, attributes: Attributes) -> None:
        if attributes.kind.resource != PODS:
            return
        assert attributes.obj is not None
        limits = [
            each for each in self._limits(attributes.namespace) if each["type"] == "Container"
        ]
        if limits:
            complete(attributes.obj, limits)

    async def validate(self, attributes: Attributes) -> None:
        limits = self._limits(attributes.namespace)
        if not limits:
            return
        assert attributes.obj is not None
        judge = _claim_faults if attributes.kind.resource == PERSISTENTVOLUMECLAIMS else pod_faults
        wrong = [text for limit in limits for text in judge(attributes.obj, limit)]
        if wrong:
            unique = list(dict.fromkeys(wrong))
            told = unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]"
            raise forbidden(attributes.kind.resource, attributes.name, told)


def complete(pod: Object, limits: list[Object]) -> None:
    """Give containers the requests and limits that they do not say, and note which."""
    noted: list[str] = []
    for key, what in (("containers", "container"), ("initContainers", "init container")):
        for container in pod["spec"].get(key) or ():
            noted += _completed(container, limits, what)
    if noted:
        metadata = pod["metadata"]
        text = f"LimitRanger plugin set: {'; '.join(noted)}"
        metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: text}


def _completed(container: Object, limits: list[Object], what: str) -> Iterator[str]:
    for kind, key, source in (
        ("request", "requests", "defaultRequest"),
        ("limit", "limits", "default"),
    ):
        resources = container.get("resources") or {}
        said = resources.get(key) or {}
        defaults = {
            name: text for limit in limits for name, text in (limit.get(source) or {}).items()
        }
        missing = {name: text for name, text in defaults.items() if name not in said}
        if missing:
            container["resources"] = {**resources, key: {**said, **missing}}
            yield f"{', '.join(sorted(missing))} {kind} for {what} {container['name']}"


def pod_faults(pod: Object, limit: Object) -> Iterator[str]:
    """Yield what of a pod is beyond one limit."""
    spec = pod["spec"]
    if limit["type"] == "Pod":
        requests = pod_resources.of_pod(spec, "requests")
        yield from _faults(limit, requests, pod_resources.of_pod(spec, "limits"))
    elif limit["type"] == "Container":
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            requests = pod_resources.of_container(container, "requests")
            yield from _faults(limit, requests, pod_resources.of_container(container, "limits"))


def _claim_faults(claim: Object, limit: Object) -> Iterator[str]:
    if limit["type"] != "PersistentVolumeClaim":
        return
    resources = (claim.get("spec") or {}).get("resources") or {}
    requests = read(resources.get("requests"))
    # A claim's limit means nothing: its request is held against both bounds.
    yield from _faults(limit, requests, requests)


def _faults(limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, text in (limit.get("min") or {}).items():
        least, asked, most = read({name: text})[name], requests.get(name), limits.get(name)
        bound = f"minimum {name} usage per {kind} is {text}"
        if asked is None:
            yield f"{bound}.  No request is specified"
        elif asked < least:
            yield f"{bound}, but request is {format(asked)}"
        elif most is not None and most < least:
            yield f"{bound}, but limit is {format(most)}"
    for name, text in (limit.get("max") or {}).items():
        bound, most = f"maximum {name} usage per {kind} is {text}", limits.get(name)
        allowed, asked = read({name: text})[name], requests.get(name)
        if most is None:
            yield f"{bound}.  No limit is specified"
        elif most > allowed:
            yield f"{bound}, but limit is {format(most)}"
        elif asked is not None and asked > allowed:
            yield f"{bound}, but request is {format(asked)}"
    for name, text in (limit.get("maxLimitRequestRatio") or {}).items():
        asked, most = requests.get(name) or Fraction(), limits.get(name) or Fraction()
        bound = f"{name} max limit to request ratio per {kind} is {text}"
        if not asked:
            yield f"{bound}, but no request is specified or request is 0"
        elif not most:
            yield f"{bound}, but no limit is specified or limit is 0"
        elif most / asked > read({name: text})[name]:
            yield f"{bound}, but provided ratio is {float(most / asked):.6f}"
