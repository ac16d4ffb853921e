"""Crashes are normal: any process may be killed, and nothing that was promised is lost."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
from typing import Any

import psutil
import pytest
from clusters import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("crashes")]

PORT = 30080


def pods(lab: Lab) -> list[dict[str, Any]]:
    return lab.objects("pods", "-l", "app=web")


def ready_pods(lab: Lab) -> list[dict[str, Any]]:
    def ready(pod: dict[str, Any]) -> bool:
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]

    return [pod for pod in pods(lab) if ready(pod)]


def kill(lab: Lab, process: str) -> int:
    """SIGKILL a process behind the launcher's back; wait until it was started again."""
    pid = lab.pid(process)
    os.kill(pid, signal.SIGKILL)
    lab.eventually(lambda: lab.pid(process) not in (None, pid), what=f"{process} restarted")
    return pid


class Traffic:
    """Requests to one NodePort, one after another, until stopped."""

    def __init__(self, lab: Lab, node: int) -> None:
        self.answers = 0
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drive, args=(lab, node))

    def _drive(self, lab: Lab, node: int) -> None:
        while not self._stop.is_set():
            try:
                lab.fetch(node, PORT, "/hostname")
                self.answers += 1
            except (OSError, urllib.error.URLError) as error:
                self.errors.append(str(error))

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def test_the_api_server_loses_nothing_it_acknowledged(web: Lab) -> None:
    acknowledged = []
    for number in range(5):
        web.kubectl("annotate", "deployment/web", f"test.podwire.dev/n{number}=yes")
        acknowledged.append(f"test.podwire.dev/n{number}")
    kill(web, "apiserver")
    web.eventually(lambda: "web" in web.kubectl("get", "deploy", check=False), what="API back")
    annotations = web.objects("deployment/web")[0]["metadata"]["annotations"]
    assert set(acknowledged) <= set(annotations)
    # Every component carries on: a change goes all the way to the wire.
    web.kubectl("scale", "deployment/web", "--replicas=7")
    web.eventually(lambda: len(ready_pods(web)) == 7, what="scaled after the restart")
    web.kubectl("scale", "deployment/web", "--replicas=6")
    web.eventually(lambda: len(pods(web)) == 6)


def test_a_nodeagent_comes_back_and_adopts_its_pods_under_traffic(web: Lab) -> None:
    before = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    with Traffic(web, 1) as traffic:
        for node in (1, 2, 3):
            kill(web, f"node-{node}/nodeagent")
        at_restart = traffic.answers
        web.eventually(lambda: traffic.answers > at_restart + 50)
    assert traffic.errors == []
    after = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    assert {u: s["containerID"] for u, s in after.items()} == {
        u: s["containerID"] for u, s in before.items()
    }
    assert all(status["restartCount"] == 0 for status in after.values())


def test_a_killed_pod_process_is_restarted_and_counted(web: Lab) -> None:
    victim = next(pod for pod in pods(web) if pod["spec"]["nodeName"] == "node-1")
    name = victim["metadata"]["name"]
    before = victim["status"]["containerStatuses"][0]["restartCount"]
    os.kill(pod_pid(web, name), signal.SIGKILL)

    def restarted() -> bool:
        status = web.objects(f"pod/{name}")[0]["status"]["containerStatuses"][0]
        return status["restartCount"] == before + 1 and status["ready"]

    web.eventually(restarted, what="restartCount + 1 and ready")
    assert name in web.kubectl("get", "pods")


def pod_pid(lab: Lab, name: str) -> int:
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        if title.startswith("podwire: pod") and name in title:
            return int(process.pid)
    return pytest.fail(f"no process of pod {name}")


@pytest.mark.parametrize("process", ["scheduler", "controller-manager"])
def test_the_control_plane_restarts_and_goes_on(web: Lab, process: str) -> None:
    kill(web, process)
    victim = pods(web)[0]["metadata"]["name"]
    web.kubectl("delete", "pod", victim, "--wait=false")
    web.eventually(
        lambda: (
            len(ready_pods(web)) == 6
            and victim not in {pod["metadata"]["name"] for pod in pods(web)}
        ),
        what="a replacement",
    )


