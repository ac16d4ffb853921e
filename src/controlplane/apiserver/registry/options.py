"""Options of writes and deletions, from the query and the body (metav1 …Options)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from controlplane.apiserver.authn import AUTHENTICATED, User
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from kubeapi.objects import Object
from kubeapi.status import bad_request

PROPAGATIONS: Final = ("Background", "Foreground", "Orphan")
_GRACE_MAX_S: Final = 1 << 31
_MANAGER_MAX: Final = 128
#: The server itself (upstream: user.APIServerUser).
APISERVER: Final = User("system:apiserver", ("system:masters", AUTHENTICATED))


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Options of create, update and patch."""

    dry_run: bool = False
    field_validation: str = ""
    user: User = APISERVER
    #: Who is said to have set the fields (metav1 fieldManager).
    manager: str = APISERVER.name
    #: The version that the client speaks, where it is another than the stored one.
    version: Kind | None = None
    #: The object comes from server-side apply, which has seen to the managers of its fields.
    is_apply: bool = False
    #: What the client is to be warned of, in order; filled while the write is decided.
    warnings: list[str] = field(default_factory=list, compare=False)
    #: What admission has to say to the audit log.
    annotations: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """Options of delete and deletecollection; None and empty mean that nothing was asked."""

    dry_run: bool = False
    grace_s: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    user: User = APISERVER
    warnings: list[str] = field(default_factory=list, compare=False)
    #: What admission has to say to the audit log.
    annotations: dict[str, str] = field(default_factory=dict, compare=False)


def _dry_run(values: list[str]) -> bool:
    if any(value != "All" for value in values):
        raise bad_request(f'dryRun: Unsupported value: "{values[0]}": supported values: "All"')
    return bool(values)


def write_options(request: Request) -> WriteOptions:
    """Read a write's query, and who writes; raises StatusError 400."""
    query = request.query
    return WriteOptions(
        dry_run=_dry_run([query["dryRun"]] if "dryRun" in query else []),
        field_validation=query.get("fieldValidation", ""),
        user=request.user,
        manager=_manager(query.get("fieldManager", ""), request.user_agent),
        annotations=request.annotations,
    )


def _manager(asked: str, user_agent: str) -> str:
    if len(asked) > _MANAGER_MAX:
        raise bad_request(f"fieldManager: may not be more than {_MANAGER_MAX} bytes")
    if not asked.isprintable():
        raise bad_request("fieldManager: should only contain printable characters")
    return asked or user_agent.partition("/")[0][:_MANAGER_MAX]


def delete_options(request: Request, body: Object) -> DeleteOptions:
    """Read a deletion's query and *body*, the body first; raises StatusError 400."""
    query = request.query
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
        user=request.user,
        annotations=request.annotations,
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
