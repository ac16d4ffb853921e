"""A scheduler as its user configures it: two profiles, a plugin of one's own, and why."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from clusters import Home, Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("scheduler")]

PLUGIN = """
from controlplane.scheduler.framework.interface import Rejection


class Owner:
    name = "Owner"

    def __init__(self, config, handle):
        self.label = config["label"]

    def filter(self, state, pod, node):
        wanted = pod.labels[self.label]
        return None if node.name == wanted else Rejection((f"node(s) are not {wanted}'s [owner]",))

    def score(self, state, pod, node):
        return 42
"""
CONFIG = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: owned
  plugins: {multiPoint: {enabled: [{name: "owner:Owner"}]}}
  pluginConfig: [{name: "owner:Owner", args: {label: owner}}]
"""
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: free}
spec: {containers: [{name: c, image: pause}]}
---
apiVersion: v1
kind: Pod
metadata: {name: mine, labels: {owner: node-2}}
spec: {schedulerName: owned, containers: [{name: c, image: pause}]}
---
apiVersion: v1
kind: Pod
metadata: {name: nobodys, labels: {owner: bob}}
spec: {schedulerName: owned, containers: [{name: c, image: pause}]}
---
apiVersion: v1
kind: Pod
metadata: {name: without}
spec: {schedulerName: owned, containers: [{name: c, image: pause}]}
"""


def explained(lab: Lab, pod: str, expected: str) -> list[str]:
    """Return the lines of `podwire explain pod` as soon as they begin as *expected*."""
    lines: list[str] = []

    def told() -> bool:
        said = lab.podwire("explain pod", pod, check=False)
        lines[:] = [" ".join(line.split()) for line in said.splitlines()]
        return bool(lines) and re.fullmatch(expected, lines[0]) is not None

    lab.eventually(told, what=expected)
    return lines[1:]


def test_a_plugin_of_ones_own_decides_and_is_explained(home: Home, tmp_path: Path) -> None:
    config = tmp_path / "scheduler.yaml"
    config.write_text(CONFIG)
    wrong = home.refused("up", "--scheduler-config", str(config))
    assert "owner:Owner: ModuleNotFoundError: No module named 'owner'" in wrong
    (tmp_path / "owner.py").write_text(PLUGIN)
    path = [str(tmp_path), home.environment["PYTHONPATH"]]
    home.environment["PYTHONPATH"] = os.pathsep.join(path)
    home.podwire("up", "--nodes", "2", "--scheduler-config", str(config))
    lab = Lab(home, "podwire")
    lab.apply(PODS)

    by = r"\(attempt \d+, \S+, by owned\)"
    rows = explained(lab, "mine", rf"default/mine was given node-2 {by}\.")
    assert rows == [
        "NODE TOTAL",
        "node-2 only one",
        "NODE REFUSED BY BECAUSE",
        "node-1 Owner node(s) are not node-2's [owner]",
    ]
    message = (
        r"0/2 nodes are available: 2 node\(s\) are not bob's \[owner\]\. preemption: 0/2 nodes "
        r"are available: 2 Preemption is not helpful for scheduling\."
    )
    rows = explained(lab, "default/nobodys", rf"default/nobodys waits {by}: {message}")
    assert [row.split(" ", 2)[:2] for row in rows[1:]] == [["node-1", "Owner"], ["node-2", "Owner"]]

    # The plugin looks for a label that the pod has not: that is the pod's trouble alone.
    failure = "running Filter plugin \"Owner\": KeyError: 'owner'"
    explained(lab, "without", rf"default/without waits {by}: {re.escape(failure)}")
    told = lab.eventually(
        lambda: lab.kubectl(
            "get", "events", "--field-selector", "involvedObject.name=without", "-o", "name"
        )
    )
    assert told
    described = lab.kubectl("describe", "pod", "without")
    assert "FailedScheduling" in described
    assert failure in described
    lab.kubectl("label", "pod", "without", "owner=node-1")
    lab.kubectl("wait", "--for=condition=Ready", "pod/without", "pod/mine", "--timeout=60s")

    (decision,) = [json.loads(lab.podwire("explain pod", "free", "-o", "json"))]
    assert decision["scheduler"] == "default-scheduler"
    assert {row["node"] for row in decision["scored"]} == {"node-1", "node-2"}
    assert not any("Owner" in row["plugins"] for row in decision["scored"])
