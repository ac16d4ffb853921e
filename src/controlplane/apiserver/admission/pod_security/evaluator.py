"""Which checks a level of a version has, in upstream's order (policy/registry.go).

A check is known by its upstream id; several of one id begin with different versions. What
restricted says of the same thing stands in the place of what baseline says.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.apiserver.admission.pod_security import baseline, restricted
from controlplane.apiserver.admission.pod_security.levels import Level, LevelVersion
from controlplane.apiserver.admission.pod_security.subjects import Check, Finding
from kubeapi.objects import Object

_Versions = tuple[tuple[int, Check], ...]  # From which minor version on; ascending.

BASELINE: Final[Mapping[str, _Versions]] = {
    "appArmorProfile": ((0, baseline.app_armor),),
    "capabilities_baseline": ((0, baseline.capabilities),),
    "hostNamespaces": ((0, baseline.host_namespaces),),
    "hostPathVolumes": ((0, baseline.host_path_volumes),),
    "hostPorts": ((0, baseline.host_ports),),
    "privileged": ((0, baseline.privileged),),
    "procMount": ((0, baseline.proc_mount),),
    "seLinuxOptions": ((0, baseline.se_linux), (31, baseline.se_linux_1_31)),
    "seccompProfile_baseline": ((0, baseline.seccomp_by_annotations), (19, baseline.seccomp)),
    "sysctls": (
        (0, baseline.sysctls),
        (27, baseline.sysctls_1_27),
        (29, baseline.sysctls_1_29),
        (32, baseline.sysctls_1_32),
    ),
    "windowsHostProcess": ((0, baseline.host_process),),
}
RESTRICTED: Final[Mapping[str, _Versions]] = {
    "allowPrivilegeEscalation": (
        (8, restricted.privilege_escalation),
        (25, restricted.privilege_escalation_1_25),
    ),
    "capabilities_restricted": (
        (22, restricted.capabilities),
        (25, restricted.capabilities_1_25),
    ),
    "restrictedVolumes": ((0, restricted.volumes),),
    "runAsNonRoot": ((0, restricted.run_as_non_root),),
    "runAsUser": ((23, restricted.run_as_user),),
    "seccompProfile_restricted": ((19, restricted.seccomp), (25, restricted.seccomp_1_25)),
}
#: Which check of baseline says less of the same thing.
_OVERRIDES: Final = {
    "capabilities_restricted": "capabilities_baseline",
    "restrictedVolumes": "hostPathVolumes",
    "seccompProfile_restricted": "seccompProfile_baseline",
}
_CACHED_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Result:
    """What all checks together say."""

    findings: tuple[Finding, ...]

    @property
    def allowed(self) -> bool:
        return not self.findings

    @property
    def reason(self) -> str:
        return ", ".join(finding.reason for finding in self.findings)

    @property
    def detail(self) -> str:
        return ", ".join(
            f"{finding.reason} ({finding.detail})" if finding.detail else finding.reason
            for finding in self.findings
        )


def _of_version(checks: Mapping[str, _Versions], minor: int) -> dict[str, Check]:
    found: dict[str, Check] = {}
    for name, versions in checks.items():
        for first, check in versions:
            if first <= minor:
                found[name] = check
    return found


@functools.lru_cache(maxsize=_CACHED_MAX)
def checks_of(wanted: LevelVersion) -> Sequence[Check]:
    """Return the checks of a level, in the order in which they speak."""
    if wanted.level is Level.PRIVILEGED:
        return ()
    base = _of_version(BASELINE, wanted.minor)
    if wanted.level is Level.BASELINE:
        return tuple(base.values())
    more = _of_version(RESTRICTED, wanted.minor)
    for name in more:
        base.pop(_OVERRIDES.get(name, ""), None)
    return (*base.values(), *more.values())


def evaluate(wanted: LevelVersion, metadata: Object, spec: Object) -> Result:
    """Judge a pod, or a pod's template."""
    found = (check(metadata, spec) for check in checks_of(wanted))
    return Result(tuple(finding for finding in found if finding is not None))
