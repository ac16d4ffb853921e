from __future__ import annotations

import pytest

CONTAINER = {"name": "web", "image": "nginx:1.27"}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [CONTAINER]}}
SPEC = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}


def test_defaults(made):
    spec = made("Deployment", {"spec": SPEC})["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600


def test_zero_is_a_number_of_replicas(made):
    assert made("Deployment", {"spec": {**SPEC, "replicas": 0}})["spec"]["replicas"] == 0


ROLLING = "spec.strategy.rollingUpdate"


def rolling(**shares):
    return {"strategy": {"type": "RollingUpdate", "rollingUpdate": shares}}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"strategy": {"type": "Recreate"}}, None),
        (rolling(maxUnavailable=0, maxSurge=1), None),
        (rolling(maxUnavailable=1, maxSurge="200%"), None),
        ({"strategy": {"type": "Blue"}}, 'spec.strategy.type: Unsupported value: "Blue"'),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
            f"{ROLLING}: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            rolling(maxUnavailable=0, maxSurge=0),
            f"{ROLLING}.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            rolling(maxUnavailable="120%"),
            f'{ROLLING}.maxUnavailable: Invalid value: "120%": must not be greater than 100%',
        ),
        (rolling(maxSurge="some"), f'{ROLLING}.maxSurge: Invalid value: "some": a valid percent'),
        (rolling(maxSurge=-1), f"{ROLLING}.maxSurge: Invalid value: -1: must be greater than or"),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ),
    ],
)
def test_validation(wrong, change, cause):
    causes = wrong("Deployment", {"spec": {**SPEC, **change}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(cause)


def test_row(kind_of, made):
    deployment = made("Deployment", {"spec": {**SPEC, "replicas": 6}})
    cells = kind_of("Deployment").cells
    tail = ("0s", "web", "nginx:1.27", "app=web")
    assert cells(deployment, 1767323045) == ("web", "0/6", 0, 0, *tail)
    deployment["status"] = {"readyReplicas": 4, "updatedReplicas": 5, "availableReplicas": 3}
    assert cells(deployment, 1767323045) == ("web", "4/6", 5, 3, *tail)


def test_status_update_leaves_the_spec(made, update):
    old = made("Deployment", {"spec": SPEC})
    new = made("Deployment", {"spec": {**SPEC, "replicas": 9}})
    new["status"] = {"replicas": 1}
    assert update("Deployment", new, old, status=True) == []
    assert (new["spec"]["replicas"], new["status"]) == (1, {"replicas": 1})
    assert new["metadata"]["generation"] == 1
