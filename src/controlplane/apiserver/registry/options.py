"""Options of writes and deletions, from the query and the body (metav1 …Options)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object
from kubeapi.status import bad_request

PROPAGATIONS: Final = ("Background", "Foreground", "Orphan")
_GRACE_MAX_S: Final = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Options of create, update and patch."""

    dry_run: bool = False
    field_validation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """Options of delete and deletecollection; None and empty mean that nothing was asked."""

    dry_run: bool = False
    grace_s: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""


def _dry_run(values: list[str]) -> bool:
    if any(value != "All" for value in values):
        raise bad_request(f'dryRun: Unsupported value: "{values[0]}": supported values: "All"')
    return bool(values)


def write_options(query: Mapping[str, str]) -> WriteOptions:
    """Read a write's query; raises StatusError 400."""
    return WriteOptions(
        dry_run=_dry_run([query["dryRun"]] if "dryRun" in query else []),
        field_validation=query.get("fieldValidation", ""),
    )


def delete_options(query: Mapping[str, str], body: Object) -> DeleteOptions:
    """Read a deletion's query and body, the body first; raises StatusError 400."""
    kind = body.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise bad_request(f"{kind} cannot be handled as a DeleteOptions")
    preconditions = body.get("preconditions") or {}
    dry_run = body.get("dryRun") or []
    if not isinstance(preconditions, dict) or not isinstance(dry_run, list):
        raise bad_request("DeleteOptions: preconditions must be a map and dryRun a list")
    if not dry_run and "dryRun" in query:
        dry_run = [query["dryRun"]]
    return DeleteOptions(
        dry_run=_dry_run(dry_run),
        grace_s=_grace(body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))),
        propagation=_propagation(
            body.get("propagationPolicy") or query.get("propagationPolicy"),
            body.get("orphanDependents", query.get("orphanDependents")),
        ),
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
    )


def _grace(value: object) -> int | None:
    if value is None:
        return None
    try:
        seconds = int(str(value))
    except ValueError:
        raise bad_request(f"gracePeriodSeconds: {value!r} is no number") from None
    if not 0 <= seconds < _GRACE_MAX_S:
        raise bad_request(f"gracePeriodSeconds: {seconds} is out of range")
    return seconds


def _propagation(policy: object, orphan: object) -> str:
    if policy is None and orphan is not None:
        return "Orphan" if str(orphan).lower() == "true" else "Background"
    if policy is not None and policy not in PROPAGATIONS:
        offered = ", ".join(f'"{item}"' for item in PROPAGATIONS)
        raise bad_request(
            f'propagationPolicy: Unsupported value: "{policy}": supported values: {offered}'
        )
    return str(policy or "")
