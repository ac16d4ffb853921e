"""The scenarios that ship, played against real clusters: what they expect is what happens."""

import json
import sys
from pathlib import Path

import pytest
from clusters import Home, Lab

from podwire.scenario.run import SHIPPED

pytestmark = pytest.mark.cluster

PODWIRE = [sys.executable, "-m", "podwire"]
NAMES = sorted(path.stem for path in SHIPPED.glob("[!_]*.yaml"))


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
    result = json.loads(played.stdout)
    assert result["passed"]
    assert result["load"]["sent"] > 100
    assert not [one for one in result["moments"] if one["what"].startswith("not put back")]


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
