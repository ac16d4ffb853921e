"""What variables may be made of: a table of cases."""

from __future__ import annotations

import pytest

ENV = "spec.containers[0].env[0].valueFrom"
ENV_FROM = "spec.containers[0].envFrom[0]"


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ({"fieldRef": {"fieldPath": "status.podIPs"}}, None),
        ({"fieldRef": {"fieldPath": "metadata.annotations['Some.Key/x']"}}, None),
        ({"fieldRef": {"fieldPath": ""}}, f"{ENV}.fieldRef.fieldPath: Required value"),
        (
            {"fieldRef": {"fieldPath": "metadata.labels"}},
            f'{ENV}.fieldRef.fieldPath: Unsupported value: "metadata.labels"',
        ),
        (
            {"fieldRef": {"fieldPath": "metadata.name['x']"}},
            f'{ENV}.fieldRef.fieldPath: Invalid value: "metadata.name": does not support subscript',
        ),
        (
            {"fieldRef": {"fieldPath": "metadata.labels['-']"}},
            f'{ENV}.fieldRef: Invalid value: "-"',
        ),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, None),
        ({"resourceFieldRef": {"resource": "requests.hugepages-2Mi"}}, None),
        ({"resourceFieldRef": {}}, f"{ENV}.resourceFieldRef.resource: Required value"),
        (
            {"resourceFieldRef": {"resource": "limits.pods"}},
            f'{ENV}.resourceFieldRef.resource: Unsupported value: "limits.pods"',
        ),
        (
            {"resourceFieldRef": {"resource": "limits.memory", "divisor": "3"}},
            f'{ENV}.resourceFieldRef.divisor: Invalid value: "3": only divisor\'s values',
        ),
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, None),
        ({"configMapKeyRef": {"name": "c"}}, f"{ENV}.configMapKeyRef.key: Required value"),
        ({"secretKeyRef": {"key": "k"}}, f"{ENV}.secretKeyRef.name: Required value"),
    ],
)
def test_a_variables_source(wrong, source, cause):
    container = {"name": "w", "image": "x:1", "env": [{"name": "A", "valueFrom": source}]}
    causes = wrong("Pod", {"spec": {"containers": [container]}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ({"prefix": "P_", "configMapRef": {"name": "c"}}, None),
        ({}, f'{ENV_FROM}: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'),
        ({"secretRef": {}}, f"{ENV_FROM}.secretRef.name: Required value"),
        (
            {"secretRef": {"name": "s"}, "configMapRef": {"name": "c"}},
            f'{ENV_FROM}: Invalid value: "": may not have more than one field specified at a time',
        ),
        ({"prefix": "1 x", "secretRef": {"name": "s"}}, f'{ENV_FROM}.prefix: Invalid value: "1 x"'),
    ],
)
def test_a_source_of_many_variables(wrong, source, cause):
    container = {"name": "w", "image": "x:1", "envFrom": [source]}
    causes = wrong("Pod", {"spec": {"containers": [container]}})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)
