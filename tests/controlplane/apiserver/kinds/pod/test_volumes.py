from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("volumes", "mounts", "cause"),
    [
        ([{"name": "a"}], [{"name": "a", "mountPath": "/a"}], None),
        ([{"name": ""}], [], "spec.volumes[0].name: Required value"),
        ([{"name": "a"}, {"name": "a"}], [], 'spec.volumes[1].name: Duplicate value: "a"'),
        ([{"name": "A"}], [], 'spec.volumes[0].name: Invalid value: "A"'),
        (
            [{"name": "a", "emptyDir": {}, "secret": {"secretName": "b"}}],
            [],
            "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        ),
        ([{"name": "a", "configMap": {}}], [], "spec.volumes[0].configMap.name: Required value"),
        ([{"name": "a", "hostPath": {}}], [], "spec.volumes[0].hostPath.path: Required value"),
        (
            [{"name": "a"}],
            [{"name": "a"}],
            "spec.containers[0].volumeMounts[0].mountPath: Required value",
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a"}],
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        ),
        (
            [{"name": "a"}],
            [{"name": "a", "mountPath": "/a", "subPath": "../b"}],
            'spec.containers[0].volumeMounts[0].subPath: Invalid value: "../b"',
        ),
    ],
)
def test_volumes_and_mounts(wrong, volumes, mounts, cause):
    container = {"name": "web", "image": "nginx:1", "volumeMounts": mounts}
    causes = wrong("Pod", {"spec": {"containers": [container], "volumes": volumes}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)
