"""What containers ask for: known resources, and no request above its limit."""

from __future__ import annotations

from collections.abc import Iterator

from controlplane.apiserver.kinds import quantities
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.quantity import parse_quantity
from kubeapi.status import Cause


def validate(resources: Object, path: str) -> Iterator[Cause]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    broken = False
    for key, given in (("limits", limits), ("requests", requests)):
        for cause in quantities.validate(given, f"{path}.{key}"):
            broken = True
            yield cause
        for name in given:
            if not quantities.is_known(name):
                detail = "must be a standard resource type or fully qualified"
                yield field.invalid(f"{path}.{key}[{name}]", name, detail)
    if not broken:
        yield from _compare(limits, requests, path)


def _compare(limits: Object, requests: Object, path: str) -> Iterator[Cause]:
    for name, text in requests.items():
        limit = limits.get(name)
        overcommittable = quantities.is_overcommittable(name)
        if limit is None:
            if not overcommittable:
                detail = "Limit must be set for non overcommitable resources"
                yield field.required(f"{path}.limits", detail)
            continue
        asked, allowed = parse_quantity(text), parse_quantity(limit)
        if not overcommittable and asked != allowed:
            detail = f"must be equal to {name} limit of {limit}"
            yield field.invalid(f"{path}.requests", text, detail)
        elif asked > allowed:
            detail = f"must be less than or equal to {name} limit of {limit}"
            yield field.invalid(f"{path}.requests", text, detail)
