"""What people type next: patches, edits, diffs, drains, deletions of every kind; older clients."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Lab
from kubectl_transcripts import Typist, version_of
from kubectl_transcripts import clients as named_clients

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("kubectl-more")]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: nginx, image: "nginx:1.27", ports: [{containerPort: 80}]}
        - {name: side, image: "registry.k8s.io/pause:3.10"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {part: settings}}
data: {colour: red}
"""


@pytest.fixture(scope="module")
def web(lab: Lab) -> Lab:
    lab.apply(WEB)
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    return lab


def clients() -> Iterator[str]:
    """Return the kubectls of other versions that lie beside the one on the path."""
    found = shutil.which("kubectl")
    if found is not None:
        yield from sorted(str(path) for path in Path(found).resolve().parent.glob("kubectl.1.*"))


def run(
    lab: Lab, kubectl: str, *words: str, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [kubectl, *words], env=lab.environment, input=stdin,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_output_forms(web: Lab) -> None:
    names = web.kubectl("get", "pods", "-l", "app=web", "-o", "name").split()
    assert len(names) == 2
    path = "jsonpath={.items[*].metadata.name}"
    listed = web.kubectl("get", "pods", "-l", "app=web", "-o", path).split()
    assert [f"pod/{name}" for name in listed] == names
    columns = "custom-columns=WHO:.metadata.name,WHERE:.spec.nodeName"
    assert web.kubectl("get", "pods", "-o", columns).splitlines()[0].split() == ["WHO", "WHERE"]
    by_name = web.kubectl("get", "nodes", "--sort-by=.metadata.name", "-o", "name").split()
    assert by_name == ["node/node-1", "node/node-2", "node/node-3"]
    assert "kube-system" in web.kubectl("get", "leases", "-A")
    template = "go-template={{.spec.replicas}}"
    assert web.kubectl("get", "deployment", "web", "-o", template) == "2"


def test_endpoints_are_there_for_people_and_older_clients(web: Lab) -> None:
    assert "192.168.64.251:6443" in web.kubectl("get", "endpoints", "kubernetes")
    addresses = [pod["status"]["podIP"] for pod in web.objects("pods", "-l", "app=web")]
    shown = web.eventually(
        lambda: [
            line
            for line in web.kubectl("get", "endpoints").splitlines()
            if all(f"{address}:80" in line for address in addresses)
        ]
    )
    assert shown[0].startswith("web ")
    described = web.kubectl("describe", "service", "web")
    assert all(f"{address}:80" in described for address in addresses)


@pytest.mark.parametrize("kind", ["deployments", "replicasets", "pods", "services", "nodes",
                                  "namespaces", "configmaps", "secrets", "serviceaccounts",
                                  "endpoints", "endpointslices", "leases", "events"])  # fmt: skip
def test_every_kind_is_described(web: Lab, kind: str) -> None:
    where = ["-n", "kube-system"] if kind == "leases" else []
    said = web.kubectl("describe", kind, *where, check=False)
    assert said.startswith(("Name:", "No resources found"))
    assert "Error" not in said.split("Events:")[0]


def test_apply_twice_diff_and_dry_run(web: Lab) -> None:
    assert "unchanged" in web.kubectl("apply", "-f", "-", stdin=WEB)
    changed = WEB.replace("replicas: 2", "replicas: 3")
    diff = run(web, "kubectl", "diff", "-f", "-", stdin=changed)
    assert (diff.returncode, "+  replicas: 3" in diff.stdout) == (1, True)
    dry = web.kubectl("apply", "-f", "-", "--dry-run=server", stdin=changed)
    assert "deployment.apps/web configured (server dry run)" in dry
    assert web.objects("deployment/web")[0]["spec"]["replicas"] == 2
    assert run(web, "kubectl", "diff", "-f", "-", stdin=WEB).returncode == 0


def test_prune_removes_what_left_the_manifest(web: Lab) -> None:
    two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {set: two}}\n"
    web.apply(two % "keep" + "---\n" + two % "drop")
    said = web.kubectl(
        "apply", "-f", "-", "--prune", "-l", "set=two",
        "--prune-allowlist=core/v1/ConfigMap", stdin=two % "keep",
    )  # fmt: skip
    assert "configmap/drop pruned" in said
    web.kubectl("delete", "configmap", "keep")


