from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.pod.qos import qos_class

FULL = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}
LESS = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"limits": {"example.com/gpu": "1"}}], "BestEffort"),
        ([FULL], "Guaranteed"),
        ([{"limits": FULL["limits"]}], "Guaranteed"),
        ([FULL, {}], "Burstable"),
        ([LESS], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_classes(resources, expected):
    containers = [{"name": str(n), "resources": item} for n, item in enumerate(resources)]
    assert qos_class({"containers": containers}) == expected


def test_init_containers_count():
    init = [{"name": "a", "resources": {"requests": {"memory": "1Mi"}}}]
    assert qos_class({"containers": [{"name": "b"}], "initContainers": init}) == "Burstable"
