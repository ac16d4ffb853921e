"""Whether a scenario fits a cluster: enough of everything, and every name is one of it."""

from __future__ import annotations

from typing import Any, Final

from podwire.cluster import hosts
from podwire.cluster.layout import NODES_MAX, Cluster, Layout, UsageError
from podwire.launcher import client as launcher
from podwire.scenario import commands
from podwire.scenario.model import Needs, Scenario

_ADD: Final = ("node", "add")


async def check(scenario: Scenario, cluster: Cluster, paths: Layout) -> None:
    """Raise UsageError when *scenario* cannot be played against what runs of *cluster*."""
    status: dict[str, Any] = await launcher.call_async(paths, "status")
    _check_size(scenario, cluster, status, paths)
    given = [words for step in scenario.steps for words in step.commands]
    if any(words[:2] == _ADD for words in given):
        cluster = cluster.with_nodes(range(1, NODES_MAX + 1))  # Who knows how far it gets.
    processes = [row["name"] for row in status["processes"]]
    for words in given:
        try:
            commands.check_names(words, cluster, processes)
        except UsageError as error:
            raise UsageError(f"{' '.join(words)}: {error}") from None
    known = hosts.nodes(cluster)
    for expected in (one for step in scenario.steps for one in step.expected):
        if expected.node and expected.node not in known:
            raise UsageError(f"{expected.text}: there is no node {expected.node!r}")


def _check_size(
    scenario: Scenario, cluster: Cluster, status: dict[str, Any], paths: Layout
) -> None:
    wanted = scenario.needs
    nodes = len({row["node"] for row in status["processes"] if row.get("node")})
    planes = sum(row["role"] == "apiserver" for row in status["processes"])
    if nodes < wanted.nodes or planes < wanted.control_planes:
        raise UsageError(
            f"{scenario.name!r} needs {wanted.nodes} nodes and {wanted.control_planes} control "
            f"planes; cluster {cluster.name!r} has {nodes} and {planes}. "
            f"{_another(wanted)}"
        )


def _another(wanted: Needs) -> str:
    """Return how to get a cluster that fits, beside the one that does not."""
    planes = f" --control-planes {wanted.control_planes}" if wanted.control_planes > 1 else ""
    return f"Start one that fits: podwire up --name bigger --nodes {wanted.nodes}{planes}"
