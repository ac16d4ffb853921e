"""The scenarios that ship, played against real clusters: what they expect is what happens."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clusters import Home, Lab

from podwire.scenario.run import SHIPPED

pytestmark = pytest.mark.cluster

PODWIRE = [sys.executable, "-m", "podwire"]
MASTERS = "three-masters"  # Wants a cluster of its own.
NAMES = sorted(path.stem for path in SHIPPED.glob("[!_]*.yaml") if path.stem != MASTERS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(f"scenarios-{number % 2}"))
        for number, name in enumerate(NAMES)
    ],
)
@pytest.mark.timeout(180)
def test_a_shipped_scenario_holds(lab: Lab, name: str) -> None:
    played = lab.home.run(
        [*PODWIRE, "scenario", "run", name, "--name", lab.name, "-o", "json"], timeout_s=150
    )

    assert played.returncode == 0, played.stderr
    check(json.loads(played.stdout))


def check(result: dict[str, Any]) -> None:
    assert result["passed"]
    assert result["load"]["sent"] > 100
    assert not [one for one in result["moments"] if one["what"].startswith("not put back")]


@pytest.mark.timeout(180)
def test_the_one_with_three_masters_brings_its_cluster(home: Home) -> None:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")

    played = home.run([*PODWIRE, "scenario", "run", MASTERS, "--up", "-o", "json"], 170)

    assert played.returncode == 0, played.stderr
    check(json.loads(played.stdout))
    assert not home.paths().directory.exists()


REPLAYED = """
name: replayed
steps:
  - at: 100ms
    repeat: {times: 6, every: 100ms}
    pick: {any: [scheduler, controller-manager, fabric], node: [node-2, node-3]}
    do: [process pause $any, process resume $any, node cordon $node]
"""


@pytest.mark.xdist_group("scenarios-0")
def test_the_same_seed_does_the_same_and_all_is_put_back(lab: Lab, tmp_path: Path) -> None:
    scenario = tmp_path / "replayed.yaml"
    scenario.write_text(REPLAYED)
    lab.podwire("fault link node-1 node-2 --delay 1ms --one-way")

    def done(seed: int) -> list[str]:
        words = ("scenario run", str(scenario), "--seed", str(seed), "-o", "json")
        moments = json.loads(lab.podwire(*words))["moments"]
        assert not [one for one in moments if one["what"].startswith("not put back")]
        return [one["what"] for one in moments]

    first = done(7)
    try:
        assert done(7) == first
        assert done(8) != first
        assert "SchedulingDisabled" not in lab.podwire("get nodes")
        assert [rule["delay_s"] for rule in json.loads(lab.podwire("fault list -o json"))] == [
            0.001
        ]
    finally:
        lab.podwire("fault heal")


@pytest.mark.xdist_group("scenarios-0")
def test_ctrl_c_puts_everything_back(lab: Lab) -> None:
    words = [*PODWIRE, "scenario", "run", "split-network", "--name", lab.name]
    with subprocess.Popen(
        words, env=lab.home.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as playing:
        assert playing.stdout is not None
        assert any("fault partition" in line for line in playing.stdout)
        lab.eventually(lambda: json.loads(lab.podwire("fault list -o json")))
        playing.send_signal(signal.SIGINT)
        said, complaint = playing.communicate(timeout=30)

    assert playing.returncode == 130
    assert "everything is put back" in said
    assert "Traceback" not in complaint
    assert json.loads(lab.podwire("fault list -o json")) == []
    lab.eventually(lambda: "web" not in lab.podwire("get deployments"))


@pytest.mark.xdist_group("scenarios-0")
@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("do: [node kill node-9]", "there is no node-9; the nodes are"),
        ("do: [process kill apiserver-7]", "there is no process apiserver-7"),
        ("do: [fault partition node-1 etcd-1]", "there is no host 'etcd-1'"),
        ("expect: [node-9 Ready within 1s]", "there is no node 'node-9'"),
    ],
)
def test_names_that_are_not_there_are_found_before_the_first_step(
    step: str, says: str, lab: Lab, tmp_path: Path
) -> None:
    scenario = tmp_path / "unknown.yaml"
    scenario.write_text(
        f"{{name: x, steps: [{{at: 0s, do: [node cordon node-1]}}, {{at: 1s, {step}}}]}}"
    )

    said = lab.home.refused("scenario", "run", str(scenario), "--name", lab.name)

    assert says in said
    assert "SchedulingDisabled" not in lab.podwire("get nodes")


@pytest.mark.xdist_group("scenarios-0")
def test_an_expectation_that_fails_is_exit_status_1(lab: Lab, tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text("{name: wrong, steps: [{at: 0s, expect: [node-1 NotReady within 200ms]}]}")

    played = lab.home.run([*PODWIRE, "scenario", "run", str(scenario), "--name", lab.name])

    assert played.returncode == 1, played.stderr
    assert "node-1 is Ready" in played.stdout


@pytest.mark.xdist_group("scenarios-0")
def test_a_scenario_that_needs_more_is_refused(lab: Lab, tmp_path: Path) -> None:
    scenario = tmp_path / "big.yaml"
    scenario.write_text(
        "{name: big, needs: {nodes: 40}, steps: [{at: 0s, expect: [every node Ready within 1s]}]}"
    )

    said = lab.home.refused("scenario", "run", str(scenario), "--name", lab.name)

    assert "needs 40 nodes" in said


def test_without_a_cluster_it_says_how_to_start_one(home: Home) -> None:
    assert "podwire up" in home.refused("scenario", "run", "node-kill")
