"""Who waits for whom when a pod ends."""

from __future__ import annotations

import pytest

from nodeagent.kubelet.termination_order import waits_for


def pod(*inits):
    sidecars = [
        {"name": name.lower(), "restartPolicy": "Always"} if name.isupper() else {"name": name}
        for name in inits
    ]
    proper = [{"name": "x"}, {"name": "y"}]
    added = [{"name": "debugger"}]
    return {
        "spec": {"initContainers": sidecars, "containers": proper, "ephemeralContainers": added}
    }


@pytest.mark.parametrize(
    ("inits", "running", "order"),
    [
        ((), ["x", "y"], {"x": (), "y": ()}),
        (("A",), ["a", "x", "y"], {"x": (), "y": (), "a": ("x", "y")}),
        (("A", "B"), ["a", "b", "x"], {"x": (), "b": ("x",), "a": ("x", "b")}),
        (("A", "once", "B"), ["a", "b"], {"b": (), "a": ("b",)}),
        (("A", "once"), ["a", "once"], {"once": (), "a": ("once",)}),
        (("A", "B", "C"), ["a", "c"], {"c": (), "a": ("c",)}),
        (("A",), ["debugger", "a", "x"], {"debugger": (), "x": (), "a": ("x",)}),
        (("A",), [], {}),
    ],
)
def test_sidecars_end_last_in_reverse_order(inits, running, order):
    assert waits_for(pod(*inits), running) == order
