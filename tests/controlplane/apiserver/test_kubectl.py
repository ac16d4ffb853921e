"""An unmodified kubectl against the server; skipped, visibly, where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, labels: {{app: web}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: nginx, ports: [{{containerPort: 80}}]}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}
"""


class Kubectl:
    def __init__(self, kubeconfig: Path, home: Path, namespace: str) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(home)}
        self._namespace = namespace
        self.directory = home

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "-n", self._namespace, *arguments]
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=60, env=self._environment
        )

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def kubectl(server, namespace, tmp_path) -> Kubectl:
    return Kubectl(server.kubeconfig(), tmp_path, namespace)


def test_apply_changes_and_deletes(kubectl):
    first = kubectl("apply", "-f", "-", text=WEB.format(replicas=2))
    assert first.splitlines() == ["deployment.apps/web created", "service/web created"]
    again = kubectl("apply", "-f", "-", text=WEB.format(replicas=3))
    assert again.splitlines() == ["deployment.apps/web configured", "service/web unchanged"]
    wide = kubectl("get", "deployment", "web", "-o", "wide").splitlines()
    assert wide[0].split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert wide[1].split()[:2] == ["web", "0/3"]
    gone = kubectl("delete", "-f", "-", text=WEB.format(replicas=3))
    assert gone.splitlines() == ['deployment.apps "web" deleted', 'service "web" deleted']


def test_commands_that_patch(kubectl):
    kubectl("apply", "-f", "-", text=WEB.format(replicas=1))
    assert kubectl("scale", "deployment/web", "--replicas=4") == "deployment.apps/web scaled\n"
    assert kubectl("label", "service/web", "a=b") == "service/web labeled\n"
    assert kubectl("annotate", "service/web", "c=d") == "service/web annotated\n"
    kubectl("set", "image", "deployment/web", "web=nginx:2")
    kubectl("rollout", "restart", "deployment/web")
    kubectl(
        "patch",
        "deployment/web",
        "--type=json",
        "-p",
        '[{"op":"remove","path":"/metadata/labels"}]',
    )
    path = "{.spec.replicas} {.spec.template.spec.containers[0].image} {.metadata.generation}"
    assert kubectl("get", "deployment/web", "-o", f"jsonpath={path}") == "4 nginx:2 4"
    kubectl("wait", "--for=jsonpath={.spec.replicas}=4", "deployment/web", "--timeout=10s")


def test_run_describe_expose_delete(kubectl):
    assert kubectl("run", "p", "--image=nginx", "--port=80") == "pod/p created\n"
    assert "Status:           Pending" in kubectl("describe", "pod", "p")
    assert kubectl("expose", "pod", "p") == "service/p exposed\n"
    assert "Endpoints" in kubectl("describe", "service", "p")
    assert kubectl("delete", "pod", "p") == 'pod "p" deleted\n'
    assert "No resources found" in kubectl.run("get", "pods").stderr


def test_nodes_are_cordoned_tainted_and_described(kubectl, server):
    server.request("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    assert kubectl("cordon", "n1") == "node/n1 cordoned\n"
    assert kubectl("taint", "node", "n1", "a=b:NoSchedule") == "node/n1 tainted\n"
    assert "SchedulingDisabled" in kubectl("get", "nodes")
    assert kubectl("uncordon", "n1") == "node/n1 uncordoned\n"
    assert "a=b:NoSchedule" in kubectl("describe", "node", "n1")
    drained = kubectl("drain", "n1", "--timeout=10s")
    assert drained.endswith("node/n1 drained\n")


def test_mistakes_are_told(kubectl):
    unknown = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nfoo: 1\n"
    refused = kubectl.run("create", "-f", "-", text=unknown)
    assert 'strict decoding error: unknown field "foo"' in refused.stderr
    warned = kubectl.run("create", "--validate=warn", "-f", "-", text=unknown)
    assert warned.stderr == 'Warning: unknown field "foo"\n'
    bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}\n"
    assert (
        'The ConfigMap "A_B" is invalid: metadata.name'
        in kubectl.run("create", "-f", "-", text=bad).stderr
    )


def test_discovery_and_schemas(kubectl):
    resources = kubectl("api-resources", "--no-headers")
    assert any(line.split()[0] == "deployments" for line in resources.splitlines())
    assert "FIELD: containers" in kubectl("explain", "pod.spec.containers")
    policy = kubectl("explain", "pod.spec.containers.imagePullPolicy")
    assert "ENUM:\n    Always\n    IfNotPresent\n    Never\n" in policy
    assert "exec" not in resources  # Subresources are for programs.
    wide = kubectl("api-resources", "-o", "wide", "--no-headers")
    pods = next(line.split() for line in wide.splitlines() if line.startswith("pods "))
    verbs = "create,delete,deletecollection,get,list,patch,update,watch"
    assert pods == ["pods", "po", "v1", "true", "Pod", verbs, "all"]
    assert "v1.32.0+podwire" in kubectl("version")


def test_dry_run_and_diff_write_nothing(kubectl):
    kubectl("apply", "-f", "-", text=WEB.format(replicas=1))
    manifest = kubectl.directory / "web.yaml"
    manifest.write_text(WEB.format(replicas=2))
    kubectl("apply", "--dry-run=server", "-f", str(manifest))
    diff = kubectl.run("diff", "-f", str(manifest))
    assert diff.returncode == 1, diff.stderr
    assert "+  replicas: 2" in diff.stdout
    assert kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "1"


def test_get_pages_and_watches(kubectl):
    for i in range(3):
        body = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{i}}}\n"
        kubectl("create", "-f", "-", text=body)
    listed = kubectl("get", "configmaps", "--chunk-size=1", "-o", "name").splitlines()
    assert listed == ["configmap/c0", "configmap/c1", "configmap/c2"]
    watched = kubectl.run("get", "configmaps", "-w", "--request-timeout=2s")
    assert [line.split()[0] for line in watched.stdout.splitlines()] == ["NAME", "c0", "c1", "c2"]


def test_a_node_is_drained(kubectl, server, namespace):
    server.request("POST", "/api/v1/nodes", {"metadata": {"name": "drained"}})
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u"}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    for name in ("web-1", "web-2"):
        pod = {
            "metadata": {"name": name, "ownerReferences": [{**owner, "controller": True}]},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        assert server.request("POST", pods, pod).code == 201
        server.request("POST", f"{pods}/{name}/binding", {"target": {"name": "drained"}})
    told = kubectl("drain", "drained", "--grace-period=0", "--timeout=20s")
    assert told.splitlines()[0] == "node/drained cordoned"
    assert told.splitlines()[-1] == "node/drained drained"
    assert {"pod/web-1 evicted", "pod/web-2 evicted"} <= set(told.splitlines())
    assert server.request("GET", pods).json["items"] == []
    assert server.request("GET", "/api/v1/nodes/drained").json["spec"]["unschedulable"] is True
    assert kubectl("uncordon", "drained") == "node/drained uncordoned\n"
    assert "unschedulable" not in server.request("GET", "/api/v1/nodes/drained").json["spec"]
