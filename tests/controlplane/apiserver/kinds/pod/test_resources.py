from __future__ import annotations

import pytest

AT = "spec.containers[0].resources"


@pytest.mark.parametrize(
    ("resources", "cause"),
    [
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1000m"}}, None),
        ({"requests": {"memory": "1Gi"}}, None),
        (
            {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}},
            f'{AT}.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            {"requests": {"example.com/gpu": "1"}},
            f"{AT}.limits: Required value: Limit must be set for non overcommitable resources",
        ),
        (
            {"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}},
            f'{AT}.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
        ),
        ({"limits": {"cpu": "lots"}}, f'{AT}.limits[cpu]: Invalid value: "lots"'),
        (
            {"limits": {"gpu": "1"}},
            f'{AT}.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully',
        ),
    ],
)
def test_requests_and_limits(wrong, resources, cause):
    container = {"name": "web", "image": "nginx:1", "resources": resources}
    causes = wrong("Pod", {"spec": {"containers": [container]}})
    if cause is None:
        assert causes == []
    else:
        assert causes[0].startswith(cause), causes