def test_a_killed_datapath_is_told_everything_again(web: Lab) -> None:
    kill(web, "node-2/datapath")
    web.eventually(lambda: web.fetch(2, PORT, "/hostname", timeout_s=2), what="NodePort back")
    target = next(p for p in pods(web) if p["spec"]["nodeName"] == "node-2")["metadata"]["name"]
    web.eventually(
        lambda: " 0% packet loss" in web.podwire("ping", "node-1", target, "-c", "1", check=False),
        what="pods connected again",
    )


def test_a_killed_podruntime_finds_its_pods_again(web: Lab) -> None:
    before = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    with Traffic(web, 1) as traffic:
        kill(web, "node-1/podruntime")
        at_restart = traffic.answers
        web.eventually(lambda: traffic.answers > at_restart + 20)
    assert traffic.errors == []
    time_to_look_s = 2.0
    until = time.monotonic() + time_to_look_s
    while time.monotonic() < until:
        after = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
        assert {u: s["containerID"] for u, s in after.items()} == {
            u: s["containerID"] for u, s in before.items()
        }


def test_a_killed_zygote_of_the_launcher_is_replaced(web: Lab) -> None:
    zygote = web.pid("launcher zygote")
    os.kill(zygote, signal.SIGKILL)

    def replaced() -> bool:
        rows = json.loads(web.podwire("status", "-o", "json"))
        return any(row["name"] == "launcher zygote" and row["pid"] != zygote for row in rows)

    web.eventually(replaced, what="another zygote")
    kill(web, "scheduler")  # A child of the dead zygote: its end is noticed all the same.
    kill(web, "scheduler")  # And one of the new.


def test_a_killed_zygote_of_pods_costs_no_pod(web: Lab) -> None:
    before = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    runtime, zygote = web.pid("node-2/podruntime"), web.pid("node-2 zygote")
    os.kill(zygote, signal.SIGKILL)
    web.eventually(lambda: web.pid("node-2/podruntime") not in (None, runtime))
    victim = next(pod for pod in pods(web) if pod["spec"]["nodeName"] == "node-2")
    name, uid = victim["metadata"]["name"], victim["metadata"]["uid"]
    os.kill(pod_pid(web, name), signal.SIGKILL)  # Nobody's child any more; noticed all the same.

    def restarted() -> bool:
        status = web.objects(f"pod/{name}")[0]["status"]["containerStatuses"][0]
        return status["restartCount"] == before[uid]["restartCount"] + 1 and status["ready"]

    web.eventually(restarted, what="restartCount + 1 and ready")
    after = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    others = set(before) - {uid}
    assert {u: after[u]["containerID"] for u in others} == {
        u: before[u]["containerID"] for u in others
    }


def test_nodeagent_and_podruntime_may_die_together(web: Lab) -> None:
    before = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    processes = ["node-3/nodeagent", "node-3/podruntime"]
    pids = [web.pid(process) for process in processes]
    with Traffic(web, 1) as traffic:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for process, pid in zip(processes, pids, strict=True):
            web.eventually(lambda p=process, old=pid: web.pid(p) not in (None, old))
        at_restart = traffic.answers
        web.eventually(lambda: traffic.answers > at_restart + 20)
    assert traffic.errors == []
    web.eventually(lambda: len(ready_pods(web)) == 6)
    after = {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0] for pod in pods(web)}
    assert {u: s["containerID"] for u, s in after.items()} == {
        u: s["containerID"] for u, s in before.items()
    }


def test_a_node_may_be_started_as_soon_as_it_was_killed(web: Lab) -> None:
    for _ in range(3):
        web.podwire("node kill", "node-3")
        web.podwire("node start", "node-3")
    web.eventually(lambda: len(ready_pods(web)) == 6, what="its pods run again")
    web.eventually(lambda: web.fetch(3, PORT, "/hostname", timeout_s=2), what="NodePort back")
