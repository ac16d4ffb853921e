"""What a pod's runtime costs, and where it runs (upstream: plugin/pkg/admission/runtimeclass)."""

from __future__ import annotations

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.resources import PODS, RUNTIMECLASSES
from kubeapi.status import StatusError, forbidden


class RuntimeClass:
    """Completes and judges new pods."""

    name = "RuntimeClass"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        return operation is Operation.CREATE and kind.resource == PODS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec = attributes.obj["spec"]
        if not spec.get("runtimeClassName"):
            return
        found = await self._class_of(attributes, spec["runtimeClassName"])
        if (fixed := (found.get("overhead") or {}).get("podFixed")) is not None:
            if spec.get("overhead") and spec["overhead"] != fixed:
                why = "Pod's Overhead doesn't match RuntimeClass's defined Overhead"
                raise _rejected(attributes, why)
            spec["overhead"] = dict(fixed)
        if (scheduling := found.get("scheduling")) is not None:
            _schedule(attributes, spec, scheduling)

    async def validate(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        spec = attributes.obj["spec"]
        if not spec.get("overhead"):
            return
        name = spec.get("runtimeClassName")
        found = await self._class_of(attributes, name) if name else {}
        fixed = (found.get("overhead") or {}).get("podFixed")
        if fixed is None:
            why = "Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise _rejected(attributes, why)
        if fixed != spec["overhead"]:
            why = "Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise _rejected(attributes, why)

    async def _class_of(self, attributes: Attributes, name: str) -> Object:
        key, cache = keys.key(RUNTIMECLASSES, "", name), self._cacher.cache(RUNTIMECLASSES)
        seen, found = self._cacher.revision, cache.get(key)
        if found is None and await self._cacher.has_moved_since(seen):
            found = cache.get(key)
        if found is None:
            raise _rejected(attributes, f'RuntimeClass "{name}" not found')
        return found.object


def _rejected(attributes: Attributes, why: str) -> StatusError:
    return forbidden(PODS, attributes.name, f"pod rejected: {why}")


def _schedule(attributes: Attributes, spec: Object, scheduling: Object) -> None:
    """Let the pod run only where its runtime is."""
    wanted, given = scheduling.get("nodeSelector") or {}, spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if given.get(key, value) != value:
            why = (
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {given[key]}"
            )
            raise forbidden(PODS, attributes.name, why)
    if wanted:
        spec["nodeSelector"] = {**given, **wanted}
    borne = spec.get("tolerations") or []
    more = [each for each in scheduling.get("tolerations") or [] if each not in borne]
    if more:
        spec["tolerations"] = [*borne, *more]
