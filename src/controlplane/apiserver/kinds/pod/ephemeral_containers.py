"""Containers that are added to a running pod to look into it (`kubectl debug`).

They come by the subresource `ephemeralcontainers` alone, and nothing that was added is changed or
removed (upstream: validateEphemeralContainers, ValidatePodEphemeralContainersUpdate,
podEphemeralContainersStrategy). Absent: the diff of what was changed, in the refusal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from controlplane.apiserver.kinds.kind import Strategy
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

KEY: Final = "ephemeralContainers"
#: What others might rely on, and nobody may rely on these containers.
_NOT_THEIRS: Final = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_FORBIDDEN: Final = "cannot be set for an Ephemeral Container"


def validate_create(pod: Object) -> list[Cause]:
    """Refuse a new pod that has such containers already."""
    given = pod["spec"].get(KEY)
    return [field.forbidden(f"spec.{KEY}", "cannot be set on create")] if given else []


def validate_ephemeral(container: Object, targets: Collection[str], path: str) -> Iterator[Cause]:
    """Judge what only these may not have; *targets* are the pod's other containers."""
    target = container.get("targetContainerName")
    if target and target not in targets:
        yield field.not_found(f"{path}.targetContainerName", target)
    for key in _NOT_THEIRS:
        if container.get(key):
            yield field.forbidden(f"{path}.{key}", _FORBIDDEN)
    for index, mount in enumerate(container.get("volumeMounts") or []):
        for key in ("subPath", "subPathExpr"):
            if mount.get(key):
                yield field.forbidden(f"{path}.volumeMounts[{index}].{key}", _FORBIDDEN)


def _prepare(new: Object, old: Object) -> None:
    """Take the ephemeral containers of *new*, and nothing else."""
    wanted = new["spec"].get(KEY) or []
    new.clear()
    new.update(old, spec={**old["spec"], KEY: wanted})


def _validate(new: Object, old: Object) -> list[Cause]:
    path, wanted = f"spec.{KEY}", {each.get("name"): each for each in new["spec"][KEY]}
    causes: list[Cause] = []
    for known in old["spec"].get(KEY) or []:
        name = known["name"]
        if name not in wanted:
            detail = f'existing ephemeral containers "{name}" may not be removed'
            causes.append(field.forbidden(path, detail))
        elif wanted[name] != known:
            detail = f'existing ephemeral containers "{name}" may not be changed'
            causes.append(field.forbidden(path, detail))
    return causes


STRATEGY: Final = Strategy(prepare=_prepare, validate=_validate)
