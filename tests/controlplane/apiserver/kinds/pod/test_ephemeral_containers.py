"""What may be added to a running pod, and what may not."""

from __future__ import annotations

import copy

import pytest

BODY = {
    "spec": {
        "initContainers": [{"name": "prepare", "image": "i"}],
        "containers": [{"name": "web", "image": "i"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }
}
DEBUGGER = {"name": "debugger", "image": "busybox"}


def with_ephemeral(pod, *containers):
    new = copy.deepcopy(pod)
    new["spec"]["ephemeralContainers"] = [dict(each) for each in containers]
    return new


@pytest.fixture
def add(kind_of):
    """Return a function that updates by the subresource, and tells what is wrong."""
    row = kind_of("Pod")

    def apply(new, old):
        strategy = row.strategies["ephemeralcontainers"]
        row.default(new)
        strategy.prepare(new, old)
        return [str(cause) for cause in (*row.validate(new), *strategy.validate(new, old))]

    return apply


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({}, []),
        ({"targetContainerName": "web"}, []),
        ({"targetContainerName": "prepare"}, []),
        ({"targetContainerName": "no"}, ['[0].targetContainerName: Not found: "no"']),
        ({"targetContainerName": "debugger"}, ['[0].targetContainerName: Not found: "debugger"']),
        ({"name": "web"}, ['[0].name: Duplicate value: "web"']),
        ({"name": "Web"}, ["[0].name: Invalid value"]),
        ({"image": ""}, ["[0].image: Required value"]),
        ({"ports": [{"containerPort": 1}]}, ["[0].ports: Forbidden"]),
        ({"resources": {"limits": {"cpu": "1"}}}, ["[0].resources: Forbidden"]),
        ({"restartPolicy": "Always"}, ["[0].restartPolicy: Forbidden"]),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, ["[0].lifecycle: Forbidden"]),
        ({"readinessProbe": {"exec": {"command": ["x"]}}}, ["[0].readinessProbe: Forbidden"]),
        ({"volumeMounts": [{"name": "data", "mountPath": "/d"}]}, []),
        (
            {"volumeMounts": [{"name": "data", "mountPath": "/d", "subPath": "a"}]},
            ["[0].volumeMounts[0].subPath: Forbidden"],
        ),
        (
            {"volumeMounts": [{"name": "data", "mountPath": "/d", "subPathExpr": "$(A)"}]},
            ["[0].volumeMounts[0].subPathExpr: Forbidden"],
        ),
        (
            {"volumeMounts": [{"name": "no", "mountPath": "/d"}]},
            ["[0].volumeMounts[0].name: Not found"],
        ),
    ],
)
def test_what_they_may_have(made, add, more, wrong):
    old = made("Pod", BODY)
    causes = add(with_ephemeral(old, {**DEBUGGER, **more}), old)
    assert len(causes) == len(wrong)
    for cause, expected in zip(causes, wrong, strict=True):
        assert cause.startswith(f"spec.ephemeralContainers{expected}")


def test_a_new_one_gets_a_containers_defaults_and_nothing_else_changes(made, add):
    old = made("Pod", BODY)
    new = with_ephemeral(old, DEBUGGER)
    new["spec"]["containers"][0]["image"] = "other"
    new["metadata"]["labels"] = {"a": "b"}
    assert add(new, old) == []
    (added,) = new["spec"].pop("ephemeralContainers")
    assert added["imagePullPolicy"] == "Always"
    assert added["terminationMessagePolicy"] == "File"
    assert new == old


@pytest.mark.parametrize(
    ("containers", "wrong"),
    [
        ([DEBUGGER, {**DEBUGGER, "name": "second"}], []),
        ([{**DEBUGGER, "name": "second"}, DEBUGGER], []),
        ([], ['existing ephemeral containers "debugger" may not be removed']),
        (
            [{**DEBUGGER, "command": ["sh"]}],
            ['existing ephemeral containers "debugger" may not be changed'],
        ),
    ],
)
def test_what_was_added_stays_as_it_is(made, add, containers, wrong):
    pod = made("Pod", BODY)
    old = with_ephemeral(pod, DEBUGGER)
    assert add(old, pod) == []
    causes = add(with_ephemeral(old, *containers), old)
    assert causes == [f"spec.ephemeralContainers: Forbidden: {text}" for text in wrong]


def test_they_come_later_and_by_their_subresource_alone(kind_of, made, update, wrong):
    with_one = {"spec": {**BODY["spec"], "ephemeralContainers": [DEBUGGER]}}
    refusals = [str(cause) for cause in kind_of("Pod").validate_create(made("Pod", with_one))]
    assert refusals == ["spec.ephemeralContainers: Forbidden: cannot be set on create"]
    old = made("Pod", BODY)
    (cause,) = update("Pod", with_ephemeral(old, DEBUGGER), old)
    assert cause.startswith("spec: Forbidden: pod updates may not change fields other than")
    template = {"metadata": {"labels": {"a": "b"}}, **with_one}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    assert wrong("Deployment", {"spec": spec}) == [
        "spec.template.spec.ephemeralContainers: Forbidden: "
        "ephemeral containers not allowed in pod template"
    ]
