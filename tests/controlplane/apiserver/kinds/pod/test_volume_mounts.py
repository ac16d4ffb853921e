from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("mount", "cause"),
    [
        ({"subPathExpr": "$(POD)/x"}, None),
        (
            {"subPath": "/x"},
            'volumeMounts[0].subPath: Invalid value: "/x": must be a relative path',
        ),
        (
            {"subPathExpr": "a/../b"},
            "volumeMounts[0].subPathExpr: Invalid value: \"a/../b\": must not contain '..'",
        ),
        (
            {"subPath": "a", "subPathExpr": "b"},
            'volumeMounts[0].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually'
            " exclusive",
        ),
        ({"mountPropagation": "None"}, None),
        ({"mountPropagation": "HostToContainer"}, None),
        (
            {"mountPropagation": "Both"},
            'volumeMounts[0].mountPropagation: Unsupported value: "Both": supported values:'
            ' "Bidirectional", "HostToContainer", "None"',
        ),
        (
            {"mountPropagation": "Bidirectional"},
            "volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is"
            " available only to privileged containers",
        ),
        ({"recursiveReadOnly": "Disabled"}, None),
        ({"recursiveReadOnly": "Enabled", "readOnly": True}, None),
        (
            {"recursiveReadOnly": "IfPossible"},
            "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is"
            " true",
        ),
        (
            {
                "recursiveReadOnly": "Enabled",
                "readOnly": True,
                "mountPropagation": "HostToContainer",
            },
            "volumeMounts.recursiveReadOnly: Forbidden: may only be specified when"
            " mountPropagation is None or not specified",
        ),
        (
            {"recursiveReadOnly": "Yes"},
            'volumeMounts.recursiveReadOnly: Unsupported value: "Yes": supported values:'
            ' "Disabled", "Enabled", "IfPossible"',
        ),
    ],
)
def test_what_mounts_may_say(wrong, mount, cause):
    mounts = [{"name": "a", "mountPath": "/a", **mount}]
    container = {"name": "web", "image": "nginx:1", "volumeMounts": mounts}
    causes = wrong("Pod", {"spec": {"containers": [container], "volumes": [{"name": "a"}]}})
    assert causes == ([] if cause is None else [f"spec.containers[0].{cause}"])


def test_a_privileged_container_may_propagate_its_mounts(wrong):
    container = {
        "name": "web",
        "image": "nginx:1",
        "volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "Bidirectional"}],
        "securityContext": {"privileged": True},
    }
    assert wrong("Pod", {"spec": {"containers": [container], "volumes": [{"name": "a"}]}}) == []
