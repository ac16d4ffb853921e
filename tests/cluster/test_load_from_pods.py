"""`loadgen run --from pods`: the load comes from inside, and nothing of it stays behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import Lab, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("load-from-pods")]

LABEL = "loadgen.podwire/run"


def start(web: Lab, url: str, options: str = "") -> subprocess.Popen[str]:
    words = ["run", url, "--from", "pods", "--cluster", "none", *options.split()]
    return subprocess.Popen(
        [sys.executable, "-m", "loadgen", *words],
        env=web.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def service(web: Lab) -> str:
    (found,) = web.objects("service", "web")
    return f"http://{found['spec']['clusterIP']}/hostname"


def workers(web: Lab) -> list[str]:
    return [pod["metadata"]["name"] for pod in web.objects("pods", "-l", LABEL)]


def test_workers_on_every_node_reach_a_cluster_address_as_one_generator(
    web: Lab, tmp_path: Path
) -> None:
    file = tmp_path / "run.jsonl"
    options = f"--workers 3 --rate 60 --duration 3s --fresh -o json -w {file}"
    process = start(web, service(web), options)
    nodes: dict[str, None] = {}
    while process.poll() is None:
        for pod in web.objects("pods", "-l", LABEL):
            nodes[pod["spec"].get("nodeName", "")] = None
    stdout, stderr = process.communicate(timeout=10)
    report = json.loads(stdout)
    print(stderr, report["latency_s"])
    assert process.returncode in (0, 4)  # A busy machine may make the run INVALID.
    assert {"node-1", "node-2", "node-3"} <= nodes.keys()
    assert 180 <= report["sent"] == report["ok"] <= 183
    assert len(report["backends"]) == 6
    assert sum(second["sent"] for second in report["series"]) == report["sent"]
    assert len(report["series"]) == 3
    assert workers(web) == []
    shown = subprocess.run(
        [sys.executable, "-m", "loadgen", "report", file], env=web.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"{report['sent']} " in shown.stdout


def test_ctrl_c_reports_what_was_done_and_deletes_the_pods(web: Lab) -> None:
    process = start(web, service(web), "--workers 2 --rate 20 --duration 10m -o json")
    eventually(lambda: _has_begun(web), within_s=30, what="the first second")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=30)
    report = json.loads(stdout)
    assert report["stopped"]
    assert report["ok"] > 0
    assert workers(web) == []


def _has_begun(web: Lab) -> bool:
    """Tell whether a worker has written its first second."""
    names = workers(web)
    return bool(names) and '"second"' in web.kubectl("logs", names[0], check=False)


def test_what_a_killed_run_left_is_named_and_deleted_by_the_next(web: Lab) -> None:
    process = start(web, service(web), "--workers 2 --duration 10m")
    left = eventually(lambda: names if len(names := workers(web)) == 2 else None, within_s=30)
    process.kill()
    process.communicate(timeout=10)
    following = start(web, service(web), "--workers 1 --rate 5 --duration 1s")
    _, stderr = following.communicate(timeout=60)
    for name in left:
        assert f"deleting {name}, left over by a run that was killed" in stderr
    assert workers(web) == []


def test_a_name_that_no_pod_can_resolve_is_refused_with_the_address_to_use(web: Lab) -> None:
    process = start(web, "http://web.default/hostname")
    _, stderr = process.communicate(timeout=30)
    if "has no DNS" not in stderr:
        pytest.skip("this cluster has DNS")
    assert process.returncode == 2
    assert f"has the ClusterIP {service(web).split('/')[2]}" in stderr
