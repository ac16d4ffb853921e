"""What pods and containers may do on their node: users, groups, profiles, privileges.

Upstream: validatePodSpecSecurityContext, ValidateSecurityContext. Here nothing of it is enforced by
a kernel; what makes no sense is refused all the same. windowsOptions are judged by the schema only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.pod.sysctls import validate_sysctls
from controlplane.apiserver.kinds.pod.volumes import validate_local_path
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_ID_MAX: Final = 2**31 - 1
_BAD_ID: Final = f"must be between 0 and {_ID_MAX}, inclusive"
_LOCALHOST: Final = "Localhost"
_PROFILES: Final = (_LOCALHOST, "RuntimeDefault", "Unconfined")
_PROFILE_PATH_MAX: Final = 4095
_GROUP_CHANGES: Final = ("Always", "OnRootMismatch")
_GROUP_POLICIES: Final = ("Merge", "Strict")
_PROC_MOUNTS: Final = ("Default", "Unmasked")
_NO_ESCALATION: Final = "cannot set `allowPrivilegeEscalation` to false and"


def validate_of_pod(spec: Object, path: str) -> Iterator[Cause]:
    """Judge the security context of a pod's spec, which stands under *path*."""
    context, at = spec.get("securityContext") or {}, f"{path}.securityContext"
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from _id(context.get(key), f"{at}.{key}")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from _id(group, f"{at}.supplementalGroups[{index}]")
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield field.invalid(f"{at}.shareProcessNamespace", True, detail)
    yield from validate_sysctls(spec, f"{at}.sysctls")
    for key, supported in (
        ("fsGroupChangePolicy", _GROUP_CHANGES),
        ("supplementalGroupsPolicy", _GROUP_POLICIES),
    ):
        if context.get(key) is not None and context[key] not in supported:
            yield field.not_supported(f"{at}.{key}", context[key], supported)
    yield from _seccomp(context.get("seccompProfile"), f"{at}.seccompProfile")
    yield from _app_armor(context.get("appArmorProfile"), f"{at}.appArmorProfile")


def validate_of_container(context: Object, path: str) -> Iterator[Cause]:
    """Judge the security context of one container."""
    for key in ("runAsUser", "runAsGroup"):
        yield from _id(context.get(key), f"{path}.{key}")
    mount = context.get("procMount")
    if mount is not None and mount not in _PROC_MOUNTS:
        yield field.not_supported(f"{path}.procMount", mount, _PROC_MOUNTS)
    yield from _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            yield field.invalid(path, context, f"{_NO_ESCALATION} `privileged` to true")
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            detail = f"{_NO_ESCALATION} `capabilities.Add` CAP_SYS_ADMIN"
            yield field.invalid(path, context, detail)
    yield from _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _id(number: int | None, path: str) -> Iterator[Cause]:
    if number is not None and not 0 <= number <= _ID_MAX:
        yield field.invalid(path, number, _BAD_ID)


def _seccomp(profile: Object | None, path: str) -> Iterator[Cause]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    yield from _type(kind, f"{path}.type", "seccompProfile")
    at = f"{path}.localhostProfile"
    if kind != _LOCALHOST:
        if local is not None:
            yield field.invalid(at, profile, "can only be set when seccomp type is Localhost")
    elif local is None:
        yield field.required(at, "must be set when seccomp type is Localhost")
    else:
        yield from validate_local_path(local, at)


def _app_armor(profile: Object | None, path: str) -> Iterator[Cause]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    yield from _type(kind, f"{path}.type", "appArmorProfile")
    at = f"{path}.localhostProfile"
    if kind == _LOCALHOST:
        text = local or ""
        if text != text.strip():
            yield field.invalid(at, text, "must not be padded with whitespace")
        elif not text:
            yield field.required(at, "must be set when AppArmor type is Localhost")
        if len(text) > _PROFILE_PATH_MAX:
            yield field.too_long(at, _PROFILE_PATH_MAX)
    elif kind in _PROFILES and local is not None:
        yield field.invalid(at, local, "can only be set when AppArmor type is Localhost")


def _type(kind: str, path: str, what: str) -> Iterator[Cause]:
    if not kind:
        yield field.required(path, f"type is required when {what} is set")
    elif kind not in _PROFILES:
        yield field.not_supported(path, kind, _PROFILES)
