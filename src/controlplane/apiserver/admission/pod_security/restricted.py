"""The checks that level restricted adds: what hardened pods say of themselves.

Upstream: pod-security-admission/policy/check_*.go.
"""

from __future__ import annotations

from typing import Final

from controlplane.apiserver.admission.pod_security.subjects import (
    Finding,
    containers,
    named,
    pod_and,
    pod_context,
    quoted,
)
from kubeapi.objects import Object

_VOLUMES: Final = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
_SECCOMP: Final = ("RuntimeDefault", "Localhost")


def _is_windows(spec: Object) -> bool:
    return (spec.get("os") or {}).get("name") == "windows"


def privilege_escalation(_metadata: Object, spec: Object) -> Finding | None:
    found = [
        name
        for name, _, context in containers(spec)
        if context.get("allowPrivilegeEscalation") is not False
    ]
    detail = f"{named(found)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail) if found else None


def privilege_escalation_1_25(metadata: Object, spec: Object) -> Finding | None:
    return None if _is_windows(spec) else privilege_escalation(metadata, spec)


def capabilities(_metadata: Object, spec: Object) -> Finding | None:
    keeping: list[str] = []
    adding: list[str] = []
    added: set[str] = set()
    for name, _, context in containers(spec):
        asked = context.get("capabilities") or {}
        if "ALL" not in (asked.get("drop") or ()):
            keeping.append(name)
        extra = set(asked.get("add") or ()) - {"NET_BIND_SERVICE"}
        if extra:
            adding.append(name)
            added |= extra
    texts = []
    if keeping:
        texts.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        what = f"{quoted(sorted(added))} in securityContext.capabilities.add"
        texts.append(f"{named(adding)} must not include {what}")
    return Finding("unrestricted capabilities", "; ".join(texts)) if texts else None


def capabilities_1_25(metadata: Object, spec: Object) -> Finding | None:
    return None if _is_windows(spec) else capabilities(metadata, spec)


def volumes(_metadata: Object, spec: Object) -> Finding | None:
    names: list[str] = []
    types: set[str] = set()
    for volume in spec.get("volumes") or ():
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        wrong = [source for source in sources if source not in _VOLUMES]
        if wrong or not sources:
            names.append(volume["name"])
            types.update(wrong or ["unknown"])
    if not names:
        return None
    verb = "uses" if len(names) == 1 else "use"
    plural = "" if len(types) == 1 else "s"
    what = f"{verb} restricted volume type{plural} {quoted(sorted(types))}"
    return Finding("restricted volume types", f"{named(names, 'volume')} {what}")


def run_as_non_root(_metadata: Object, spec: Object) -> Finding | None:
    by_pod = pod_context(spec).get("runAsNonRoot")
    wrong: list[str] = []
    silent: list[str] = []
    for name, _, context in containers(spec):
        said = context.get("runAsNonRoot")
        if said is False:
            wrong.append(name)
        elif said is None and not by_pod:
            silent.append(name)
    reason = "runAsNonRoot != true"
    if by_pod is False or wrong:
        who = pod_and(by_pod is False, wrong)
        return Finding(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    if silent:
        return Finding(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true")
    return None


def run_as_user(_metadata: Object, spec: Object) -> Finding | None:
    by_pod = pod_context(spec).get("runAsUser") == 0
    found = [name for name, _, context in containers(spec) if context.get("runAsUser") == 0]
    if not by_pod and not found:
        return None
    return Finding("runAsUser=0", f"{pod_and(by_pod, found)} must not set runAsUser=0")


def seccomp(_metadata: Object, spec: Object) -> Finding | None:
    def said(context: Object) -> str | None:
        found: str | None = (context.get("seccompProfile") or {}).get("type")
        return found

    by_pod = said(pod_context(spec))
    pod_is_wrong = by_pod is not None and by_pod not in _SECCOMP
    values = {by_pod} if pod_is_wrong else set()
    wrong: list[str] = []
    silent: list[str] = []
    for name, _, context in containers(spec):
        value = said(context)
        if value is None:
            silent += [name] if by_pod is None else []
        elif value not in _SECCOMP:
            wrong.append(name)
            values.add(value)
    if pod_is_wrong or wrong:
        what = f"securityContext.seccompProfile.type to {quoted(sorted(map(str, values)))}"
        return Finding("seccompProfile", f"{pod_and(pod_is_wrong, wrong)} must not set {what}")
    if silent:
        what = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return Finding("seccompProfile", f"pod or {named(silent)} must set {what}")
    return None


def seccomp_1_25(metadata: Object, spec: Object) -> Finding | None:
    return None if _is_windows(spec) else seccomp(metadata, spec)
