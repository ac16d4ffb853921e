"""The columns of a Scale."""

from __future__ import annotations

from controlplane.apiserver.kinds.scale import SCALE


def test_columns():
    assert SCALE.cells is not None
    scale = {
        "metadata": {"name": "web", "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "app=web"},
    }
    assert [column.name for column in SCALE.columns] == ["Name", "Desired", "Available", "Age"]
    assert list(SCALE.cells(scale, 61.0)) == ["web", 3, 2, "61s"]
