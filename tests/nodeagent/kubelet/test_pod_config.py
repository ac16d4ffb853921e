from pathlib import Path

import pytest

from nodeagent.kubelet.admission import admit
from nodeagent.kubelet.dns import ClusterDns
from nodeagent.kubelet.environment import NodeFields
from nodeagent.kubelet.pod_config import (
    ContainerInputs,
    container_config,
    sandbox_config,
)
from nodeagent.kubelet.pod_spec import container_hash, full_name, grace_period_s, pod_spec
from nodeagent.kubelet.references import Configuration
from nodeagent.kubelet.volumes.layout import Layout

DNS = ClusterDns(server="10.96.0.10", domain="cluster.local")


def pod(**spec) -> dict:
    metadata = {"name": "p", "namespace": "d", "uid": "u", "labels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"containers": [], **spec}}


def test_sandbox_can_be_recognised_later():
    config = sandbox_config(pod(hostname="h"), 3, {}, DNS, Path("/logs"))
    assert config["metadata"] == {"name": "p", "uid": "u", "namespace": "d", "attempt": 3}
    assert config["hostname"] == "h"
    assert config["labels"]["io.kubernetes.pod.uid"] == "u"
    assert config["linux"] == {"sysctls": {}}


def test_sandbox_has_the_pods_sysctls():
    sysctls = {"sysctls": [{"name": "net/ipv4/tcp_ecn", "value": "1"}]}
    config = sandbox_config(pod(securityContext=sysctls), 0, {}, DNS, Path("/"))
    assert config["linux"] == {"sysctls": {"net.ipv4.tcp_ecn": "1"}}


def test_sandbox_knows_its_addresses_by_name():
    network = {"address": "10.244.1.5/24", "address6": "fd00::5/64"}
    hosts = sandbox_config(pod(hostname="h"), 0, network, DNS, Path("/"))["hosts"]
    assert "10.244.1.5\th\nfd00::5\th\n" in hosts


def test_container_config(tmp_path):
    spec = pod(volumes=[{"name": "scratch", "emptyDir": {}}])
    container = {
        "name": "main",
        "image": "busybox",
        "command": ["echo"],
        "args": ["$(WHO)", "$(NOT)"],
        "env": [{"name": "WHO", "value": "me"}],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "subPathExpr": "$(WHO)"}],
    }
    inputs = ContainerInputs(
        configuration=Configuration(),
        services={},
        node=NodeFields({}),
        layout=Layout(tmp_path),
        log_directory=Path("/logs"),
    )
    config = container_config(spec, container, 2, inputs)
    assert (config["command"], config["args"]) == (["echo"], ["me", "$(NOT)"])
    work = f"{tmp_path}/kubelet/pods/u/volumes/kubernetes.io~empty-dir/scratch/me"
    assert config["mounts"] == [
        {"container_path": "/scratch", "host_path": work, "readonly": False}
    ]
    assert config["log_path"] == "/logs/main/2.log"
    assert config["annotations"]["io.kubernetes.container.restartCount"] == "2"
    assert config["annotations"]["io.kubernetes.container.hash"] == container_hash(container)
    bare = container_config(pod(), {"name": "main"}, 0, inputs)
    assert (bare["command"], bare["args"], bare["working_dir"]) == (None, None, None)


@pytest.mark.parametrize(
    ("limits", "quota", "octets"),
    [
        ({}, 0, 0),
        ({"cpu": "500m", "memory": "1Ki"}, 50_000, 1024),
        ({"cpu": "2"}, 200_000, 0),
        ({"cpu": "1m"}, 1_000, 0),  # MilliCPUToQuota: no less than a millisecond.
    ],
)
def test_limits_become_what_the_runtime_holds_containers_to(tmp_path, limits, quota, octets):
    inputs = ContainerInputs(
        configuration=Configuration(),
        services={},
        node=NodeFields({}),
        layout=Layout(tmp_path),
        log_directory=Path("/logs"),
    )
    container = {"name": "main", "resources": {"limits": limits}}
    found = container_config(pod(), container, 0, inputs)["linux"]["resources"]
    assert found == {"cpu_quota": quota, "memory_limit_in_bytes": octets}


def test_hash_follows_the_image_only():
    one = {"name": "a", "image": "x"}
    assert container_hash(one) == container_hash({**one, "env": [{"name": "B"}]})
    assert container_hash(one) != container_hash({**one, "image": "y"})


def test_grace_period_of_the_deletion_wins():
    assert grace_period_s(pod()) == 30
    assert grace_period_s(pod(terminationGracePeriodSeconds=0)) == 0
    deleted = pod(terminationGracePeriodSeconds=9)
    deleted["metadata"]["deletionGracePeriodSeconds"] = 1
    assert grace_period_s(deleted) == 1


def test_spec_and_name():
    sidecar = {"name": "s", "restartPolicy": "Always"}
    spec = pod_spec(pod(initContainers=[sidecar], restartPolicy="Never"))
    assert spec.init_containers[0].sidecar
    assert spec.restart_policy == "Never"
    assert full_name(pod()) == "p_d(u)"


def test_host_network_is_refused():
    assert admit(pod(), "192.168.64.1") is None
    assert admit(pod(hostNetwork=True), "192.168.64.1") is None
    assert admit(pod(hostNetwork=True), "fd00::1")[0] == "HostNetworkNotSupported"
