"""What an update may change of a pod's spec: next to nothing (upstream: ValidatePodUpdate)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import metadata
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_CHANGEABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    after, before = new["spec"], old["spec"]
    if after == before:
        return causes
    for key in ("containers", "initContainers"):
        if len(after.get(key) or []) != len(before.get(key) or []):
            detail = "pod updates may not add or remove containers"
            return [*causes, field.forbidden(f"spec.{key}", detail)]
    causes += _validate_deadline(after.get("activeDeadlineSeconds"), before)
    causes += _validate_gates(after.get("schedulingGates") or [], before)
    causes += _validate_tolerations(after.get("tolerations") or [], before)
    if _without_changeable(after) != _without_changeable(before):
        detail = f"pod updates may not change fields other than {_CHANGEABLE}"
        causes.append(field.forbidden("spec", detail))
    return causes


def _without_changeable(spec: Object) -> Object:
    kept = {key: value for key, value in spec.items() if value not in (None, [], {})}
    for key in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        kept.pop(key, None)
    if kept.get("terminationGracePeriodSeconds", 0) in (-1, 1):
        kept["terminationGracePeriodSeconds"] = 1
    for key in ("containers", "initContainers"):
        kept[key] = [{**container, "image": ""} for container in spec.get(key) or []]
    return kept


def _validate_deadline(after: int | None, before: Object) -> Iterator[Cause]:
    path, known = "spec.activeDeadlineSeconds", before.get("activeDeadlineSeconds")
    if known is None or after == known:
        return
    if after is None:
        detail = "must not update from a positive integer to nil value"
        yield field.invalid(path, after, detail)
    elif after > known:
        detail = "must be less than or equal to previous value"
        yield field.invalid(path, after, detail)


def _validate_gates(after: Sequence[Object], before: Object) -> Iterator[Cause]:
    known = before.get("schedulingGates") or []
    for index, gate in enumerate(after):
        if gate not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield field.forbidden(f"spec.schedulingGates[{index}].name", detail)


def _validate_tolerations(after: Sequence[Object], before: Object) -> Iterator[Cause]:
    wanted = [_without_seconds(toleration) for toleration in after]
    for toleration in before.get("tolerations") or []:
        if _without_seconds(toleration) not in wanted:
            detail = "existing toleration can not be modified except its tolerationSeconds"
            yield field.forbidden("spec.tolerations", detail)
            return


def _without_seconds(toleration: Object) -> Object:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}
