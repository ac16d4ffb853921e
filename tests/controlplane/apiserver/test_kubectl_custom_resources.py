"""An unmodified kubectl and the CronTab of Kubernetes' documentation; skipped without one."""

from __future__ import annotations

import json
import shutil

import pytest

from .apiextensions.definitions import crd
from .test_kubectl import Kubectl

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

SPEC = {
    "type": "object",
    "description": "What to run, and when.",
    "properties": {
        "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$"},
        "image": {"type": "string"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
    },
}
STATUS = {"type": "object", "properties": {"replicas": {"type": "integer"}}}


@pytest.fixture
def kubectl(server, namespace, tmp_path) -> Kubectl:
    return Kubectl(server.kubeconfig(), tmp_path, namespace)


def crontab(group: str, **spec: object) -> str:
    return json.dumps(
        {
            "apiVersion": f"{group}/v1",
            "kind": "CronTab",
            "metadata": {"name": "mine"},
            "spec": {"cronSpec": "* * * * */5", "image": "one", **spec},
        }
    )


def test_a_tutorial(kubectl, namespace):
    group = f"{namespace}.example.com"
    made = crd(
        group,
        {"properties": {"spec": SPEC, "status": STATUS}},
        kind="CronTab",
        subresources={
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
            },
        },
        additionalPrinterColumns=[
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
        ],
    )
    made["spec"]["names"] |= {"shortNames": ["ct"], "categories": ["all"]}
    name = f"crontabs.{group}"
    kubectl("apply", "-f", "-", text=json.dumps(made))
    kubectl("wait", "--for", "condition=Established", "--timeout=20s", f"crd/{name}")
    listed = kubectl("api-resources", "--api-group", group, "--no-headers").split()
    assert listed == ["crontabs", "ct", f"{group}/v1", "true", "CronTab"]

    created = kubectl("apply", "-f", "-", text=crontab(group))
    assert created == f"crontab.{group}/mine created\n"
    refused = kubectl.run("apply", "-f", "-", text=crontab(group, foo=1))
    assert 'strict decoding error: unknown field "spec.foo"' in refused.stderr
    refused = kubectl.run("apply", "-f", "-", text=crontab(group, cronSpec="x"))
    assert "spec.cronSpec in body should match" in refused.stderr
    assert kubectl("get", f"ct.{group}").splitlines()[1].split() == [
        *("mine", "*", "*", "*", "*", "*/5", "1"),
    ]
    assert f"crontab.{group}/mine" in kubectl("get", "all")
    assert "What to run, and when." in kubectl("explain", f"crontabs.{group}.spec")
    kubectl("scale", f"crontabs.{group}/mine", "--replicas=3")
    kubectl("patch", f"crontabs.{group}", "mine", "--type=merge", "-p", '{"spec":{"image":"two"}}')
    again = kubectl("apply", "-f", "-", text=crontab(group))
    assert again == f"crontab.{group}/mine configured\n"
    where = f"crontabs.{group}/mine"
    assert kubectl("get", where, "-o", "jsonpath={.spec.replicas} {.spec.image}") == "3 one"
    kubectl(
        "apply", "--server-side", "--force-conflicts", "-f", "-", text=crontab(group, image="x")
    )
    assert kubectl("get", where, "-o", "jsonpath={.spec.image}") == "x"
    kubectl("label", where, "a=b")
    assert kubectl("get", f"ct.{group}", "-l", "a=b", "-o", "name") == f"crontab.{group}/mine\n"
    assert "Spec:" in kubectl("describe", where)
    assert kubectl("auth", "can-i", "create", f"crontabs.{group}") == "yes\n"
    kubectl("delete", "crd", name, "--timeout=20s")
    assert kubectl.run("get", f"crontabs.{group}").returncode == 1
