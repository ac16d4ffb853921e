"""Options of writes and deletions, from the query and the body (metav1 …Options)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.authn import AUTHENTICATED, User
from controlplane.apiserver.decoding import STRICTNESS, media_type
from controlplane.apiserver.exchange import Request
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.request_info import is_true
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause, bad_request, invalid

PROPAGATIONS: Final = ("Foreground", "Background", "Orphan")
_GRACE_MAX_S: Final = 1 << 31
_MANAGER_MAX: Final = 128
APPLY_PATCH: Final = "application/apply-patch+yaml"
_OPTIONS_OF: Final = {"update": "UpdateOptions", "patch": "PatchOptions"}
#: What happens to unknown and repeated fields where nobody says (upstream: since 1.25).
_DEFAULT_STRICTNESS: Final = "Warn"
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
    #: … where the client says so itself.
    asked_manager: str = ""
    #: The version that the client speaks, where it is another than the stored one.
    version: Kind | None = None
    #: The object comes from server-side apply, which has seen to the managers of its fields.
    is_apply: bool = False
    #: What the client is to be warned of, in order; filled while the write is decided.
    warnings: list[str] = dataclasses.field(default_factory=list, compare=False)
    #: What admission has to say to the audit log.
    annotations: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def strictness(self) -> str:
        """Return what happens to unknown and repeated fields."""
        return self.field_validation or _DEFAULT_STRICTNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """Options of delete and deletecollection; None and empty mean that nothing was asked."""

    dry_run: bool = False
    grace_s: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    user: User = APISERVER
    warnings: list[str] = dataclasses.field(default_factory=list, compare=False)
    #: What admission has to say to the audit log.
    annotations: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)


def _dry_run_causes(values: Sequence[object]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    return [field.not_supported("dryRun", values, ["All"])]


def write_options(request: Request) -> WriteOptions:
    """Read a write's query, and who writes; raises StatusError 422."""
    query = request.query
    dry_run = [query["dryRun"]] if query.get("dryRun") else []
    manager, strictness = query.get("fieldManager", ""), query.get("fieldValidation", "")
    if dry_run or manager or strictness or request.info.verb == "patch":
        causes = [*_patch_causes(request), *_manager_causes(manager), *_dry_run_causes(dry_run)]
        if strictness not in STRICTNESS:
            causes.append(field.not_supported("fieldValidation", strictness, sorted(STRICTNESS)))
        if causes:
            kind = _OPTIONS_OF.get(request.info.verb, "CreateOptions")
            raise invalid(kind, "", causes, group="meta.k8s.io")
    return WriteOptions(
        dry_run=bool(dry_run),
        field_validation=strictness,
        user=request.user,
        manager=manager or _manager_of(request.user_agent),
        asked_manager=manager,
        annotations=request.annotations,
    )


def _patch_causes(request: Request) -> list[Cause]:
    """Find what a patch must say, or may not say, of who writes."""
    if request.info.verb != "patch":
        return []
    if media_type(request.content_type) != APPLY_PATCH:
        detail = "may not be specified for non-apply patch"
        return [field.forbidden("force", detail)] if "force" in request.query else []
    if request.query.get("fieldManager"):
        return []
    return [field.required("fieldManager", "is required for apply patch")]


def _manager_causes(asked: str) -> list[Cause]:
    causes = []
    if len(asked.encode()) > _MANAGER_MAX:
        causes.append(field.too_long("fieldManager", _MANAGER_MAX))
    octets = 0
    for character in asked:
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {octets})"
            causes.append(field.invalid("fieldManager", asked, detail))
        octets += len(character.encode())
    return causes


@functools.lru_cache(maxsize=256)
def _manager_of(user_agent: str) -> str:
    """Return who writes when nobody says so (upstream: prefixFromUserAgent)."""
    name = user_agent.partition("/")[0]
    if not (name.isascii() and name.isprintable()):
        name = "".join(filter(str.isprintable, name))
    return name.encode()[:_MANAGER_MAX].decode(errors="ignore") or "unknown"


def delete_options(request: Request, body: Object) -> DeleteOptions:
    """Read a deletion's *body*, or, where there is none, its query; raises StatusError 400, 422."""
    kind = body.get("kind", "DeleteOptions")
    if kind != "DeleteOptions":
        raise bad_request(f"{kind} cannot be handled as a DeleteOptions")
    asked: Mapping[str, object] = body or request.query
    preconditions = asked.get("preconditions") or {}
    dry_run = asked.get("dryRun") or []
    if isinstance(dry_run, str):
        dry_run = [dry_run]
    if not isinstance(preconditions, dict) or not isinstance(dry_run, list):
        raise bad_request("DeleteOptions: preconditions must be a map and dryRun a list")
    policy, orphan = asked.get("propagationPolicy"), asked.get("orphanDependents")
    causes = [*_propagation_causes(policy, orphan), *_dry_run_causes(dry_run)]
    if causes:
        raise invalid("DeleteOptions", "", causes, group="meta.k8s.io")
    return DeleteOptions(
        dry_run=bool(dry_run),
        grace_s=_grace(asked.get("gracePeriodSeconds")),
        propagation=_propagation(policy, orphan),
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
    if seconds >= _GRACE_MAX_S:
        raise bad_request(f"gracePeriodSeconds: {seconds} is out of range")
    return seconds if seconds >= 0 else 1  # Upstream takes what is negative for a second.


def _propagation_causes(policy: object, orphan: object) -> list[Cause]:
    causes = []
    if policy is not None and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(field.invalid("propagationPolicy", policy, detail))
    if policy is not None and policy not in PROPAGATIONS:
        causes.append(field.not_supported("propagationPolicy", policy, (*PROPAGATIONS, "nil")))
    return causes


def _propagation(policy: object, orphan: object) -> str:
    if policy is None and orphan is not None:
        return "Orphan" if is_true(str(orphan).lower()) else "Background"
    return str(policy or "")
