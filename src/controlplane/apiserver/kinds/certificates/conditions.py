"""Conditions of a CertificateSigningRequest: who may write which, and that they stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
_PATH: Final = "status.conditions"
_LASTING: Final = (APPROVED, DENIED, FAILED)
_STATUSES: Final = ("False", "True", "Unknown")
_EITHER: Final = "Approved and Denied conditions are mutually exclusive"


def conditions_of(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


def of_kind(request: Object, kind: str) -> list[Object]:
    """Return the conditions of one type."""
    return [row for row in conditions_of(request) if row.get("type") == kind]


def keep_decisions(new: Object, old: Object) -> list[Object]:
    """Return *new*'s conditions with those of the approver as they were in *old*."""
    known = {kind: iter(of_kind(old, kind)) for kind in (APPROVED, DENIED)}
    return [next(known.get(row.get("type", ""), iter(())), row) for row in conditions_of(new)]


def date(rows: list[Object]) -> None:
    """Let what is said to be updated have changed then, unless it says when."""
    for row in rows:
        if row.get("lastUpdateTime") and not row.get("lastTransitionTime"):
            row["lastTransitionTime"] = row["lastUpdateTime"]


def validate(request: Object) -> Iterator[Cause]:
    """Judge the conditions by themselves."""
    seen: list[str] = []
    for index, row in enumerate(conditions_of(request)):
        path, kind = f"{_PATH}[{index}]", row.get("type") or ""
        status = row.get("status") or ""
        if not kind:
            yield field.required(f"{path}.type")
        allowed = ("True",) if kind in _LASTING else _STATUSES
        if not status:
            yield field.required(f"{path}.status")
        elif status not in allowed:
            yield field.not_supported(f"{path}.status", status, allowed)
        other = {APPROVED: DENIED, DENIED: APPROVED}.get(kind)
        if other in seen:
            yield field.invalid(f"{path}.type", kind, _EITHER)
        if kind in seen:
            yield field.duplicate(f"{path}.type", kind)
        seen.append(kind)


def validate_kept(new: Object, old: Object) -> Iterator[Cause]:
    """Find that a condition that ends something was taken back."""
    for kind in _LASTING:
        if len(of_kind(new, kind)) < len(of_kind(old, kind)):
            yield field.forbidden(_PATH, f'updates may not remove a condition of type "{kind}"')


def validate_no_decision(new: Object, old: Object) -> Iterator[Cause]:
    """Find that somebody else than the approver approved or denied."""
    for kind in (APPROVED, DENIED):
        after, before = of_kind(new, kind), of_kind(old, kind)
        if len(after) > len(before):
            yield field.forbidden(_PATH, f'updates may not add a condition of type "{kind}"')
        elif len(after) == len(before) and after != before:
            yield field.forbidden(_PATH, f'updates may not modify a condition of type "{kind}"')
