"""An unmodified kubectl does what people type first."""

from __future__ import annotations

import subprocess
import time

import pytest
from clusters import EXAMPLES, Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("kubectl")]

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx}
spec:
  replicas: 2
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
        - {name: nginx, image: "nginx:1.27", ports: [{containerPort: 80}]}
"""


@pytest.fixture(scope="module")
def nginx(lab: Lab) -> Lab:
    lab.apply(DEPLOYMENT)
    lab.kubectl("rollout", "status", "deployment/nginx", "--timeout=60s")
    return lab


def test_get_in_every_form(nginx: Lab) -> None:
    wide = nginx.kubectl("get", "pods", "-o", "wide").splitlines()
    assert wide[0].split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert "NOMINATED NODE" in wide[0]
    assert "1/1" in wide[1]
    assert "kind: Deployment" in nginx.kubectl("get", "deploy", "nginx", "-o", "yaml")
    assert nginx.objects("deploy/nginx")[0]["status"]["readyReplicas"] == 2
    assert "nginx" in nginx.kubectl("get", "all")
    assert "kube-system" in nginx.kubectl("get", "ns")
    nodes = nginx.kubectl("get", "nodes", "-o", "wide")
    assert "192.168.64.1" in nodes
    assert " Ready " in nodes
    assert nginx.kubectl("get", "pods", "-l", "app=nothing", check=False).startswith("No resources")


def test_describe_shows_conditions_and_events(nginx: Lab) -> None:
    name = nginx.objects("pods", "-l", "app=nginx")[0]["metadata"]["name"]
    said = nginx.kubectl("describe", "pod", name)
    for word in ("Successfully assigned", "Pulled", "Created container", "Started container"):
        assert word in said
    assert "NewReplicaSetAvailable" in nginx.kubectl("describe", "deployment", "nginx")
    assert "ScalingReplicaSet" in nginx.kubectl("describe", "deployment", "nginx")
    assert "Allocated resources" in nginx.kubectl("describe", "node", "node-1")


def test_scale_and_watch(nginx: Lab) -> None:
    with subprocess.Popen(
        ["kubectl", "get", "deployment", "nginx", "-w", "--no-headers"],
        env=nginx.environment, stdout=subprocess.PIPE, text=True,
    ) as watching:  # fmt: skip
        assert watching.stdout is not None
        assert "2/2" in watching.stdout.readline()
        nginx.kubectl("scale", "deployment/nginx", "--replicas=3")
        deadline = time.monotonic() + 30
        while "3/3" not in watching.stdout.readline():
            assert time.monotonic() < deadline
        watching.kill()
    nginx.kubectl("scale", "deployment/nginx", "--replicas=2")
    nginx.kubectl(
        "wait", "--for=jsonpath={.status.replicas}=2", "deployment/nginx", "--timeout=30s"
    )


def test_rolling_update_history_and_undo(nginx: Lab) -> None:
    nginx.kubectl("set", "image", "deployment/nginx", "nginx=nginx:1.28")
    assert "successfully rolled out" in nginx.kubectl(
        "rollout", "status", "deployment/nginx", "--timeout=60s"
    )
    assert "2" in nginx.kubectl("rollout", "history", "deployment/nginx")
    nginx.kubectl("rollout", "undo", "deployment/nginx")
    nginx.kubectl("rollout", "status", "deployment/nginx", "--timeout=60s")
    image = nginx.objects("deploy/nginx")[0]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "nginx:1.27"
    nginx.kubectl("rollout", "restart", "deployment/nginx")
    nginx.kubectl("rollout", "status", "deployment/nginx", "--timeout=60s")


STATEFUL = """
apiVersion: v1
kind: Service
metadata: {name: keeper}
spec: {clusterIP: None, selector: {app: keeper}, ports: [{port: 80, name: web}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: keeper}
spec:
  serviceName: keeper
  replicas: 2
  selector: {matchLabels: {app: keeper}}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  template:
    metadata: {labels: {app: keeper}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: busybox
        command: [sh, -c, "echo $HOSTNAME >> /data/who; sleep 3600"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""


def test_a_stateful_set_keeps_names_and_data(lab: Lab) -> None:
    lab.apply(STATEFUL)
    lab.kubectl("rollout", "status", "sts/keeper", "--timeout=60s")
    claims = {one["metadata"]["name"]: one["spec"] for one in lab.objects("pvc")}
    assert set(claims) == {"data-keeper-0", "data-keeper-1"}
    nodes = {one["metadata"]["name"]: one["spec"]["nodeName"] for one in lab.objects("pods", *APP)}

    lab.kubectl("rollout", "restart", "sts/keeper")
    lab.kubectl("rollout", "status", "sts/keeper", "--timeout=60s")
    for name, node in nodes.items():
        (pod,) = lab.objects("pod", name)
        assert pod["spec"]["nodeName"] == node, "a pod runs where its volume is"
        where = lab.paths.node(node) / "hostfs" / "var" / "lib" / "local-path-provisioner"
        (kept,) = where.glob(f"{claims[f'data-{name}']['volumeName']}_default_data-{name}/who")
        assert kept.read_text() == f"{name}\n{name}\n", "what the first pod wrote is there"

    history = lab.kubectl("rollout", "history", "sts/keeper")
    assert history.split()[-4::2] == ["1", "2"]
    assert "rolled back" in lab.kubectl("rollout", "undo", "sts/keeper")
    lab.kubectl("delete", "sts,svc", "keeper")
    lab.eventually(lambda: not lab.objects("pvc"), what="the claims go by their policy")
    lab.eventually(lambda: not lab.objects("pv"), what="and their volumes with them")
    held = "nodes/*/hostfs/var/lib/local-path-provisioner/*"
    lab.eventually(lambda: not list(lab.paths.directory.glob(held)), what="and what they held")


APP = ("-l", "app=keeper")
DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "nginx:1.27"}]
"""


def test_a_daemon_set_is_everywhere_rolls_and_is_undone(lab: Lab) -> None:
    lab.apply(DAEMON)
    lab.kubectl("rollout", "status", "ds/agent", "--timeout=60s")
    assert lab.objects("ds/agent")[0]["status"]["desiredNumberScheduled"] == 3
    lab.kubectl("set", "image", "ds/agent", "c=nginx:1.28")
    lab.kubectl("rollout", "status", "ds/agent", "--timeout=60s")
    undone = lab.kubectl("rollout", "undo", "ds/agent")
    assert "rolled back" in undone
    lab.kubectl("rollout", "status", "ds/agent", "--timeout=60s")
    again = lab.kubectl("rollout", "undo", "ds/agent", "--to-revision=3")
    assert "skipped rollback (current template already matches revision 3)" in again

    lab.kubectl("cordon", "node-1")
    lab.kubectl("taint", "node", "node-2", "own=x:NoExecute")

    def on_two() -> bool:
        status = lab.objects("ds/agent")[0]["status"]
        return (status["desiredNumberScheduled"], status["numberReady"]) == (2, 2)

    lab.eventually(on_two, what="a taint drives its pod away, a cordon does not")
    lab.kubectl("taint", "node", "node-2", "own-")
    lab.kubectl("uncordon", "node-1")
    lab.kubectl("delete", "-f", "-", stdin=DAEMON)


def test_label_annotate_and_select(nginx: Lab) -> None:
    nginx.kubectl("label", "deployment/nginx", "tier=front")
    assert "nginx" in nginx.kubectl("get", "deploy", "-l", "tier=front")
    nginx.kubectl("annotate", "deployment/nginx", "note=hello")
    nginx.kubectl("label", "deployment/nginx", "tier-")
    assert "nginx" not in nginx.kubectl("get", "deploy", "-l", "tier=front", check=False)


def test_expose_curl_and_logs(nginx: Lab) -> None:
    nginx.kubectl("expose", "deployment/nginx", "--type=NodePort", "--port=80")
    port = nginx.objects("svc/nginx")[0]["spec"]["ports"][0]["nodePort"]
    page = nginx.eventually(lambda: nginx.fetch(1, port))
    assert "nginx" in page
    names = [pod["metadata"]["name"] for pod in nginx.objects("pods", "-l", "app=nginx")]
    nginx.eventually(lambda: any("GET / HTTP/1.1" in nginx.kubectl("logs", name) for name in names))
    assert nginx.kubectl("logs", names[0], "--tail=0") == ""


def test_cordon_and_unschedulable_reasons(nginx: Lab) -> None:
    for node in ("node-1", "node-2", "node-3"):
        nginx.kubectl("cordon", node)
    assert "SchedulingDisabled" in nginx.kubectl("get", "nodes")
    nginx.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: waiting}\n"
        "spec: {containers: [{name: c, image: registry.k8s.io/pause:3.10}]}\n"
    )
    nginx.eventually(
        lambda: (
            "0/3 nodes are available: 3 node(s) were unschedulable"
            in nginx.kubectl("describe", "pod", "waiting")
        ),
        what="FailedScheduling says why",
    )
    for node in ("node-1", "node-2", "node-3"):
        nginx.kubectl("uncordon", node)
    nginx.kubectl("wait", "--for=condition=Ready", "pod/waiting", "--timeout=30s")
    nginx.kubectl("delete", "pod", "waiting")


def test_an_unknown_image_backs_off_with_an_event(nginx: Lab) -> None:
    nginx.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: unknown}\n"
        "spec: {containers: [{name: c, image: example.com/nobody/knows:1}]}\n"
    )
    nginx.eventually(
        lambda: "ImagePullBackOff" in nginx.kubectl("get", "pod", "unknown"), what="back-off"
    )
    assert "Failed to pull image" in nginx.kubectl("describe", "pod", "unknown")
    nginx.kubectl("delete", "pod", "unknown")


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_Name}\nspec: {}", "Bad_Name"),
        (DEPLOYMENT.replace("replicas", "replikas"), 'unknown field "spec.replikas"'),
        (DEPLOYMENT.replace("replicas: 2", "replicas: two"), "replicas"),
        (DEPLOYMENT.replace("labels: {app: nginx}", "labels: {app: other}"), "does not match"),
        ("apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}", "Nonsense"),
        (DEPLOYMENT.replace("name: nginx}", "name: other, namespace: nowhere}", 1), "nowhere"),
    ],
)  # fmt: skip
def test_bad_manifests_get_clear_errors(nginx: Lab, manifest: str, says: str) -> None:
    done = subprocess.run(
        ["kubectl", "apply", "-f", "-"], env=nginx.environment, input=manifest,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_kubectl_create_speaks_protobuf(nginx: Lab) -> None:
    said = nginx.kubectl("create", "deployment", "made", "--image=nginx", "--port=80")
    assert said == "deployment.apps/made created\n"
    nginx.kubectl("rollout", "status", "deployment/made", "--timeout=60s")
    nginx.kubectl("delete", "deployment", "made")


def test_delete_of_a_manifest_removes_everything(lab: Lab) -> None:
    lab.kubectl("apply", "-f", str(EXAMPLES / "web.yaml"))
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    lab.kubectl("delete", "-f", str(EXAMPLES / "web.yaml"))
    lab.eventually(
        lambda: "No resources" in lab.kubectl("get", "pods", "-l", "app=web", check=False),
        what="pods collected",
    )


def test_a_namespace_takes_its_content_with_it(lab: Lab) -> None:
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: short}\n")
    lab.eventually(lambda: "default" in lab.kubectl("get", "sa", "-n", "short"))
    lab.apply(DEPLOYMENT.replace("name: nginx}", "name: nginx, namespace: short}", 1))
    lab.kubectl("rollout", "status", "deployment/nginx", "-n", "short", "--timeout=60s")
    lab.kubectl("delete", "namespace", "short", "--timeout=60s")
    assert "NotFound" in lab.kubectl("get", "namespace", "short", check=False)


def test_top_tells_what_nodes_and_pods_use(nginx: Lab) -> None:
    nginx.apply("""
apiVersion: v1
kind: Pod
metadata: {name: busy}
spec:
  containers:
    - {name: idle, image: "registry.k8s.io/pause:3.10"}
    - name: work
      image: busybox:1.36
      command: [sh, -c, "while true; do seq 1 200 | wc -l; done"]
""")
    nginx.kubectl("wait", "pod/busy", "--for=condition=Ready", "--timeout=30s")

    def used() -> dict[str, int]:
        lines = nginx.kubectl("top", "pod", "busy", "--containers", "--no-headers", check=False)
        rows = [line.split() for line in lines.splitlines()]
        return {row[1]: int(row[2].rstrip("m")) for row in rows if len(row) == 4}

    nginx.eventually(
        lambda: used().get("work", 0) > 10 * max(1, used().get("idle", 0)),
        what="kubectl top tells the container that works from the one that waits",
    )
    nodes = nginx.kubectl("top", "node", "--no-headers").splitlines()
    assert len(nodes) == len(nginx.objects("nodes"))
    assert all(row.split()[3].endswith("Mi") for row in nodes)
    missing = nginx.kubectl("top", "pod", "nobody", check=False)
    assert missing.endswith('podmetrics.metrics.k8s.io "default/nobody" not found\n')
    nginx.kubectl("delete", "pod", "busy", "--force", "--grace-period=0")


def test_autoscale_follows_the_load(nginx: Lab) -> None:
    script = "while true; do if [ -e /tmp/busy ]; then seq 1 200 | wc -l; else sleep 0.2; fi; done"
    nginx.apply(f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: worker}}
spec:
  selector: {{matchLabels: {{app: worker}}}}
  template:
    metadata: {{labels: {{app: worker}}}}
    spec:
      containers:
        - name: work
          image: busybox:1.36
          command: [sh, -c, "{script}"]
          resources: {{requests: {{cpu: 20m}}}}
""")
    nginx.kubectl("rollout", "status", "deployment/worker", "--timeout=60s")
    nginx.kubectl("autoscale", "deployment", "worker", "--cpu-percent=80", "--min=1", "--max=3")
    nginx.kubectl("exec", "deploy/worker", "--", "touch", "/tmp/busy")

    def replicas() -> int:
        (scaler,) = nginx.objects("hpa", "worker")
        return (scaler.get("status") or {}).get("currentReplicas") or 0

    nginx.eventually(lambda: replicas() == 3, what="the autoscaler takes as many as it may")
    told = nginx.kubectl("describe", "hpa", "worker")
    assert "SuccessfulRescale" in told
    assert "TooManyReplicas" in told
    nginx.kubectl("delete", "hpa,deployment", "worker", "--wait=false")
