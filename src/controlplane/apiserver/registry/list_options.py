"""Which options of lists and watches go together (upstream: meta/internalversion/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubeapi import field
from kubeapi.status import Cause, invalid

EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"
_MATCH: Final = "resourceVersionMatch"
_INITIAL: Final = "sendInitialEvents"


def check_list_options(query: Mapping[str, str], *, watch: bool) -> None:
    """Raise StatusError 422 when *query* asks for what makes no sense together."""
    causes = _watch_causes(query) if watch else _list_causes(query)
    if causes:
        raise invalid("ListOptions", "", causes, group="meta.k8s.io")


def _list_causes(query: Mapping[str, str]) -> list[Cause]:
    match, version = query.get(_MATCH, ""), query.get("resourceVersion", "")
    causes = []
    if match:
        if not version:
            why = f"{_MATCH} is forbidden unless resourceVersion is provided"
            causes.append(field.forbidden(_MATCH, why))
        causes += _continued(query)
        if match not in (EXACT, NOT_OLDER_THAN):
            causes.append(field.not_supported(_MATCH, match, (EXACT, NOT_OLDER_THAN, "")))
        if match == EXACT and version == "0":
            why = f'{_MATCH} "exact" is forbidden for resourceVersion "0"'
            causes.append(field.forbidden(_MATCH, why))
    if _INITIAL in query:
        causes.append(field.forbidden(_INITIAL, f"{_INITIAL} is forbidden for list"))
    return causes


def _watch_causes(query: Mapping[str, str]) -> list[Cause]:
    match, asks = query.get(_MATCH, ""), _INITIAL in query
    causes = []
    if asks and match != NOT_OLDER_THAN:
        why = f"{_INITIAL} requires setting {_MATCH} to {NOT_OLDER_THAN}"
        causes.append(field.forbidden(_MATCH, why))
    if match:
        if not asks:
            why = f"{_MATCH} is forbidden for watch unless {_INITIAL} is provided"
            causes.append(field.forbidden(_MATCH, why))
        if match != NOT_OLDER_THAN:
            causes.append(field.not_supported(_MATCH, match, (NOT_OLDER_THAN,)))
        causes += _continued(query)
    return causes


def _continued(query: Mapping[str, str]) -> list[Cause]:
    if not query.get("continue"):
        return []
    return [field.forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")]
