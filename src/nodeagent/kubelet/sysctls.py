"""Which sysctls a pod may set on this node (upstream: pkg/kubelet/sysctl).

The safe ones are upstream's (v1.32). Beyond them this node runs as if it had been given
`--allowed-unsafe-sysctls` for those that its pods' stacks have: a pod is a stack of its own, so
nothing that one sets reaches another.
"""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object

SAFE_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)
ALLOWED_UNSAFE_SYSCTLS: Final = (
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.tcp_ecn",
    "net.ipv4.tcp_invalid_ratelimit",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_retries2",
    "net.ipv4.tcp_sack",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_timestamps",
)
_ALLOWED: Final = (*SAFE_SYSCTLS, *ALLOWED_UNSAFE_SYSCTLS)


def sysctls_of(pod: Object) -> dict[str, str]:
    """Return the pod's sysctls, their names with dots, as CRI wants them."""
    wanted = (pod["spec"].get("securityContext") or {}).get("sysctls") or ()
    return {_dotted(each["name"]): each.get("value") or "" for each in wanted}


def forbidden(pod: Object) -> tuple[str, str] | None:
    """Return (reason, message) when a sysctl is not allowed here, or None."""
    for name in sysctls_of(pod):
        if name not in _ALLOWED:
            return "SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted'
    return None


def _dotted(name: str) -> str:
    """Undo sysctl(8)'s other spelling: where the first separator is a slash, dots are slashes."""
    first = min((name.find(each) for each in "./" if each in name), default=-1)
    if first < 0 or name[first] == ".":
        return name
    return name.translate({ord("/"): ".", ord("."): "/"})
