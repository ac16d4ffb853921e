from __future__ import annotations

import copy

import pytest

CONTAINER = {"name": "web", "image": "nginx:1"}
BODY = {
    "spec": {
        "containers": [CONTAINER],
        "activeDeadlineSeconds": 60,
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "schedulingGates": [{"name": "example.com/a"}],
    }
}
ADDED = {"key": "b", "operator": "Exists"}


def changed(pod, **spec):
    new = copy.deepcopy(pod)
    new["spec"].update(spec)
    return new


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"containers": [{**CONTAINER, "image": "nginx:2", "imagePullPolicy": "Always"}]}, "spec"),
        ({"containers": [CONTAINER, {**CONTAINER, "name": "b"}]}, "spec.containers"),
        ({"activeDeadlineSeconds": 30}, None),
        ({"activeDeadlineSeconds": 90}, "spec.activeDeadlineSeconds"),
        ({"activeDeadlineSeconds": None}, "spec.activeDeadlineSeconds"),
        ({"tolerations": [{"key": "a", "operator": "Exists"}, ADDED]}, None),
        ({"tolerations": [ADDED]}, "spec.tolerations"),
        ({"schedulingGates": []}, None),
        ({"schedulingGates": [{"name": "example.com/b"}]}, "spec.schedulingGates[0].name"),
        ({"nodeName": "node-1"}, "spec"),
        ({"restartPolicy": "Never"}, "spec"),
        ({"terminationGracePeriodSeconds": 5}, "spec"),
    ],
)
def test_what_may_change(made, update, change, cause):
    old = made("Pod", BODY)
    causes = update("Pod", changed(old, **change), old)
    if cause is None:
        assert causes == []
    else:
        assert [text.partition(":")[0] for text in causes] == [cause]


def test_an_image_may_change(made, update):
    old = made("Pod", BODY)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "nginx:2"
    new["status"] = {}
    assert update("Pod", new, old) == []
    assert new["status"] == old["status"]


def test_the_message_says_what_may_change(made, update):
    old = made("Pod", BODY)
    [cause] = update("Pod", changed(old, restartPolicy="Never"), old)
    assert cause.startswith(
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    )


def test_a_negative_grace_may_become_one(made, update):
    old = made("Pod", BODY)
    old["spec"]["terminationGracePeriodSeconds"] = -1
    assert update("Pod", changed(old, terminationGracePeriodSeconds=1), old) == []
