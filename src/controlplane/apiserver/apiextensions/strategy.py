"""How objects of a custom kind are written (upstream: `registry/customresource`).

The schema is asked for when something is written or read, not before: it is compiled from the
definition then. Deviation: finalizers without a prefix are let pass without a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.kinds import metadata
from controlplane.apiserver.kinds.kind import ScalePaths
from controlplane.apiserver.kinds.strategy import keep
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.schema import TypeSchema, structural
from kubeapi.schema.structural import embedded, list_types
from kubeapi.schema.structural.rules import RuleSet, blocking
from kubeapi.status import Cause

_REPLICAS_MAX: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomStrategy:
    """The rules of one version."""

    type: Callable[[], TypeSchema]
    rules: Callable[[], RuleSet]
    has_status: bool
    scale: ScalePaths | None

    def default(self, obj: Object) -> None:
        structural.fill(obj, self.type())

    def prepare_create(self, obj: Object) -> None:
        if self.has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_update(self, new: Object, old: Object) -> None:
        if self.has_status:
            keep("status", new, old)
        if _content(new) != _content(old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def prepare_status_update(self, new: Object, old: Object) -> None:
        """Let nothing of *new* be new but its status, and who manages what."""
        status, managers = new.get("status"), new["metadata"].get("managedFields")
        new.clear()
        new |= old
        new["metadata"] = dict(old["metadata"])
        keep("managedFields", new["metadata"], {} if managers is None else _managed(managers))
        if status is None:
            new.pop("status", None)
        else:
            new["status"] = status

    def validate(self, obj: Object) -> list[Cause]:
        return metadata.validate(obj, validation.dns1123_subdomain, any_finalizer=True)

    def validate_create(self, obj: Object) -> list[Cause]:
        schema = self.type()
        causes = structural.causes_of(obj, schema)
        causes += [*self._scale(obj, spec=True), *_of_embedded(obj, schema)]
        causes += list_types.duplicates(obj, schema)
        return causes + (blocking(causes) or self.rules().broken(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        schema = self.type()
        causes = metadata.validate_update(new, old)
        causes += structural.causes_of(new, schema, old)
        causes += [*self._scale(new, spec=True), *_of_embedded(new, schema)]
        if not any(list_types.duplicates(old, schema)):
            causes += list_types.duplicates(new, schema)
        return causes + (blocking(causes) or self.rules().broken(new, old))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        schema = self.type()
        causes = metadata.validate_update(new, old)
        below = schema.properties.get("status")
        if below is not None and "status" in new:
            before = old.get("status")
            causes += structural.causes_of(new["status"], below, before, path="status")
        causes += self._scale(new, spec=False)
        if below is not None and not any(list_types.duplicates(old, schema)):
            causes += list_types.duplicates(new, schema)
        return causes + (blocking(causes) or self.rules().broken(new, old))

    def _scale(self, obj: Object, *, spec: bool) -> Iterator[Cause]:
        if self.scale is None:
            return
        paths = [self.scale.spec_replicas] if spec else []
        for path in (*paths, self.scale.status_replicas):
            yield from _wrong_replicas(obj, path)
        selector = self.scale.selector
        found = _at(obj, selector) if selector else None
        if found is not None and not isinstance(found, str):
            detail = (
                f"{_accessor(selector)}: {found} is of the type {_go_type(found)}, expected string"
            )
            yield field.invalid("." + ".".join(selector), "", detail)


def _managed(managers: object) -> Object:
    return {"managedFields": managers}


def _content(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata"}


def _of_embedded(obj: Object, schema: TypeSchema) -> Iterator[Cause]:
    """Judge the objects within *obj*; its own metadata are judged elsewhere."""
    for name, child in obj.items():
        below = schema.properties.get(name)
        if below is not None:
            yield from embedded.causes_of(child, below, name)


def _at(obj: Object, path: tuple[str, ...]) -> object:
    found: object = obj
    for name in path:
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _wrong_replicas(obj: Object, path: tuple[str, ...]) -> Iterator[Cause]:
    where, found = "." + ".".join(path), _at(obj, path)
    if found is None:
        return
    if not isinstance(found, int) or isinstance(found, bool):
        detail = f"{_accessor(path)}: {found} is of the type {_go_type(found)}, expected int64"
        yield field.invalid(where, 0, f"{detail}")
    elif found < 0:
        yield field.invalid(where, found, "should be a non-negative integer")
    elif found > _REPLICAS_MAX:
        yield field.invalid(where, found, f"should be less than or equal to {_REPLICAS_MAX}")


def _accessor(path: tuple[str, ...]) -> str:
    return f".{'.'.join(path)} accessor error"


def _go_type(value: object) -> str:
    names = {
        str: "string",
        bool: "bool",
        int: "int64",
        float: "float64",
        list: "[]interface {}",
        dict: "map[string]interface {}",
    }
    return names[type(value)]
