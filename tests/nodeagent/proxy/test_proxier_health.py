"""kube-proxy's own health: what balancers and probes are told."""

from __future__ import annotations

import json

import pytest

from nodeagent.proxy.proxier_health import ProxierHealth


class Clocks:
    now = 1000.0


def health(node=None, timeout_s=6.0):
    clocks = Clocks()
    made = ProxierHealth(
        timeout_s, lambda: node or {}, lambda: clocks.now, lambda: clocks.now + 1_700_000_000
    )
    return made, clocks


def status(made, path="/healthz"):
    return made.answer(path)[0]


def test_healthy_from_the_first_sync_and_until_a_change_waits_too_long():
    made, clocks = health()
    assert status(made) == status(made, "/livez") == 503
    made.updated()
    assert status(made) == 200
    clocks.now += 3600
    assert status(made) == 200
    made.queued()
    clocks.now += 6
    made.queued()
    assert status(made) == 200
    clocks.now += 1
    assert status(made) == status(made, "/livez") == 503
    made.updated()
    assert status(made) == 200


@pytest.mark.parametrize(
    "node",
    [
        {"metadata": {"name": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {
            "metadata": {"name": "n"},
            "spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]},
        },
    ],
    ids=["deleted", "scaled-down"],
)
def test_a_node_that_leaves_is_live_and_not_healthy(node):
    made, _ = health(node)
    made.updated()
    assert status(made) == 503
    assert status(made, "/livez") == 200
    assert json.loads(made.answer("/healthz")[2])["nodeEligible"] is False


def test_the_body_is_upstreams():
    made, _ = health({"metadata": {"name": "n"}, "spec": {"taints": [{"key": "other"}]}})
    made.updated()
    _, headers, body = made.answer("/healthz")
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {
        "lastUpdated": "2023-11-14T22:30:00Z",
        "currentTime": "2023-11-14T22:30:00Z",
        "nodeEligible": True,
    }
    assert "nodeEligible" not in json.loads(made.answer("/livez")[2])
    assert status(made, "/metrics") == 404
