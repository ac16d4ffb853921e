from __future__ import annotations

import pytest

CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}


def with_template(**spec):
    return {**SPEC, "template": {**TEMPLATE, "spec": {"containers": [CONTAINER], **spec}}}


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (SPEC, []),
        ({"template": TEMPLATE}, ["spec.selector: Required value"]),
        (
            {**SPEC, "selector": {"matchLabels": {"app": "db"}}},
            [
                "spec.template.metadata.labels: Invalid value: "
                'map[string]string{"app":"web"}: `selector` does not match template `labels`'
            ],
        ),
        (
            {**SPEC, "selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
            [
                "spec.selector.matchExpressions[0].values: Required value: "
                "must be specified when `operator` is 'In' or 'NotIn'"
            ],
        ),
        (
            with_template(restartPolicy="Never"),
            [
                'spec.template.spec.restartPolicy: Unsupported value: "Never": '
                'supported values: "Always"'
            ],
        ),
        (with_template(containers=[]), ["spec.template.spec.containers: Required value"]),
        (
            with_template(activeDeadlineSeconds=5),
            [
                "spec.template.spec.activeDeadlineSeconds: Forbidden: "
                "activeDeadlineSeconds in ReplicaSet is not Supported"
            ],
        ),
        (
            {**SPEC, "replicas": -1},
            ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ],
)
def test_validation(wrong, kind, spec, causes):
    assert wrong(kind, {"spec": spec}) == causes


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_an_empty_selector_is_refused(wrong, kind):
    [cause] = wrong(kind, {"spec": {**SPEC, "selector": {}}})
    assert cause.startswith("spec.selector: Invalid value: v1.LabelSelector{")
    assert "empty selector is invalid for" in cause


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_the_selector_is_for_good(made, update, kind):
    old = made(kind, {"spec": SPEC})
    template = {**TEMPLATE, "metadata": {"labels": {"app": "db"}}}
    other = {"selector": {"matchLabels": {"app": "db"}}, "template": template}
    assert update(kind, made(kind, {"spec": other}), old) == [
        "spec.selector: Invalid value: v1.LabelSelector{"
        'MatchLabels:map[string]string{"app":"db"}, '
        "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable"
    ]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_generation_grows_with_the_spec(made, update, kind):
    old = made(kind, {"spec": SPEC})
    assert old["metadata"]["generation"] == 1
    new = made(kind, {"spec": {**SPEC, "replicas": 3}})
    assert update(kind, new, old) == []
    assert new["metadata"]["generation"] == 2


def test_templates_get_a_pods_defaults_but_no_admission(made):
    spec = made("Deployment", {"spec": SPEC})["spec"]["template"]["spec"]
    assert spec["restartPolicy"] == "Always"
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert "tolerations" not in spec
    assert "serviceAccountName" not in spec


def test_scale_shows_the_selector_as_text(kind_of, made):
    assert kind_of("Deployment").scale_selector(made("Deployment", {"spec": SPEC})) == "app=web"
