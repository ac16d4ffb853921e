"""One operation: its name, its bodies, its answers (upstream: endpoints/installer.go).

Names are upstream's, for generated clients are called after them. Answers tell more than upstream's
documents do: that a deletion answers with the object as long as something holds it, and
that everything else is a Status.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object
from kubeapi.schema.openapi import META, reference

_ANSWERS: Final = ("application/json", "application/yaml")
_STREAMED: Final = (*_ANSWERS, "application/json;stream=watch")
#: Upstream reads any body whose type it knows, and says so.
ANY: Final = ("*/*",)
CUSTOM_BODIES: Final = _ANSWERS
PATCHES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
CUSTOM_PATCHES: Final = PATCHES[:3]
_NAMES: Final[Mapping[int, str]] = {200: "OK", 201: "Created", 202: "Accepted"}
_WORD: Final = re.compile(r"[^A-Za-z0-9_]+")

STATUS: Final = f"{META}.Status"
DELETE_OPTIONS: Final = f"{META}.DeleteOptions"
PATCH: Final = f"{META}.Patch"
WATCH_EVENT: Final = f"{META}.WatchEvent"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands: the group and version of its path."""

    group: str
    version: str

    @property
    def tag(self) -> str:
        """Return what operations of one group and version have in common."""
        camel = _camel(self._short_group)
        return "_".join(filter(None, (camel[:1].lower() + camel[1:], self.version)))

    def operation_id(self, verb: str, rest: str) -> str:
        """Return upstream's name of an operation."""
        return f"{verb}{_camel(self._short_group)}{_camel(self.version)}{rest}"

    @property
    def _short_group(self) -> str:
        return self.group.removesuffix(".k8s.io") or "core"


def _camel(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in _WORD.split(name))


def schema_of(names: Sequence[str]) -> Object:
    """Return a reference to one component, or to one of several."""
    if len(names) == 1:
        return reference(names[0])
    return {"anyOf": [reference(name) for name in names]}


def content(schema: Object, media_types: Iterable[str]) -> Object:
    """Return a body of one schema in each of *media_types*."""
    return {media_type: {"schema": schema} for media_type in media_types}


def responses(codes: Iterable[int], schema: Object, media_types: Iterable[str]) -> Object:
    """Return the answers of an operation: those that are meant, and any other."""
    made: Object = {
        str(code): {"description": _NAMES[code], "content": content(schema, media_types)}
        for code in codes
    }
    failed = content(reference(STATUS), _ANSWERS)
    made["401"] = {"description": "Unauthorized", "content": failed}
    made["default"] = {"description": "What went wrong", "content": failed}
    return made


def answered(codes: Iterable[int], *names: str, streamed: bool = False) -> Object:
    """Return the answers of an operation whose body is a component."""
    return responses(codes, schema_of(names), _STREAMED if streamed else _ANSWERS)


def body(name: str, media_types: Iterable[str], *, required: bool = True) -> Object:
    """Return a request's body."""
    made: Object = {"content": content(reference(name), media_types)}
    return {**made, "required": True} if required else made


def group_version_kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
