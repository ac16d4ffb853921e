"""A node dies under load: the cluster's own notes tell every link, and whose timer each gap was."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clusters import EXAMPLES, Lab

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("timeline")]

REPLICAS = 6
TOLERATION_S = 2
#: Every link of a failover, as it follows from the one before it; proxies are many.
CAUSES = {
    "not-ready": "last-heartbeat",
    "tainted": "not-ready",
    "endpoints-removed": "not-ready",
    "programmed": "endpoints-removed",
    "evicted": "tainted",
    "pod-created": "evicted",
    "scheduled": "pod-created",
    "pod-started": "scheduled",
    "pod-ready": "pod-started",
    "endpoint-added": "pod-ready",
    "programmed-new": "endpoint-added",
    "first-served": "endpoint-added",
}
#: Busy machines write later than timers fire.
SLACK_S = 1.5


def events(lab: Lab, *words: str) -> Any:
    return json.loads(lab.podwire("events", *words, "-o", "json"))


def ready_pods(lab: Lab) -> int:
    return len({note["subject"] for note in events(lab, "--what", "pod-ready")})


@pytest.fixture(scope="module")
def failover(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The explanation of a kill of node-2, with pods on it and a few requests a second."""
    manifest = (EXAMPLES / "web.yaml").read_text()
    quick: Path = tmp_path_factory.mktemp("timeline") / "web.yaml"
    quick.write_text(
        manifest.replace("tolerationSeconds: 10", f"tolerationSeconds: {TOLERATION_S}")
    )
    lab.podwire("apply", "-f", str(quick))
    lab.eventually(lambda: ready_pods(lab) >= REPLICAS, what="pods Ready")
    url = lab.url(1, 30080, "/hostname")
    words = ["run", url, "--rate", "20", "--duration", "60s", "--timeout", "1s", "--fresh"]
    with subprocess.Popen(
        [sys.executable, "-m", "loadgen", *words, "--allow-invalid"],
        env=lab.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as load:
        try:
            lab.eventually(
                lambda: len(events(lab, "--what", "backend-served")) >= REPLICAS, what="load"
            )
            lab.podwire("node kill", "node-2")
            lab.eventually(lambda: is_over(lab), what="recovery", within_s=40)
        finally:
            load.send_signal(signal.SIGINT)
            load.wait(timeout=20)
    told: dict[str, Any] = events(lab, "--explain")
    return told


def is_over(lab: Lab) -> bool:
    told = events(lab, "--explain")
    steps = [step["step"] for step in told["steps"]]
    return "first-served" in steps and "last-failure" in steps


def test_every_link_is_named_after_its_cause(failover: dict[str, Any]) -> None:
    steps = failover["steps"]
    assert failover["missing"] == []
    assert failover["incident"]["subject"] == "node-2"
    names = [step["step"] for step in steps]
    assert {"killed", "last-heartbeat", "last-failure", *CAUSES} <= set(names)
    for effect, cause in CAUSES.items():
        assert names.index(cause) < names.index(effect), (cause, effect)
    programmed = [step["node"] for step in steps if step["step"] == "programmed"]
    assert sorted(programmed) == ["node-1", "node-3"]


def test_the_gaps_sum_up_to_the_whole(failover: dict[str, Any]) -> None:
    steps = failover["steps"]
    assert sum(step["gap_s"] for step in steps) == pytest.approx(failover["whole_s"])
    assert all(step["gap_s"] >= 0 for step in steps)
    for before, after in itertools.pairwise(steps):
        assert after["after_s"] - before["after_s"] == pytest.approx(after["gap_s"], abs=1e-6)


def test_the_timers_explain_what_took_long(failover: dict[str, Any]) -> None:
    steps = {step["step"]: step for step in failover["steps"]}
    grace, period = steps["not-ready"]["timers"]
    assert (grace["name"], grace["setting_s"], grace["upstream_default_s"]) == (
        "--node-monitor-grace-period", 5, 50,
    )  # fmt: skip
    waited_s = steps["not-ready"]["waited_s"]
    assert grace["setting_s"] <= waited_s <= grace["setting_s"] + period["setting_s"] + SLACK_S
    assert steps["evicted"]["timers"][0]["setting_s"] == TOLERATION_S
    assert TOLERATION_S <= steps["evicted"]["waited_s"] <= TOLERATION_S + SLACK_S
    # The last request failed when the endpoints had left, or had not been answered just before.
    assert steps["last-failure"]["after_s"] <= steps["programmed"]["after_s"] + SLACK_S


def test_latency_is_measured_on_every_living_node(lab: Lab, failover: dict[str, Any]) -> None:
    assert failover["steps"]
    rows = {row["node"]: row for row in events(lab, "--programming")}
    for node in ("node-1", "node-3"):
        assert rows[node]["from_trigger"]["n"] > 0
        assert 0 < rows[node]["from_trigger"]["p50_s"] < 5
        assert rows[node]["from_write"]["n"] >= rows[node]["from_trigger"]["n"]


def test_people_read_it_in_a_few_lines(lab: Lab, failover: dict[str, Any]) -> None:
    assert failover["steps"]
    lines = lab.podwire("events", "--since", "10m").splitlines()
    every = lab.podwire("events", "--since", "10m", "--all").splitlines()
    assert len(lines) < len(every)
    assert any("node-2 killed" in line and "+0.000 s" in line for line in lines)
    assert any("pods evicted from node-2" in line for line in lines)
    assert "programmed" in lab.podwire("events --explain")
