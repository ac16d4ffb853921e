"""What only kubectl's typed commands send: protobuf bodies, of every kubectl that is installed.

`kubectl create X` and its kin have no other form since 1.32; the older ones send JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CLIENTS = [name for minor in range(27, 40) if shutil.which(name := f"kubectl.1.{minor}")]
CLIENTS = CLIENTS or [name for name in ("kubectl",) if shutil.which(name)]
pytestmark = pytest.mark.skipif(not CLIENTS, reason="kubectl is not installed")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=CLIENTS or ["kubectl"])
def run(request, server, namespace, tmp_path: Path) -> Run:
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig()), "HOME": str(tmp_path)}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [request.param, "-n", namespace, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
        )

    return call


CREATED = {
    "configmap c --from-literal=a=b": ("configmap", lambda o: o["data"] == {"a": "b"}),
    "secret generic s --from-literal=a=b": ("secret", lambda o: o["data"] == {"a": "Yg=="}),
    "secret docker-registry r --docker-username=u --docker-password=p": (
        "secret",
        lambda o: o["type"] == "kubernetes.io/dockerconfigjson",
    ),
    "deployment d --image=nginx --replicas=0 --port=80": (
        "deployment",
        lambda o: (
            o["spec"]["replicas"] == 0
            and o["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
        ),
    ),
    "service clusterip i --tcp=80:http": (
        "service",
        lambda o: o["spec"]["ports"][0]["targetPort"] == "http",
    ),
    "service nodeport n --tcp=80:8080": (
        "service",
        lambda o: o["spec"]["ports"][0]["targetPort"] == 8080,
    ),
    "service externalname e --external-name=example.com": (
        "service",
        lambda o: o["spec"]["externalName"] == "example.com",
    ),
    "serviceaccount a": ("serviceaccount", lambda o: o["metadata"]["uid"]),
    "ingress g --rule=example.com/x*=web:80 --class=nginx": (
        "ingress",
        lambda o: (
            o["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]
            == {"number": 80}
        ),
    ),
    "poddisruptionbudget p --selector=app=web --min-available=50%": (
        "poddisruptionbudget",
        lambda o: o["spec"]["minAvailable"] == "50%",
    ),
    "job j --image=busybox -- date": (
        "job",
        lambda o: (
            o["spec"]["template"]["spec"]["containers"][0]["command"] == ["date"]
            and o["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"]
            == o["metadata"]["uid"]
        ),
    ),
    "cronjob k --image=busybox --schedule=@hourly": (
        "cronjob",
        lambda o: (
            o["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
        ),
    ),
    "quota q --hard=cpu=1,pods=2 --scopes=NotTerminating": (
        "resourcequota",
        lambda o: o["spec"] == {"hard": {"cpu": "1", "pods": "2"}, "scopes": ["NotTerminating"]},
    ),
    "role r --verb=get,list --resource=pods --resource-name=web": (
        "role",
        lambda o: o["rules"][0]["resourceNames"] == ["web"],
    ),
    "rolebinding b --clusterrole=view --user=eve --serviceaccount=default:a": (
        "rolebinding",
        lambda o: [subject["kind"] for subject in o["subjects"]] == ["User", "ServiceAccount"],
    ),
    "namespace NAME-ns": ("namespace", lambda o: o["status"]["phase"] == "Active"),
    "priorityclass NAME --value=7 --preemption-policy=Never": (
        "priorityclass",
        lambda o: (o["value"], o["preemptionPolicy"]) == (7, "Never"),
    ),
    "clusterrole NAME --verb=get --non-resource-url=/logs/*": (
        "clusterrole",
        lambda o: o["rules"] == [{"nonResourceURLs": ["/logs/*"], "verbs": ["get"]}],
    ),
    "clusterrolebinding NAME --clusterrole=view --group=g": (
        "clusterrolebinding",
        lambda o: o["subjects"][0]["kind"] == "Group",
    ),
}


def test_every_kind_that_kubectl_creates(run, namespace):
    for command, (kind, is_right) in CREATED.items():
        made = run("create", *command.replace("NAME", namespace).split())
        assert made.returncode == 0, f"{command}: {made.stderr}"
        name = made.stdout.split()[0].partition("/")[2]
        found = json.loads(run("get", kind, name, "-o", "json").stdout)
        assert is_right(found), found


def test_a_refusal_reads_as_upstreams(run):
    refused = run("create", "deployment", "Big", "--image=nginx")
    assert refused.returncode == 1
    assert 'metadata.name: Invalid value: "Big": a lowercase RFC 1123' in refused.stderr


def test_questions_about_oneself(run):
    assert run("auth", "can-i", "create", "pods").stdout == "yes\n"
    who = run("auth", "whoami", "-o", "json")
    if who.returncode == 0:  # kubectl 1.27 asks for an older version.
        assert "system:masters" in json.loads(who.stdout)["status"]["userInfo"]["groups"]


RECONCILED = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NAMESPACE}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
"""


def test_roles_are_made_and_reconciled_and_asked_about(run, namespace, tmp_path):
    done = run("create", "role", "reader", "--verb=get", "--resource=configmaps")
    assert done.returncode == 0, done.stderr
    done = run("create", "rolebinding", "reader", "--role=reader", "--user=bob")
    assert done.returncode == 0, done.stderr
    assert run("auth", "can-i", "get", "cm", "--as=bob").stdout == "yes\n"
    assert run("auth", "can-i", "get", "secrets", "--as=bob").stdout == "no\n"
    (tmp_path / "role.yaml").write_text(RECONCILED.replace("NAMESPACE", namespace))
    done = run("auth", "reconcile", "-f", str(tmp_path / "role.yaml"))
    assert "role.rbac.authorization.k8s.io/reader reconciled" in done.stdout
    assert run("auth", "can-i", "get", "secrets", "--as=bob").stdout == "yes\n"
    assert run("auth", "can-i", "get", "cm", "--as=bob").stdout == "yes\n"
    done = run("auth", "reconcile", "-f", str(tmp_path / "role.yaml"), "--remove-extra-permissions")
    assert done.returncode == 0, done.stderr
    assert run("auth", "can-i", "get", "cm", "--as=bob").stdout == "no\n"
    listed = run("auth", "can-i", "--list", "--as=bob").stdout
    assert any(line.split() == ["secrets", "[]", "[]", "[get]"] for line in listed.splitlines())


def test_typed_changes_of_what_is_there(run):
    assert run("create", "deployment", "d", "--image=nginx").returncode == 0
    for command in (
        "scale deployment d --replicas=3",
        "rollout restart deployment d",
        "set image deployment d nginx=nginx:2",
        "set env deployment d A=b",
        "set resources deployment d --limits=cpu=1",
        "expose deployment d --port=80",
        "label deployment d x=y",
        "annotate deployment d x=y",
        "delete deployment d --cascade=orphan --wait=false",
    ):
        done = run(*command.split())
        assert done.returncode == 0, f"{command}: {done.stderr}"
