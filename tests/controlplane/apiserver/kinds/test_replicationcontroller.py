"""Upstream's TestValidateReplicationController and TestSetDefaultReplicationController… as rows."""

from __future__ import annotations

import pytest

KIND = "ReplicationController"
CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"app": "web"}, "template": TEMPLATE}


def test_selector_and_labels_are_the_template_s(made):
    controller = made(KIND, {"spec": {"template": TEMPLATE}})
    assert controller["spec"]["selector"] == {"app": "web"}
    assert controller["metadata"]["labels"] == {"app": "web"}
    assert (controller["spec"]["replicas"], controller["status"]) == (1, {"replicas": 0})
    own = made(KIND, {"metadata": {"labels": {"a": "b"}}, "spec": {**SPEC, "selector": {"c": "d"}}})
    assert (own["spec"]["selector"], own["metadata"]["labels"]) == ({"c": "d"}, {"a": "b"})


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (SPEC, []),
        ({"selector": {"app": "web"}}, ["spec.template: Required value"]),
        ({"template": {"spec": {"containers": [CONTAINER]}}}, ["spec.selector: Required value"]),
        ({**SPEC, "selector": {"app": "db"}},
         ['spec.template.metadata.labels: Invalid value: map[string]string{"app":"web"}: '
          "`selector` does not match template `labels`"]),
        ({**SPEC, "replicas": -1},
         ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({**SPEC, "template": {**TEMPLATE, "spec": {"containers": [CONTAINER],
                                                    "activeDeadlineSeconds": 9}}},
         ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
          "ReplicationController is not Supported"]),
    ],
)  # fmt: skip
def test_validation(wrong, spec, causes):
    assert wrong(KIND, {"spec": spec}) == causes


def test_row_and_scale(kind_of, made):
    row, controller = kind_of(KIND), made(KIND, {"spec": {**SPEC, "replicas": 2}})
    assert row.cells(controller, 1767323045) == (
        *("web", 2, 0, 0, "0s", "web", "nginx:1.27", "app=web"),
    )
    assert row.scale_selector(controller) == "app=web"
    assert row.fields(controller) == {"status.replicas": "0"}
    assert row.default_propagation == "Orphan"
