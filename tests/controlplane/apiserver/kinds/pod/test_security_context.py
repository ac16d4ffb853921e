"""Upstream's TestValidateSecurityContext, TestValidateSeccompProfileField, … as rows."""

from __future__ import annotations

import pytest

CONTAINER = {"name": "c", "image": "i:1"}
ID = "must be between 0 and 2147483647, inclusive"
TYPES = '"Localhost", "RuntimeDefault", "Unconfined"'
ESCALATION = "cannot set `allowPrivilegeEscalation` to false and"


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        ({"runAsUser": 0, "fsGroup": 2000, "supplementalGroups": [1], "seccompProfile":
          {"type": "RuntimeDefault"}}, None),
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "a/b.json"}}, None),
        ({"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}}, None),
        ({"runAsUser": -1}, f"runAsUser: Invalid value: -1: {ID}"),
        ({"runAsGroup": 2**31}, f"runAsGroup: Invalid value: 2147483648: {ID}"),
        ({"fsGroup": -1}, f"fsGroup: Invalid value: -1: {ID}"),
        ({"supplementalGroups": [1, -2]}, f"supplementalGroups[1]: Invalid value: -2: {ID}"),
        ({"fsGroupChangePolicy": "Never"},
         'fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", '
         '"OnRootMismatch"'),
        ({"supplementalGroupsPolicy": "No"},
         'supplementalGroupsPolicy: Unsupported value: "No": supported values: "Merge", "Strict"'),
        ({"seccompProfile": {"type": ""}},
         "seccompProfile.type: Required value: type is required when seccompProfile is set"),
        ({"seccompProfile": {"type": "Some"}},
         f'seccompProfile.type: Unsupported value: "Some": supported values: {TYPES}'),
        ({"seccompProfile": {"type": "Localhost"}},
         "seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
         "Localhost"),
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "../x"}},
         'seccompProfile.localhostProfile: Invalid value: "../x": must not contain \'..\''),
        ({"appArmorProfile": {"type": "Localhost", "localhostProfile": " x"}},
         'appArmorProfile.localhostProfile: Invalid value: " x": must not be padded with '
         "whitespace"),
        ({"appArmorProfile": {"type": "Unconfined", "localhostProfile": "x"}},
         'appArmorProfile.localhostProfile: Invalid value: "x": can only be set when AppArmor type '
         "is Localhost"),
        ({"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}]}, None),
    ],
)  # fmt: skip
def test_pods(wrong, context, cause):
    found = wrong("Pod", {"spec": {"containers": [CONTAINER], "securityContext": context}})
    assert found == ([f"spec.securityContext.{cause}"] if cause else [])


@pytest.mark.parametrize(
    ("context", "cause"),
    [
        ({"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_ADMIN"]}}, None),
        ({"runAsUser": -1}, f".runAsUser: Invalid value: -1: {ID}"),
        ({"procMount": "Some"},
         '.procMount: Unsupported value: "Some": supported values: "Default", "Unmasked"'),
        ({"allowPrivilegeEscalation": False, "privileged": True},
         ': Invalid value: {"allowPrivilegeEscalation":false,"privileged":true}: '
         f"{ESCALATION} `privileged` to true"),
        ({"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"]}},
         ': Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":'
         f'["CAP_SYS_ADMIN"]}}}}: {ESCALATION} `capabilities.Add` CAP_SYS_ADMIN'),
        ({"seccompProfile": {"type": "Unconfined", "localhostProfile": "x"}},
         '.seccompProfile.localhostProfile: Invalid value: {"type":"Unconfined",'
         '"localhostProfile":"x"}: can only be set when seccomp type is Localhost'),
        ({"appArmorProfile": {"type": ""}},
         ".appArmorProfile.type: Required value: type is required when appArmorProfile is set"),
    ],
)  # fmt: skip
def test_containers(wrong, context, cause):
    found = wrong("Pod", {"spec": {"containers": [{**CONTAINER, "securityContext": context}]}})
    assert found == ([f"spec.containers[0].securityContext{cause}"] if cause else [])


def test_what_the_node_shares_is_the_node_s(wrong):
    shared = {"containers": [CONTAINER], "hostPID": True, "shareProcessNamespace": True}
    assert wrong("Pod", {"spec": shared}) == [
        "spec.securityContext.shareProcessNamespace: Invalid value: true: "
        "ShareProcessNamespace and HostPID cannot both be enabled"
    ]
    context = {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "0"}]}
    ipc = {"containers": [CONTAINER], "hostIPC": True, "securityContext": context}
    assert wrong("Pod", {"spec": ipc}) == [
        'spec.securityContext.sysctls[0].name: Invalid value: "kernel.shm_rmid_forced": '
        "may not be specified when 'hostIPC' is true"
    ]
