"""Every built-in kind through an unmodified kubectl: made, shown, described, changed, deleted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
Run = Callable[..., str]

POD = "{containers: [{name: c, image: nginx}]}"
TEMPLATE = f"{{metadata: {{labels: {{app: x}}}}, spec: {POD}}}"
SELECTOR = "{matchLabels: {app: x}}"
JOB = "{template: {spec: {restartPolicy: Never, containers: [{name: c, image: nginx}]}}}"
REFERENCE = "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}"
RULES = '[{apiGroups: [""], resources: [pods], verbs: [get]}]'
CLAIM = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"
#: apiVersion and kind → the rest of the object, and the header of `get -o wide`.
KINDS = {
    "v1 ConfigMap": ("data: {a: b}", "NAME DATA AGE"),
    "v1 Secret": ("stringData: {a: b}", "NAME TYPE DATA AGE"),
    "v1 ServiceAccount": ("{}", "NAME SECRETS AGE"),
    "v1 LimitRange": ("spec: {limits: [{type: Pod, max: {cpu: 2}}]}", "NAME CREATED AT"),
    "v1 ResourceQuota": ("spec: {hard: {services: 5}}", "NAME REQUEST LIMIT AGE"),
    "v1 PodTemplate": (f"template: {TEMPLATE}", "NAME CONTAINERS IMAGES POD LABELS"),
    "v1 ReplicationController": (
        f"spec: {{replicas: 0, selector: {{app: x}}, template: {TEMPLATE}}}",
        "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR",
    ),
    "v1 PersistentVolume": (
        "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}",
        "NAME CAPACITY ACCESS MODES RECLAIM POLICY STATUS CLAIM STORAGECLASS "
        "VOLUMEATTRIBUTESCLASS REASON AGE VOLUMEMODE",
    ),
    "v1 PersistentVolumeClaim": (
        f"spec: {CLAIM}",
        "NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE "
        "VOLUMEMODE",
    ),
    "v1 Service": ("spec: {ports: [{port: 80}]}", "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE "
                   "SELECTOR"),
    "apps/v1 Deployment": (
        f"spec: {{replicas: 0, selector: {SELECTOR}, template: {TEMPLATE}}}",
        "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR",
    ),
    "apps/v1 ReplicaSet": (
        f"spec: {{replicas: 0, selector: {SELECTOR}, template: {TEMPLATE}}}",
        "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR",
    ),
    "apps/v1 DaemonSet": (
        f"spec: {{selector: {SELECTOR}, template: {TEMPLATE}}}",
        "NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE CONTAINERS IMAGES "
        "SELECTOR",
    ),
    "apps/v1 StatefulSet": (
        f"spec: {{serviceName: x, selector: {SELECTOR}, template: {TEMPLATE}, "
        f"volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {CLAIM}}}]}}",
        "NAME READY AGE CONTAINERS IMAGES",
    ),
    "apps/v1 ControllerRevision": (
        "data: {a: 1}\nrevision: 3",
        "NAME CONTROLLER REVISION AGE",
    ),
    "batch/v1 Job": (
        f"spec: {JOB}",
        "NAME STATUS COMPLETIONS DURATION AGE CONTAINERS IMAGES SELECTOR",
    ),
    "batch/v1 CronJob": (
        f'spec: {{schedule: "*/5 * * * *", jobTemplate: {{spec: {JOB}}}}}',
        "NAME SCHEDULE TIMEZONE SUSPEND ACTIVE LAST SCHEDULE AGE CONTAINERS IMAGES SELECTOR",
    ),
    "autoscaling/v2 HorizontalPodAutoscaler": (
        "spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: x, apiVersion: apps/v1}}",
        "NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE",
    ),
    "policy/v1 PodDisruptionBudget": (
        f"spec: {{minAvailable: 1, selector: {SELECTOR}}}",
        "NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE",
    ),
    "networking.k8s.io/v1 IPAddress": (
        "spec: {parentRef: {resource: services, name: x, namespace: default}}",
        "NAME PARENTREF",
    ),
    "networking.k8s.io/v1 ServiceCIDR": ("spec: {cidrs: [10.97.0.0/16]}", "NAME CIDRS AGE"),
    "networking.k8s.io/v1 NetworkPolicy": ("spec: {podSelector: {}}", "NAME POD-SELECTOR AGE"),
    "networking.k8s.io/v1 IngressClass": (
        "spec: {controller: example.com/x}",
        "NAME CONTROLLER PARAMETERS AGE",
    ),
    "scheduling.k8s.io/v1 PriorityClass": (
        "value: 7",
        "NAME VALUE GLOBAL-DEFAULT AGE PREEMPTIONPOLICY",
    ),
    "node.k8s.io/v1 RuntimeClass": ("handler: runsc", "NAME HANDLER AGE"),
    "coordination.k8s.io/v1 Lease": ("spec: {holderIdentity: x}", "NAME HOLDER AGE"),
    "storage.k8s.io/v1 StorageClass": (
        "provisioner: example.com/x",
        "NAME PROVISIONER RECLAIMPOLICY VOLUMEBINDINGMODE ALLOWVOLUMEEXPANSION AGE",
    ),
    "storage.k8s.io/v1 VolumeAttachment": (
        "spec: {attacher: example.com, nodeName: n1, source: {persistentVolumeName: x}}",
        "NAME ATTACHER PV NODE ATTACHED AGE",
    ),
    "storage.k8s.io/v1 CSIDriver": (
        "spec: {attachRequired: false}",
        "NAME ATTACHREQUIRED PODINFOONMOUNT STORAGECAPACITY TOKENREQUESTS REQUIRESREPUBLISH "
        "MODES AGE",
    ),
    "storage.k8s.io/v1 CSINode": (
        "spec: {drivers: [{name: example.com, nodeID: n1}]}",
        "NAME DRIVERS AGE",
    ),
    "storage.k8s.io/v1 CSIStorageCapacity": (
        "storageClassName: x\ncapacity: 5Gi",
        "NAME STORAGECLASSNAME CAPACITY",
    ),
    "rbac.authorization.k8s.io/v1 Role": (f"rules: {RULES}", "NAME CREATED AT"),
    "rbac.authorization.k8s.io/v1 ClusterRole": (f"rules: {RULES}", "NAME CREATED AT"),
    "rbac.authorization.k8s.io/v1 RoleBinding": (
        f"roleRef: {REFERENCE}",
        "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS",
    ),
    "rbac.authorization.k8s.io/v1 ClusterRoleBinding": (
        f"roleRef: {REFERENCE}",
        "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS",
    ),
    "apiregistration.k8s.io/v1 APIService": (
        "spec: {group: example.com, version: v1, groupPriorityMinimum: 1, versionPriority: 1, "
        "service: {namespace: default, name: x}}",
        "NAME SERVICE AVAILABLE AGE",
    ),
}  # fmt: skip
NAMES = {
    "networking.k8s.io/v1 IPAddress": "10.97.0.7",
    "apiregistration.k8s.io/v1 APIService": "v1.example.com",
}


def manifest(kind: str) -> str:
    version, name = kind.split()
    head = f"apiVersion: {version}\nkind: {name}\nmetadata: {{name: {NAMES.get(kind, 'x')}}}\n"
    return head if KINDS[kind][0] == "{}" else head + KINDS[kind][0]


@pytest.fixture
def kubectl(server, namespace, tmp_path: Path) -> Run:
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig()), "HOME": str(tmp_path)}

    def run(*arguments: str, text: str | None = None, **more: str) -> str:
        done = subprocess.run(
            ["kubectl", "-n", namespace, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env={**environment, **more},
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    return run


def header(table: str) -> str:
    return " ".join(table.splitlines()[0].split())


def test_every_kind_is_made_shown_described_changed_and_deleted(kubectl):
    everything = "\n---\n".join(map(manifest, KINDS))
    made = kubectl("create", "-f", "-", text=everything).splitlines()
    assert len(made) == len(KINDS)
    tables = kubectl("get", "-f", "-", "-o", "wide", text=everything).strip().split("\n\n")
    assert [header(table) for table in tables] == [columns for _, columns in KINDS.values()]
    described = kubectl("describe", "-f", "-", text=everything)
    assert described.count("\nName: ") + described.startswith("Name: ") == len(KINDS)
    kubectl("label", "-f", "-", "tried=yes", text=everything)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=everything)
    # No controller is here to let go of what nobody uses.
    free = '-p={"metadata": {"finalizers": null}}'
    kubectl("patch", "pv/x", "pvc/x", "--type=merge", free)
    deleted = kubectl("delete", "-f", "-", "--timeout=20s", text=everything).splitlines()
    assert len(deleted) == len(KINDS)


def test_what_the_lists_of_resources_say(kubectl):
    short = {
        line.split()[0]: line.split()[1]
        for line in kubectl("api-resources", "--no-headers").splitlines()
        if len(line.split()) == 5
    }
    assert {"rc": "replicationcontrollers", "hpa": "horizontalpodautoscalers"}.items() <= {
        value: name for name, value in short.items()
    }.items()
    for plural in ("persistentvolumeclaims", "cronjobs", "storageclasses", "priorityclasses"):
        assert short[plural] in ("pvc", "cj", "sc", "pc")
    versions = kubectl("api-versions").split()
    assert {"autoscaling/v1", "autoscaling/v2", "batch/v1", "node.k8s.io/v1"} <= set(versions)


@pytest.mark.parametrize(
    "path",
    ["cronjob.spec.jobTemplate.spec", "hpa.spec.metrics", "sts.spec.ordinals", "pv.spec.csi"],
)
def test_what_a_field_is(kubectl, path):
    assert path.rpartition(".")[2] in kubectl("explain", path)


@pytest.mark.parametrize("kind", ["v1 ReplicationController", "apps/v1 StatefulSet"])
def test_what_has_replicas_is_scaled(kubectl, kind):
    kubectl("create", "-f", "-", text=manifest(kind))
    kubectl("scale", "-f", "-", "--replicas=3", text=manifest(kind))
    path = "jsonpath={.spec.replicas} {.metadata.generation}"
    assert kubectl("get", kind.split()[1], "x", "-o", path) == "3 2"


def test_the_services_range_is_an_object(kubectl):
    path = "jsonpath={.spec.cidrs[0]} {.status.conditions[0].type}"
    assert kubectl("get", "servicecidr", "kubernetes", "-o", path) == "10.96.0.0/16 Ready"


def test_editing_is_an_update(kubectl, tmp_path):
    kubectl("create", "-f", "-", text=manifest("batch/v1 CronJob"))
    kubectl(
        "edit", "cronjob", "x", KUBE_EDITOR="sed -i s/schedule:.*/schedule:\\ 0\\ 0\\ *\\ *\\ */"
    )
    assert kubectl("get", "cronjob", "x", "-o", "jsonpath={.spec.schedule}") == "0 0 * * *"


def test_autoscaling_is_asked_in_the_older_version(kubectl):
    kubectl("create", "deployment", "d", "--image=nginx")
    kubectl("autoscale", "deployment", "d", "--min=2", "--max=5", "--cpu-percent=60")
    newer = json.loads(kubectl("get", "hpa", "d", "-o", "json"))
    assert newer["apiVersion"] == "autoscaling/v2"
    target = {"type": "Utilization", "averageUtilization": 60}
    assert newer["spec"]["metrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    ]
    older = json.loads(kubectl("get", "horizontalpodautoscalers.v1.autoscaling", "d", "-o", "json"))
    assert older["spec"]["targetCPUUtilizationPercentage"] == 60
    assert "cpu: <unknown>/60%" in kubectl("get", "horizontalpodautoscalers.v1.autoscaling", "d")
