"""The checks of level baseline: known ways to more than a container should have.

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
from kubeapi.objects import Object, annotations_of

_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
#: What may be added to a container's capabilities.
_CAPABILITIES: Final = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
        *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)
_SECCOMP_OF_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_OF_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_SECCOMP_VALUES: Final = ("", "runtime/default", "docker/default")
_HOST_NAMESPACES: Final = ("hostNetwork", "hostPID", "hostIPC")
_SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t")
_SELINUX_1_31: Final = (*_SELINUX_TYPES, "container_engine_t")
_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)
_SYSCTLS_1_27: Final = (*_SYSCTLS, "net.ipv4.ip_local_reserved_ports")
_SYSCTLS_1_29: Final = (
    *_SYSCTLS_1_27,
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
)
_SYSCTLS_1_32: Final = (*_SYSCTLS_1_29, "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")


def app_armor(metadata: Object, spec: Object) -> Finding | None:
    forbidden: list[str] = []
    at_fault: list[str] = []
    by_pod = (pod_context(spec).get("appArmorProfile") or {}).get("type") == "Unconfined"
    for name, _, context in containers(spec):
        if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
            at_fault.append(name)
    annotations = annotations_of({"metadata": metadata})
    for key in sorted(annotations):
        value = annotations[key]
        fine = value in ("", "runtime/default") or value.startswith("localhost/")
        if key.startswith(_APP_ARMOR) and not fine:
            forbidden.append(f'{key}="{value}"')
    texts = []
    if by_pod or at_fault:
        who = pod_and(by_pod, at_fault)
        texts.append(f'{who} must not set AppArmor profile type to "Unconfined"')
    if forbidden:
        plural = "" if len(forbidden) == 1 else "s"
        texts.append(f"annotation{plural} {', '.join(forbidden)}")
    plural = "" if by_pod + len(at_fault) + len(forbidden) == 1 else "s"
    return Finding(f"forbidden AppArmor profile{plural}", "; ".join(texts)) if texts else None


def capabilities(_metadata: Object, spec: Object) -> Finding | None:
    at_fault: list[str] = []
    added: set[str] = set()
    for name, _, context in containers(spec):
        extra = set((context.get("capabilities") or {}).get("add") or ()) - _CAPABILITIES
        if extra:
            at_fault.append(name)
            added |= extra
    if not at_fault:
        return None
    what = f"{quoted(sorted(added))} in securityContext.capabilities.add"
    return Finding("non-default capabilities", f"{named(at_fault)} must not include {what}")


def host_namespaces(_metadata: Object, spec: Object) -> Finding | None:
    found = [f"{name}=true" for name in _HOST_NAMESPACES if spec.get(name)]
    return Finding("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(_metadata: Object, spec: Object) -> Finding | None:
    found = [each["name"] for each in spec.get("volumes") or () if each.get("hostPath") is not None]
    return Finding("hostPath volumes", named(found, "volume")) if found else None


def host_ports(_metadata: Object, spec: Object) -> Finding | None:
    at_fault: list[str] = []
    ports: set[int] = set()
    for name, container, _ in containers(spec):
        used = {port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")}
        if used:
            at_fault.append(name)
            ports |= used
    if not at_fault:
        return None
    verb = "uses" if len(at_fault) == 1 else "use"
    plural = "" if len(ports) == 1 else "s"
    listed = ", ".join(map(str, sorted(ports)))
    return Finding("hostPort", f"{named(at_fault)} {verb} hostPort{plural} {listed}")


def privileged(_metadata: Object, spec: Object) -> Finding | None:
    found = [name for name, _, context in containers(spec) if context.get("privileged")]
    detail = f"{named(found)} must not set securityContext.privileged=true"
    return Finding("privileged", detail) if found else None


def proc_mount(_metadata: Object, spec: Object) -> Finding | None:
    at_fault: list[str] = []
    values: set[str] = set()
    for name, _, context in containers(spec):
        value = context.get("procMount")
        if value not in (None, "Default"):
            at_fault.append(name)
            values.add(value)
    if not at_fault:
        return None
    what = quoted(sorted(values))
    return Finding(
        "procMount", f"{named(at_fault)} must not set securityContext.procMount to {what}"
    )


def _se_linux(allowed: tuple[str, ...], spec: Object) -> Finding | None:
    at_fault: list[str] = []
    types: set[str] = set()
    parts: set[str] = set()

    def judge(context: Object) -> bool:
        options = context.get("seLinuxOptions") or {}
        wrong_type = (options.get("type") or "") not in allowed
        types.update([options["type"]] if wrong_type else [])
        wrong_parts = [part for part in ("user", "role") if options.get(part)]
        parts.update(wrong_parts)
        return wrong_type or bool(wrong_parts)

    by_pod = judge(pod_context(spec))
    for name, _, context in containers(spec):
        if judge(context):
            at_fault.append(name)
    if not by_pod and not at_fault:
        return None
    plural = "" if len(types) == 1 else "s"
    texts = [f"type{plural} {quoted(sorted(types))}"] if types else []
    texts += [f"{part} may not be set" for part in ("user", "role") if part in parts]
    who = pod_and(by_pod, at_fault)
    detail = f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(texts)}"
    return Finding("seLinuxOptions", detail)


def se_linux(_metadata: Object, spec: Object) -> Finding | None:
    return _se_linux(_SELINUX_TYPES, spec)


def se_linux_1_31(_metadata: Object, spec: Object) -> Finding | None:
    return _se_linux(_SELINUX_1_31, spec)


def seccomp_by_annotations(metadata: Object, _spec: Object) -> Finding | None:
    """Judge as before 1.19, when annotations said it."""
    found: list[str] = []
    annotations = annotations_of({"metadata": metadata})
    for key in sorted(annotations):
        value = annotations[key]
        fine = value in _SECCOMP_VALUES or value.startswith("localhost/")
        if (key == _SECCOMP_OF_POD or key.startswith(_SECCOMP_OF_CONTAINER)) and not fine:
            found.append(f'{key}="{value}"')
    plural = "" if len(found) == 1 else "s"
    detail = f"forbidden annotation{plural} {', '.join(found)}"
    return Finding("seccompProfile", detail) if found else None


def seccomp(_metadata: Object, spec: Object) -> Finding | None:
    at_fault: list[str] = []
    values: set[str] = set()

    def judge(context: Object) -> bool:
        value = (context.get("seccompProfile") or {}).get("type")
        wrong = value not in (None, "RuntimeDefault", "Localhost")
        values.update([str(value)] if wrong else [])
        return wrong

    by_pod = judge(pod_context(spec))
    for name, _, context in containers(spec):
        if judge(context):
            at_fault.append(name)
    if not by_pod and not at_fault:
        return None
    what = f"securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Finding("seccompProfile", f"{pod_and(by_pod, at_fault)} must not set {what}")


def _sysctls(allowed: tuple[str, ...], spec: Object) -> Finding | None:
    names = [each["name"] for each in pod_context(spec).get("sysctls") or ()]
    forbidden = [name for name in names if name not in allowed]
    return Finding("forbidden sysctls", ", ".join(forbidden)) if forbidden else None


def sysctls(_metadata: Object, spec: Object) -> Finding | None:
    return _sysctls(_SYSCTLS, spec)


def sysctls_1_27(_metadata: Object, spec: Object) -> Finding | None:
    return _sysctls(_SYSCTLS_1_27, spec)


def sysctls_1_29(_metadata: Object, spec: Object) -> Finding | None:
    return _sysctls(_SYSCTLS_1_29, spec)


def sysctls_1_32(_metadata: Object, spec: Object) -> Finding | None:
    return _sysctls(_SYSCTLS_1_32, spec)


def host_process(_metadata: Object, spec: Object) -> Finding | None:
    def asks(context: Object) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    by_pod = asks(pod_context(spec))
    at_fault = [name for name, _, context in containers(spec) if asks(context)]
    if not by_pod and not at_fault:
        return None
    who = pod_and(by_pod, at_fault)
    detail = f"{who} must not set securityContext.windowsOptions.hostProcess=true"
    return Finding("hostProcess", detail)
