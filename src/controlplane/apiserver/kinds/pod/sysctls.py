"""What may be wrong with a pod's sysctls (upstream: validateSysctls).

Only the form is judged here; whether a node allows one is its kubelet's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

#: What a pod may share with its node, and the sysctls that are the node's then.
_NAMESPACES: Final = {
    "hostNetwork": re.compile(r"net[./]"),
    "hostIPC": re.compile(r"kernel[./](sem|shm|msg)|fs[./]mqueue[./]"),
}
_NAME_MAX: Final = 253
_SEGMENT: Final = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_NAME: Final = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_FORM: Final = f"must have at most {_NAME_MAX} characters and match regex {_NAME}"


def validate_sysctls(spec: Object, path: str) -> Iterator[Cause]:
    """Judge `securityContext.sysctls` of a pod's spec, which stands under *path*."""
    seen: dict[str, None] = {}
    for index, sysctl in enumerate((spec.get("securityContext") or {}).get("sysctls") or []):
        name, at = sysctl.get("name") or "", f"{path}[{index}].name"
        if not name:
            yield field.required(at)
        elif len(name) > _NAME_MAX or not re.fullmatch(_NAME, name):
            yield field.invalid(at, name, _FORM)
        elif name in seen:
            yield field.duplicate(at, name)
        elif key := next((k for k, p in _NAMESPACES.items() if spec.get(k) and p.match(name)), ""):
            yield field.invalid(at, name, f"may not be specified when '{key}' is true")
        seen[name] = None
