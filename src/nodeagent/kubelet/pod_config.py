"""CRI's configurations of a pod's sandbox and containers (kuberuntime_sandbox.go, _container.go).

Labels and annotations carry everything by which a later kubelet recognises what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from kubeapi.objects import Object, annotations_of, labels_of, name_of, namespace_of, uid_of
from nodeagent.kubelet.dns import ClusterDns, dns_config
from nodeagent.kubelet.environment import NodeFields, environment, expand
from nodeagent.kubelet.hosts_file import host_name, hosts_file, kernel_name
from nodeagent.kubelet.pod_resources import limits_of
from nodeagent.kubelet.pod_spec import container_hash, grace_period_s
from nodeagent.kubelet.references import Configuration
from nodeagent.kubelet.runtime_status import (
    CONTAINER_NAME_LABEL,
    GRACE_ANNOTATION,
    HASH_ANNOTATION,
    MESSAGE_PATH_ANNOTATION,
    MESSAGE_POLICY_ANNOTATION,
    POD_NAME_LABEL,
    POD_NAMESPACE_LABEL,
    POD_UID_LABEL,
    RESTART_COUNT_ANNOTATION,
)
from nodeagent.kubelet.sysctls import sysctls_of
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.mounts import container_mounts

#: quotaPeriod and minQuotaPeriod.
_CPU_PERIOD_US: Final = 100_000
_CPU_QUOTA_MIN_US: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerInputs:
    """What a container's configuration is made of besides the pod."""

    configuration: Configuration
    services: Mapping[str, str]
    node: NodeFields
    layout: Layout
    log_directory: Path


def pod_log_directory(root: Path, pod: Object) -> Path:
    """Return the folder of the pod's container logs, named as below /var/log/pods."""
    return root / f"{namespace_of(pod)}_{name_of(pod)}_{uid_of(pod)}"


def container_log_path(directory: Path, name: str, attempt: int) -> Path:
    """Return the log file of one run of a container."""
    return directory / name / f"{attempt}.log"


def _pod_labels(pod: Object) -> dict[str, str]:
    return {
        POD_NAME_LABEL: name_of(pod),
        POD_NAMESPACE_LABEL: namespace_of(pod),
        POD_UID_LABEL: uid_of(pod),
    }


def sandbox_config(
    pod: Object, attempt: int, network: Object, dns: ClusterDns, log_directory: Path
) -> Object:
    """Return RunPodSandbox's config; raises ConfigError."""
    named = host_name(pod, dns.domain)
    own = [network[key].partition("/")[0] for key in ("address", "address6") if network.get(key)]
    return {
        "metadata": {
            "name": name_of(pod),
            "uid": uid_of(pod),
            "namespace": namespace_of(pod),
            "attempt": attempt,
        },
        "hostname": kernel_name(pod, named),
        "hosts": hosts_file(pod, named, own),
        "labels": {**labels_of(pod), **_pod_labels(pod)},
        "annotations": dict(annotations_of(pod)),
        "log_directory": str(log_directory),
        "dns_config": dns_config(pod, dns),
        "network": network,
        "linux": {"sysctls": sysctls_of(pod)},
    }


def container_config(
    pod: Object, container: Object, attempt: int, inputs: ContainerInputs
) -> Object:
    """Return CreateContainer's config; raises ConfigError when something is missing."""
    variables = environment(pod, container, inputs.configuration, inputs.services, inputs.node)
    name = container["name"]
    return {
        "metadata": {"name": name, "attempt": attempt},
        "image": container.get("image") or "",
        "command": _expanded(container.get("command"), variables),
        "args": _expanded(container.get("args"), variables),
        "working_dir": container.get("workingDir") or None,
        "envs": [{"key": key, "value": text} for key, text in variables.items()],
        "log_path": str(container_log_path(inputs.log_directory, name, attempt)),
        "labels": {**_pod_labels(pod), CONTAINER_NAME_LABEL: name},
        "annotations": {
            HASH_ANNOTATION: container_hash(container),
            RESTART_COUNT_ANNOTATION: str(attempt),
            GRACE_ANNOTATION: f"{grace_period_s(pod):g}",
            MESSAGE_PATH_ANNOTATION: container.get("terminationMessagePath") or "",
            MESSAGE_POLICY_ANNOTATION: container.get("terminationMessagePolicy") or "",
        },
        "mounts": container_mounts(pod, container, inputs.layout, variables),
        "stdin": bool(container.get("stdin")),
        "stdin_once": bool(container.get("stdinOnce")),
        "tty": bool(container.get("tty")),
        "linux": {"resources": _resources(container)},
        "ports": [dict(port) for port in container.get("ports") or ()],
    }


def _resources(container: Object) -> Object:
    """Return what the container may have, 0 where nobody says so (MilliCPUToQuota)."""
    limits = limits_of(container)
    cpu_us = math.ceil(limits.get("cpu", Fraction(0)) * _CPU_PERIOD_US)
    return {
        "memory_limit_in_bytes": math.ceil(limits.get("memory", Fraction(0))),
        "cpu_quota": max(cpu_us, _CPU_QUOTA_MIN_US) if cpu_us else 0,
    }


def _expanded(texts: Sequence[str] | None, variables: Mapping[str, str]) -> list[str] | None:
    """Expand each text; None, which means the image's own, stays None."""
    return [expand(text, variables) for text in texts] if texts else None
