"""Three control planes over three etcd members: any one may die, and a lost quorum heals.

One cluster for the module; each test leaves it whole.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from clusters import EXAMPLES, Home, Lab

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("masters"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed"),
]

PORT = 30080
CONTAINER = {
    "name": "web",
    "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
    "args": ["netexec"],
}
ADDRESSES = {"192.168.64.251", "192.168.64.252", "192.168.64.253"}


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = Home(tmp_path_factory.mktemp("masters"))
    home.podwire("up", "--name", "masters", "--control-planes", "3")
    lab = Lab(home, "masters")
    lab.kubectl("apply", "-f", str(EXAMPLES / "web.yaml"))
    lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    yield lab
    home.stop_all()


def holder(lab: Lab, lease: str) -> str:
    """Return the process that leads by *lease*."""
    (found,) = lab.objects("lease", "-n", "kube-system", lease)
    return str(found["spec"]["holderIdentity"]).rsplit("_", 1)[0]


def etcd_leader(lab: Lab) -> str:
    """Return the leading member's process, as the real etcdctl tells it."""
    if shutil.which("etcdctl") is None:
        pytest.skip("etcdctl is not installed")
    done = lab.home.podwire(
        "etcdctl", "--name", lab.name, "endpoint", "status", "-w", "json", check=False
    )
    for entry in json.loads(done):
        status = entry["Status"]
        if status["leader"] == status["header"]["member_id"]:
            return f"etcd-{entry['Endpoint'].rsplit(':', 1)[0][-1]}"
    return pytest.fail("no etcd member leads")


def endpoints(lab: Lab) -> set[str]:
    (found,) = lab.objects("endpoints", "kubernetes")
    return {
        address["ip"]
        for subset in found.get("subsets") or []
        for address in subset.get("addresses") or []
    }


def not_ready(lab: Lab) -> list[str]:
    return [
        node["metadata"]["name"]
        for node in lab.objects("nodes")
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] != "True"
    ]


def write(lab: Lab, name: str, *options: str) -> str:
    """Create a ConfigMap; return what kubectl said."""
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return lab.kubectl(
        "create", "--validate=false", *options, "-f", "-",
        stdin=json.dumps(config_map), check=False,
    )  # fmt: skip


def deploy(lab: Lab, name: str) -> None:
    """Have a new deployment come up."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [CONTAINER]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
    lab.apply(json.dumps({**deployment, "spec": spec}))
    lab.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    lab.kubectl("delete", "deployment", name)


def test_one_of_each_dies_and_the_cluster_goes_on(masters: Lab) -> None:
    masters.eventually(lambda: endpoints(masters) == ADDRESSES)
    leaders = [holder(masters, "kube-scheduler"), holder(masters, "kube-controller-manager")]
    dead = ["apiserver-2", *leaders]
    for process in dead:
        masters.podwire(f"process kill {process}")
    deploy(masters, "without-leaders")
    assert holder(masters, "kube-scheduler") != leaders[0]
    assert holder(masters, "kube-controller-manager") != leaders[1]
    masters.eventually(lambda: endpoints(masters) == ADDRESSES - {"192.168.64.252"})
    assert not_ready(masters) == []
    for process in dead:
        masters.podwire(f"process start {process}")
    masters.eventually(lambda: endpoints(masters) == ADDRESSES)


def test_the_etcd_leader_dies_and_the_cluster_goes_on(masters: Lab) -> None:
    leader = etcd_leader(masters)
    masters.podwire(f"process kill {leader}")
    deploy(masters, "without-etcd-leader")
    assert not_ready(masters) == []
    masters.podwire(f"process start {leader}")
    masters.eventually(lambda: all_run(masters), what=f"{leader} runs again")
    assert masters.fetch(1, PORT, "/hostname")


def all_run(lab: Lab) -> bool:
    rows = json.loads(lab.podwire("status", "-o", "json"))
    return all(row["state"] == "running" for row in rows)


def test_a_lost_quorum_refuses_writes_and_heals_by_itself(masters: Lab) -> None:
    for member in ("etcd-1", "etcd-2"):
        masters.podwire(f"process kill {member}")
    began = time.monotonic()
    server = f"--server=https://{masters.cluster.transport_address(251)}:6443"
    said = write(masters, "refused", server)
    assert time.monotonic() - began < 30
    assert "created" not in said
    assert "quorum" in said
    assert masters.fetch(1, PORT, "/hostname"), "traffic goes on"
    for _ in range(3):  # The endpoint of all three says so, too: no master is ready, all live.
        assert "quorum" in write(masters, "refused")
    for member in ("etcd-1", "etcd-2"):
        masters.podwire(f"process start {member}")
    masters.eventually(
        lambda: "created" in write(masters, "heals"),
        within_s=40,
    )
    masters.eventually(lambda: not_ready(masters) == [], within_s=40)
    deploy(masters, "after-quorum")
    assert endpoints(masters) == ADDRESSES


def test_etcdctl_sees_a_familiar_tree(masters: Lab) -> None:
    if shutil.which("etcdctl") is None:
        pytest.skip("etcdctl is not installed")
    keys = masters.home.podwire(
        "etcdctl", "--name", masters.name, "get", "--prefix", "--keys-only", "/registry"
    )
    assert "/registry/deployments/default/web" in keys
