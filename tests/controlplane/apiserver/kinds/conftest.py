"""Objects as the registry would make them: defaulted, prepared, judged."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from controlplane.apiserver.kinds import kinds
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object

#: 2026-01-02T03:04:05Z, when everything in these tests was made.
MADE = "2026-01-02T03:04:05Z"


@pytest.fixture
def kind_of() -> Callable[[str], Kind]:
    table = {kind.resource.kind: kind for kind in kinds() if kind.hub is None}
    return table.__getitem__


@pytest.fixture
def made(kind_of: Callable[[str], Kind]) -> Callable[..., Object]:
    """Return a function that begins an object as a create does."""

    def make(kind: str, body: Object | None = None, name: str = "web") -> Object:
        row = kind_of(kind)
        obj = copy.deepcopy(body or {})
        metadata = {"name": name, "creationTimestamp": MADE, **(obj.get("metadata") or {})}
        if row.resource.namespaced:
            metadata.setdefault("namespace", "default")
        obj["metadata"] = metadata
        row.default(obj)
        row.prepare_create(obj)
        return obj

    return make


@pytest.fixture
def wrong(kind_of: Callable[[str], Kind], made: Callable[..., Object]) -> Callable[..., list[str]]:
    """Return a function that tells what a create would be refused for."""

    def judge(kind: str, body: Object | None = None, name: str = "web") -> list[str]:
        row, obj = kind_of(kind), made(kind, body, name)
        return [str(cause) for cause in [*row.validate(obj), *row.validate_create(obj)]]

    return judge


@pytest.fixture
def update(kind_of: Callable[[str], Kind]) -> Callable[..., list[str]]:
    """Return a function that takes an object through an update, and tells what is wrong."""

    def apply(
        kind: str, new: Object, old: Object, *, status: bool = False, subresource: str = ""
    ) -> list[str]:
        row = kind_of(kind)
        row.default(new)
        strategy = row.strategies.get("status" if status else subresource)
        if strategy is not None:
            strategy.prepare(new, old)
            return [str(cause) for cause in [*row.validate(new), *strategy.validate(new, old)]]
        (row.prepare_status_update if status else row.prepare_update)(new, old)
        return [str(cause) for cause in [*row.validate(new), *row.validate_update(new, old)]]

    return apply