def test_three_kinds_of_patch_and_an_edit(web: Lab) -> None:
    web.kubectl("patch", "configmap", "settings", "-p", '{"data":{"size":"1"}}')
    web.kubectl("patch", "configmap", "settings", "--type=merge", "-p", '{"data":{"size":null}}')
    web.kubectl(
        "patch", "configmap", "settings", "--type=json",
        "-p", '[{"op":"replace","path":"/data/colour","value":"blue"}]',
    )  # fmt: skip
    assert web.objects("configmap/settings")[0]["data"] == {"colour": "blue"}
    refused = run(
        web, "kubectl", "patch", "configmap", "settings", "--type=json",
        "-p", '[{"op":"test","path":"/data/colour","value":"green"}]',
    )  # fmt: skip
    assert refused.returncode == 1
    assert "test failed" in refused.stderr
    assert "blue" not in refused.stderr
    environment = {**web.environment, "KUBE_EDITOR": "sed -i s/blue/green/"}
    edited = subprocess.run(
        ["kubectl", "edit", "configmap", "settings"], env=environment, input="",
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "configmap/settings edited" in edited.stdout
    assert web.objects("configmap/settings")[0]["data"] == {"colour": "green"}


def test_logs_of_several_containers(web: Lab) -> None:
    pod = web.objects("pods", "-l", "app=web")[0]["metadata"]["name"]
    assert "nginx" in web.kubectl("logs", pod, "-c", "nginx")
    both = web.kubectl("logs", pod, "--all-containers", "--prefix", "--tail=1", "--since=1h")
    assert f"[pod/{pod}/nginx]" in both
    previous = run(web, "kubectl", "logs", pod, "-c", "nginx", "--previous")
    assert previous.returncode == 1
    assert f'previous terminated container "nginx" in pod "{pod}" not found' in previous.stderr


INDEXED = """
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  backoffLimitPerIndex: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: c
          image: busybox
          command:
            - sh
            - -c
            - 'echo "$JOB_COMPLETION_INDEX $(hostname)"; [ $JOB_COMPLETION_INDEX != 1 ]'
"""


def test_jobs_run_to_their_end(web: Lab) -> None:
    """Created, waited for, and made by hand of a CronJob's template."""
    web.kubectl("create", "job", "hello", "--image=busybox", "--", "echo", "hello")
    web.kubectl(
        "create", "cronjob", "tick", "--image=busybox", "--schedule=0 0 1 1 *", "--", "date"
    )
    web.kubectl("create", "job", "now", "--from=cronjob/tick")
    web.apply(INDEXED)
    for name in ("hello", "now"):
        web.kubectl("wait", "--for=condition=complete", f"job/{name}", "--timeout=30s")
    assert web.kubectl("logs", "job/hello") == "hello\n"
    assert web.kubectl("get", "job", "hello", "--no-headers").split()[1:3] == ["Complete", "1/1"]
    web.kubectl("wait", "--for=condition=failed", "job/indexed", "--timeout=30s")
    shown = "jsonpath={.status.completedIndexes} {.status.failedIndexes} {.status.failed}"
    assert web.kubectl("get", "job", "indexed", "-o", shown) == "0,2 1 1"
    lines = web.kubectl("logs", "-l", "job-name=indexed").splitlines()
    assert sorted(lines) == [f"{index} indexed-{index}" for index in range(3)]
    web.kubectl("delete", "cronjob/tick", "job/hello", "job/indexed", "--timeout=30s")
    left = "job-name in (hello,now,indexed)"
    web.kubectl("wait", "--for=delete", "pod", "-l", left, "--timeout=30s")


def test_taint_drain_and_uncordon(web: Lab) -> None:
    web.kubectl("taint", "nodes", "node-3", "team=a:NoSchedule")
    assert "already has" in web.kubectl(
        "taint", "nodes", "node-3", "team=a:NoSchedule", check=False
    )
    web.kubectl("taint", "nodes", "node-3", "team-")
    said = web.kubectl("drain", "node-3", "--ignore-daemonsets", "--force", "--timeout=30s")
    assert "node/node-3 drained" in said
    where = {pod["spec"]["nodeName"] for pod in web.objects("pods", "-l", "app=web")}
    assert "node-3" not in where
    web.kubectl("uncordon", "node-3")
    web.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=30s")


def test_deletions_of_every_kind(web: Lab) -> None:
    manifest = WEB.split("---", maxsplit=1)[0].replace("name: web}", "name: gone}", 1)
    manifest = manifest.replace("app: web", "app: gone")
    for cascade, stays in (("orphan", True), ("background", False), ("foreground", False)):
        web.apply(manifest)
        web.kubectl("rollout", "status", "deployment/gone", "--timeout=60s")
        web.kubectl("delete", "deployment", "gone", f"--cascade={cascade}", "--timeout=30s")
        if stays:
            assert web.objects("replicasets", "-l", "app=gone")
            continue  # The next Deployment adopts them.
        web.eventually(lambda: not web.objects("replicasets,pods", "-l", "app=gone"))
    web.kubectl("run", "stubborn", "--image=busybox", "--", "sleep", "1000")
    forced = web.kubectl("delete", "pod", "stubborn", "--force", "--grace-period=0")
    assert 'pod "stubborn" force deleted' in forced


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("exec", "nobody", "--", "ls"), 'pods "nobody" not found'),
        (("port-forward", "service/none", "18080:80"), 'services "none" not found'),
        (("create", "deployment", "X_x", "--image=nginx"), 'metadata.name: Invalid value: "X_x"'),
        (("get", "nonsense"), 'the server doesn\'t have a resource type "nonsense"'),
        (("get", "pod", "nobody"), 'pods "nobody" not found'),
        (("rollout", "undo", "deployment/web", "--to-revision=99"), "unable to find"),
        (("wait", "--for=condition=Never", "deployment/web", "--timeout=1s"), "timed out"),
    ],
)
def test_refusals_are_clear(web: Lab, words: tuple[str, ...], says: str) -> None:
    done = run(web, "kubectl", *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert "panic" not in done.stderr


@pytest.mark.parametrize("kubectl", list(clients()), ids=lambda path: Path(path).name)
def test_clients_of_other_versions(web: Lab, kubectl: str) -> None:
    assert "v1.32" in run(web, kubectl, "version").stdout
    unchanged = run(web, kubectl, "apply", "-f", "-", stdin=WEB.split("---", maxsplit=1)[0])
    assert unchanged.stdout.startswith("deployment.apps/web "), unchanged.stderr
    nonsense = "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n"
    refused = run(web, kubectl, "apply", "-f", "-", stdin=nonsense)
    assert 'no matches for kind "Nonsense" in version "v1"' in refused.stderr
    strict = run(web, kubectl, "apply", "-f", "-", stdin=WEB.replace("replicas", "replikas"))
    assert 'unknown field "spec.replikas"' in strict.stderr
    assert "Endpoints:" in run(web, kubectl, "describe", "service", "web").stdout
    assert "FIELD: replicas <integer>" in run(
        web, kubectl, "explain", "deployment.spec.replicas"
    ).stdout  # fmt: skip
    assert "successfully rolled out" in run(
        web, kubectl, "rollout", "status", "deployment/web"
    ).stdout  # fmt: skip


def test_what_the_server_says_of_itself(web: Lab) -> None:
    assert "deployments" in web.kubectl("api-resources")
    assert "discovery.k8s.io/v1" in web.kubectl("api-versions").split()
    assert "control plane" in web.kubectl("cluster-info")
    assert "FIELDS:" in web.kubectl("explain", "pods", "--recursive")
    assert "Scheduled" in web.kubectl("events")
    assert "readyz check passed" in web.kubectl("get", "--raw", "/readyz?verbose")


@pytest.mark.skipif(not named_clients(), reason="kubectl is not installed")
@pytest.mark.parametrize("kubectl", named_clients(), ids=lambda path: Path(path).name)
@pytest.mark.parametrize("transcript", ["pods", "rollout"])
def test_transcript(lab: Lab, tmp_path: Path, kubectl: str, transcript: str) -> None:
    namespace = f"{transcript}-{Path(kubectl).name.replace('.', '-')}"
    lab.kubectl("create", "namespace", namespace)
    text = (Path(__file__).parent / "kubectl" / f"{transcript}.txt").read_text()
    Typist(kubectl, version_of(kubectl), tmp_path, namespace, lab.environment).play(text)
    lab.kubectl("delete", "namespace", namespace, "--wait=false")
