"""`docker compose up` for real: a cluster of containers serves, and heals."""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("compose"),
    pytest.mark.timeout(240),
]


def test_the_hosts_kubectl_and_curl_reach_it(cluster: Project) -> None:
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600
    assert cluster.kubeconfig.stat().st_uid == cluster.folder.stat().st_uid
    wide = cluster.kubectl("get", "nodes", "-o", "wide")
    assert f"{cluster.network}.1 " in wide
    for node in cluster.nodes:
        assert cluster.hostname(node).startswith("web-")
    assert "HTTP server" in cluster.kubectl("logs", "deployment/web")


def test_everything_lies_in_etcd_under_familiar_keys(cluster: Project) -> None:
    keys = cluster.compose(
        "exec", "-T", "etcd", "etcdctl", "get", "--prefix", "--keys-only", "/registry"
    )
    assert "/registry/deployments/default/web" in keys.stdout.split()


def test_processes_have_no_privileges(cluster: Project) -> None:
    script = "id -u; grep -h -E 'CapPrm|CapBnd|NoNewPrivs' /proc/1/status; touch /x || true"
    ended = cluster.compose("exec", "-T", "node-1", "sh", "-c", script)
    none = "0000000000000000"
    assert ended.stdout.split() == ["10001", "CapPrm:", none, "CapBnd:", none, "NoNewPrivs:", "1"]
    assert "Read-only file system" in ended.stderr


def test_keys_are_for_nobody_else(cluster: Project) -> None:
    for service in ("etcd", "apiserver", "node-2"):
        container = cluster.compose("ps", "-q", service).stdout.strip()
        mounts = json.loads(cluster.docker("inspect", container).stdout)[0]["Mounts"]
        volumes = {mount["Destination"]: mount["RW"] for mount in mounts}
        assert volumes["/etc/podwire"] is (service == "etcd")  # Its data is there.
    modes = cluster.compose("exec", "-T", "node-2", "find", "/etc/podwire", "-perm", "/077")
    assert modes.stdout == ""


def test_a_second_up_changes_nothing(cluster: Project) -> None:
    kubeconfig = cluster.kubeconfig.read_bytes()
    before = set(cluster.compose("ps", "-q").stdout.split())
    cluster.compose("up", "--detach")
    assert set(cluster.compose("ps", "-q").stdout.split()) == before
    assert cluster.kubeconfig.read_bytes() == kubeconfig
    assert cluster.all_ready()


def test_a_killed_node_is_replaced_and_returns(cluster: Project) -> None:
    cluster.compose("kill", "node-2")
    cluster.until(lambda: not cluster.ready()["node-2"], within_s=15)
    cluster.until(lambda: sorted(set(cluster.running())) == ["node-1", "node-3"], within_s=30)
    cluster.until(lambda: len(cluster.running()) == 6, within_s=30)
    assert cluster.hostname("node-1").startswith("web-")
    assert cluster.compose("ps", "-q", "--status", "running", "node-2").stdout == ""
    cluster.compose("start", "node-2")
    cluster.until(cluster.all_ready, within_s=30)
    cluster.until(lambda: cluster.hostname("node-2").startswith("web-"), within_s=15)


def test_a_paused_node_is_missed_and_goes_on(cluster: Project) -> None:
    cluster.compose("pause", "node-3")
    cluster.until(lambda: not cluster.ready()["node-3"], within_s=15)
    cluster.compose("unpause", "node-3")
    cluster.until(cluster.all_ready, within_s=15)
    cluster.until(lambda: cluster.hostname("node-3").startswith("web-"), within_s=15)


def test_a_node_cut_off_heals_when_it_has_its_address_again(cluster: Project) -> None:
    network, container = f"{cluster.name}_underlay", f"{cluster.name}-node-1-1"
    cluster.docker("network", "disconnect", network, container)
    cluster.until(lambda: not cluster.ready()["node-1"], within_s=15)
    cluster.docker("network", "connect", "--ip", f"{cluster.network}.1", network, container)
    cluster.until(cluster.all_ready, within_s=30)
    cluster.until(lambda: cluster.hostname("node-1").startswith("web-"), within_s=15)


def test_loadgen_reports_and_keeps_its_exit_status(cluster: Project) -> None:
    up = ("--profile", "load", "up", "--exit-code-from", "loadgen", "loadgen")
    good = cluster.compose(*up, LOADGEN_DURATION="2s", LOADGEN_RATE="50", check=False)
    assert re.search(r"ok +100 +100 %", good.stdout), good.stdout + good.stderr
    # 0, unless this machine is too busy for a valid measurement.
    assert f"exited with code {good.returncode}" in good.stdout
    refused = f"http://{cluster.network}.1:30081/"
    bad = cluster.compose(*up, LOADGEN_DURATION="1s", LOADGEN_URL=refused, check=False)
    assert bad.returncode > 0
    assert f"exited with code {bad.returncode}" in bad.stdout
    assert "refused" in bad.stdout
    assert cluster.all_ready()  # Nothing else was stopped.


def test_the_clusters_own_commands_work_inside(cluster: Project) -> None:
    def podwire(*argv: str) -> str:
        return cluster.compose("exec", "-T", "node-2", "podwire", *argv).stdout

    assert f"{cluster.network}.0/24 dev eth0" in podwire("routes", "node-2")
    assert podwire("fdb", "node-2").count("dst 10.") == 2
    assert "scheduled on" in podwire("events")
