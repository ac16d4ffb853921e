"""PodSecurity: every check, with upstream's words, and what becomes of what they find."""

from __future__ import annotations

import pytest

from controlplane.apiserver.admission.pod_security.evaluator import evaluate
from controlplane.apiserver.admission.pod_security.levels import Level, LevelVersion, policy_of

BASELINE = LevelVersion(Level.BASELINE)
RESTRICTED = LevelVersion(Level.RESTRICTED)
HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(name: str = "c", **fields: object) -> dict:
    return {"name": name, "image": "pause", **fields}


def spec(*containers: dict, **fields: object) -> dict:
    return {"containers": list(containers) or [container()], **fields}


def secured(**context: object) -> dict:
    """Return a spec of one container with a security context."""
    return spec(container(securityContext=context))


def pod_secured(**context: object) -> dict:
    return spec(securityContext=context)


def hardened(**changes: object) -> dict:
    """Return a spec that restricted allows, but for *changes*; None leaves something out."""
    context = {**HARDENED, **changes}
    return secured(**{key: value for key, value in context.items() if value is not None})


BASELINE_CASES = {
    "capabilities": (
        secured(capabilities={"add": ["NET_RAW", "CHOWN", "SYS_ADMIN"]}),
        'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in'
        " securityContext.capabilities.add)",
    ),
    "host namespaces": (
        spec(hostNetwork=True, hostPID=True),
        "host namespaces (hostNetwork=true, hostPID=true)",
    ),
    "host paths": (
        spec(volumes=[{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "emptyDir": {}}]),
        'hostPath volumes (volume "a")',
    ),
    "host ports": (
        spec(container("a", ports=[{"hostPort": 80}]), container("b", ports=[{"hostPort": 81}])),
        'hostPort (containers "a", "b" use hostPorts 80, 81)',
    ),
    "privileged": (
        secured(privileged=True),
        'privileged (container "c" must not set securityContext.privileged=true)',
    ),
    "privileged init container": (
        spec(initContainers=[container("i", securityContext={"privileged": True})]),
        'privileged (container "i" must not set securityContext.privileged=true)',
    ),
    "proc mount": (
        secured(procMount="Unmasked"),
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    "SELinux": (
        pod_secured(seLinuxOptions={"type": "spc_t", "user": "u"}),
        'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t";'
        " user may not be set)",
    ),
    "seccomp": (
        pod_secured(seccompProfile={"type": "Unconfined"}),
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    "sysctls": (
        pod_secured(sysctls=[{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_syncookies"}]),
        "forbidden sysctls (kernel.msgmax)",
    ),
    "AppArmor": (
        secured(appArmorProfile={"type": "Unconfined"}),
        'forbidden AppArmor profile (container "c" must not set AppArmor profile type to'
        ' "Unconfined")',
    ),
    "host process": (
        pod_secured(windowsOptions={"hostProcess": True}),
        "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ),
}
RESTRICTED_CASES = {
    "nothing said": (
        spec(),
        'allowPrivilegeEscalation != false (container "c" must set'
        " securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container"
        ' "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or'
        ' container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or'
        ' container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost")',
    ),
    "added capability": (
        hardened(capabilities={"drop": ["ALL"], "add": ["CHOWN", "NET_BIND_SERVICE"]}),
        'unrestricted capabilities (container "c" must not include "CHOWN" in'
        " securityContext.capabilities.add)",
    ),
    "root": (
        hardened(runAsUser=0),
        'runAsUser=0 (container "c" must not set runAsUser=0)',
    ),
    "may be root": (
        hardened(runAsNonRoot=False),
        'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ),
    "unconfined": (
        hardened(seccompProfile={"type": "Unconfined"}),
        'seccompProfile (container "c" must not set securityContext.seccompProfile.type to'
        ' "Unconfined")',
    ),
    "volumes": (
        {
            **hardened(),
            "volumes": [
                {"name": "a", "hostPath": {"path": "/"}},
                {"name": "b", "nfs": {}},
                {"name": "d", "projected": {}},
            ],
        },
        'restricted volume types (volumes "a", "b" use restricted volume types "hostPath", "nfs")',
    ),
}


@pytest.mark.parametrize("case", BASELINE_CASES)
def test_baseline(case: str) -> None:
    pod, detail = BASELINE_CASES[case]
    assert evaluate(BASELINE, {}, pod).detail == detail


@pytest.mark.parametrize("case", RESTRICTED_CASES)
def test_restricted(case: str) -> None:
    pod, detail = RESTRICTED_CASES[case]
    assert evaluate(RESTRICTED, {}, pod).detail == detail
    assert evaluate(LevelVersion(), {}, pod).allowed


def test_what_levels_allow() -> None:
    assert evaluate(BASELINE, {}, spec()).allowed
    assert evaluate(RESTRICTED, {}, hardened()).allowed
    by_pod = {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost"}}
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert evaluate(
        RESTRICTED, {}, spec(container(securityContext=context), securityContext=by_pod)
    ).allowed


def test_annotations_of_old_releases() -> None:
    metadata = {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}}
    assert not evaluate(LevelVersion(Level.BASELINE, 18), metadata, spec()).allowed
    assert evaluate(BASELINE, metadata, spec()).allowed
    metadata = {"annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}}
    assert evaluate(BASELINE, metadata, spec()).reason == "forbidden AppArmor profile"


@pytest.mark.parametrize(
    ("minor", "name", "allowed"),
    [
        (26, "net.ipv4.ip_local_reserved_ports", False),
        (27, "net.ipv4.ip_local_reserved_ports", True),
        (28, "net.ipv4.tcp_fin_timeout", False),
        (29, "net.ipv4.tcp_fin_timeout", True),
        (31, "net.ipv4.tcp_rmem", False),
        (32, "net.ipv4.tcp_rmem", True),
    ],
)
def test_versions_know_their_sysctls(minor: int, name: str, allowed: bool) -> None:
    pod = pod_secured(sysctls=[{"name": name}])
    assert evaluate(LevelVersion(Level.BASELINE, minor), {}, pod).allowed is allowed


def test_windows_pods_need_not_say_what_linux_means() -> None:
    windows = {**secured(runAsNonRoot=True), "os": {"name": "windows"}}
    assert evaluate(RESTRICTED, {}, windows).allowed
    assert not evaluate(LevelVersion(Level.RESTRICTED, 24), {}, windows).allowed


def test_labels() -> None:
    prefix = "pod-security.kubernetes.io/"
    policy, causes = policy_of(
        {f"{prefix}enforce": "baseline", f"{prefix}enforce-version": "v1.30"}
    )
    assert str(policy.enforce) == str(policy.warn) == "baseline:v1.30"
    assert str(policy.audit) == "privileged:latest"
    assert causes == []
    policy, causes = policy_of({f"{prefix}enforce": "none", f"{prefix}warn-version": "1"})
    assert policy.enforce.level is Level.RESTRICTED
    assert [str(cause) for cause in causes] == [
        f'metadata.labels[{prefix}enforce]: Invalid value: "none": must be one of privileged,'
        " baseline, restricted",
        f'metadata.labels[{prefix}warn-version]: Invalid value: "1": must be "latest" or "v1.x"',
    ]


MERGE = {"Content-Type": "application/merge-patch+json"}


def label(server, namespace: str, **modes: str):
    labels = {f"pod-security.kubernetes.io/{mode}": value for mode, value in modes.items()}
    body = {"metadata": {"labels": labels}}
    return server.request("PATCH", f"/api/v1/namespaces/{namespace}", body, headers=MERGE)


def test_pods_are_refused_and_their_makers_warned(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/pods"
    risky = secured(privileged=True)
    assert server.request("POST", path, {"metadata": {"name": "old"}, "spec": risky}).code == 201
    answer = label(server, namespace, enforce="baseline")
    assert answer.code == 200
    assert answer.headers.get_all("Warning") == [
        f'299 - "existing pods in namespace \\"{namespace}\\" violate the new PodSecurity enforce'
        ' level \\"baseline:latest\\""',
        '299 - "old: privileged"',
    ]
    answer = server.request("POST", path, {"metadata": {"name": "new"}, "spec": risky})
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'pods "new" is forbidden: violates PodSecurity "baseline:latest": privileged (container'
        ' "c" must not set securityContext.privileged=true)'
    )
    assert server.request("POST", path, {"metadata": {"name": "n"}, "spec": spec()}).code == 201
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": risky}
    deployment = {
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    answer = server.request("POST", deployments, deployment)
    assert answer.code == 201
    assert 'would violate PodSecurity \\"baseline:latest\\"' in answer.headers["Warning"]


def test_labels_of_pods_may_change_whatever_the_level(server, namespace):
    path = f"/api/v1/namespaces/{namespace}/pods"
    body = {"metadata": {"name": "old"}, "spec": secured(privileged=True)}
    assert server.request("POST", path, body).code == 201
    label(server, namespace, enforce="restricted")
    changed = {"metadata": {"labels": {"a": "b"}}}
    assert server.request("PATCH", f"{path}/old", changed, headers=MERGE).code == 200
    image = {"spec": {"containers": [container(image="other") | body["spec"]["containers"][0]]}}
    image["spec"]["containers"][0]["image"] = "other"
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    assert server.request("PATCH", f"{path}/old", image, headers=strategic).code == 403


def test_wrong_labels_are_refused(server, namespace):
    answer = label(server, namespace, enforce="most")
    assert (answer.code, answer.json["reason"]) == (422, "Invalid")
    assert "must be one of privileged, baseline, restricted" in answer.json["message"]
