"""How important a pod is, by the name of its class (upstream: plugin/pkg/admission/priority).

The number is the server's to write: a pod that says another one than its class has is refused. A
pod without a class gets the default one, or 0. There may be one default class only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.kinds.priorityclass import PREEMPTS
from kubeapi.objects import Object, name_of
from kubeapi.resources import PODS, PRIORITYCLASSES
from kubeapi.status import StatusError, forbidden

_BY: Final = "priority admission controller computed {} from the given PriorityClass name"


@dataclass(frozen=True, slots=True)
class _Class:
    """What a PriorityClass says."""

    name: str
    value: int
    preemption: str
    is_default: bool

    @classmethod
    def read(cls, obj: Object) -> _Class:
        return cls(
            name=name_of(obj),
            value=obj.get("value") or 0,
            preemption=obj.get("preemptionPolicy") or PREEMPTS,
            is_default=bool(obj.get("globalDefault")),
        )


_NO_CLASS: Final = _Class("", 0, PREEMPTS, is_default=False)


class Priority:
    """Completes pods, judges PriorityClasses."""

    name = "Priority"

    def __init__(self, cacher: Cacher) -> None:
        self._cacher = cacher
        self._seen, self._read = -1, dict[str, _Class]()
        self._by_default = _NO_CLASS

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        written = operation in (Operation.CREATE, Operation.UPDATE) and not subresource
        return written and kind.resource in (PODS, PRIORITYCLASSES)

    async def admit(self, attributes: Attributes) -> None:
        if attributes.kind.resource != PODS:
            return
        assert attributes.obj is not None
        spec = attributes.obj["spec"]
        if attributes.old is not None:
            _keep(spec, attributes.old["spec"])
            return
        try:
            seen = self._cacher.revision
            found = self._class_of(spec, attributes)
        except StatusError:
            if not await self._cacher.has_moved_since(seen):
                raise
            found = self._class_of(spec, attributes)
        _complete(spec, found, attributes)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.kind.resource == PODS:
            return
        assert attributes.obj is not None
        if not attributes.obj.get("globalDefault"):
            return
        self._refresh()
        default = self._by_default
        if default.name and default.name != name_of(attributes.obj):
            why = (
                f"PriorityClass {default.name} is already marked as default. "
                "Only one default can exist"
            )
            raise forbidden(PRIORITYCLASSES, name_of(attributes.obj), why)

    def _refresh(self) -> None:
        """Read the classes again when one has changed, or come or gone."""
        cache = self._cacher.cache(PRIORITYCLASSES)
        if cache.changed_at == self._seen:
            return
        self._seen = cache.changed_at
        below = cache.below(keys.prefix(PRIORITYCLASSES))
        self._read = {stored.key: _Class.read(stored.object) for stored in below}
        # Should two servers have made a default one each, the lower counts.
        defaults = [each for each in self._read.values() if each.is_default]
        self._by_default = min(defaults, key=lambda each: each.value, default=_NO_CLASS)

    def _class_of(self, spec: Object, attributes: Attributes) -> _Class:
        self._refresh()
        name = spec.get("priorityClassName") or ""
        if not name:
            return self._by_default
        found = self._read.get(keys.key(PRIORITYCLASSES, "", name))
        if found is None:
            why = f"no PriorityClass with name {name} was found"
            raise forbidden(PODS, attributes.name, why)
        return found


def _keep(spec: Object, before: Object) -> None:
    """Let an update that says nothing change nothing."""
    for key in ("priority", "preemptionPolicy"):
        if spec.get(key) is None and before.get(key) is not None:
            spec[key] = before[key]


def _complete(spec: Object, found: _Class, attributes: Attributes) -> None:
    if found.name:
        spec["priorityClassName"] = found.name
    said = spec.get("priority")
    if said is not None and said != found.value:
        why = f"the integer value of priority ({said}) must not be provided in pod spec; "
        raise forbidden(PODS, attributes.name, why + _BY.format(found.value))
    spec["priority"] = found.value
    policy = spec.get("preemptionPolicy")
    if policy is not None and policy != found.preemption:
        why = f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
        raise forbidden(PODS, attributes.name, why + _BY.format(found.preemption))
    spec["preemptionPolicy"] = found.preemption
