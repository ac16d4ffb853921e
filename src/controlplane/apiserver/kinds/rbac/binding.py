"""RoleBindings and ClusterRoleBindings: who has a role. Which role, is for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.rbac.names import path_segment
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CLUSTERROLEBINDINGS, ROLEBINDINGS
from kubeapi.status import Cause

GROUP: Final = "rbac.authorization.k8s.io"
_ACCOUNT, _USER, _GROUP = "ServiceAccount", "User", "Group"
_NAMELESS: Final = {_USER: "user name cannot be empty", _GROUP: "group name cannot be empty"}


def default(binding: Object) -> None:
    """Users, groups and roles are of this API group; service accounts are of none."""
    reference = binding["roleRef"] = binding.get("roleRef") or {}
    reference["apiGroup"] = reference.get("apiGroup") or GROUP
    for subject in binding.get("subjects") or []:
        if not subject.get("apiGroup") and subject.get("kind") in _NAMELESS:
            subject["apiGroup"] = GROUP


def _judge(*, namespaced: bool) -> Callable[[Object], list[Cause]]:
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)

    def validate(binding: Object) -> list[Cause]:
        causes = [
            *metadata.validate(binding, path_segment),
            *_validate_reference(binding["roleRef"], kinds),
        ]
        for index, subject in enumerate(binding.get("subjects") or []):
            causes += _validate_subject(subject, f"subjects[{index}]", namespaced=namespaced)
        return causes

    return validate


def _validate_reference(reference: Object, kinds: Sequence[str]) -> Iterator[Cause]:
    group, kind, name = (reference.get(key) or "" for key in ("apiGroup", "kind", "name"))
    if group != GROUP:
        yield field.not_supported("roleRef.apiGroup", group, (GROUP,))
    if kind not in kinds:
        yield field.not_supported("roleRef.kind", kind, kinds)
    if not name:
        yield field.required("roleRef.name")
    yield from validation.validate_name(name, "roleRef.name", path_segment)


def _validate_subject(subject: Object, path: str, *, namespaced: bool) -> Iterator[Cause]:
    kind, name, group = (subject.get(key) or "" for key in ("kind", "name", "apiGroup"))
    if not name:
        yield field.required(f"{path}.name")
    if kind == _ACCOUNT:
        if name:
            yield from validation.validate_name(name, f"{path}.name", validation.dns1123_subdomain)
        if group:
            yield field.not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield field.required(f"{path}.namespace")
    elif kind in _NAMELESS:
        if not name:
            yield field.invalid(f"{path}.name", name, _NAMELESS[kind])
        if group != GROUP:
            yield field.not_supported(f"{path}.apiGroup", group, (GROUP,))
    else:
        yield field.not_supported(f"{path}.kind", kind, (_ACCOUNT, _USER, _GROUP))


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    if new["roleRef"] != old["roleRef"]:
        causes.append(field.invalid("roleRef", new["roleRef"], "cannot change roleRef"))
    return causes


def row(binding: Object, now: float) -> Sequence[Cell]:
    reference, named = binding.get("roleRef") or {}, dict[str, list[str]]()
    for subject in binding.get("subjects") or []:
        name = subject.get("name") or ""
        if subject.get("kind") == _ACCOUNT:
            name = f"{subject.get('namespace') or ''}/{name}"
        named.setdefault(subject.get("kind") or "", []).append(name)
    shown = [", ".join(named.get(kind, ())) for kind in (_USER, _GROUP, _ACCOUNT)]
    role = f"{reference.get('kind')}/{reference.get('name')}"
    return name_of(binding), role, cells.age(binding, now), *shown


_COLUMNS: Final = (
    cells.NAME,
    Column("Role", description="The role that is given."),
    cells.AGE,
    Column("Users", priority=1, description="Users that have the role."),
    Column("Groups", priority=1, description="Groups whose members have the role."),
    Column("ServiceAccounts", priority=1, description="Service accounts that have the role."),
)

ROLEBINDING: Final = Kind(
    resource=ROLEBINDINGS,
    singular="rolebinding",
    default=default,
    validate=_judge(namespaced=True),
    validate_update=validate_update,
    columns=_COLUMNS,
    cells=row,
)
CLUSTERROLEBINDING: Final = Kind(
    resource=CLUSTERROLEBINDINGS,
    singular="clusterrolebinding",
    default=default,
    validate=_judge(namespaced=False),
    validate_update=validate_update,
    columns=_COLUMNS,
    cells=row,
)
