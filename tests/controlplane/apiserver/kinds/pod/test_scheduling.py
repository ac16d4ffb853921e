from __future__ import annotations

import pytest

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def node_affinity(**expression):
    terms = [{"matchExpressions": [{"key": "zone", **expression}]}]
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}}


EXPRESSION = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0]"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"nodeSelector": {"zone": "a"}}, None),
        ({"nodeSelector": {"zone": "-"}}, 'spec.nodeSelector: Invalid value: "-"'),
        ({"tolerations": [{"operator": "Exists"}]}, None),
        (
            {"tolerations": [{"value": "x"}]},
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key`',
        ),
        (
            {"tolerations": [{"key": "a", "tolerationSeconds": 1}]},
            "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute'",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            'spec.tolerations[0].operator: Invalid value: "b": value must be empty when',
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Like"}]},
            'spec.tolerations[0].operator: Unsupported value: "Like"',
        ),
        (
            {"tolerations": [{"key": "a", "effect": "Never"}]},
            'spec.tolerations[0].effect: Unsupported value: "Never"',
        ),
        (node_affinity(operator="In", values=["a"]), None),
        (node_affinity(operator="In"), f"{EXPRESSION}.values: Required value"),
        (node_affinity(operator="Exists", values=["a"]), f"{EXPRESSION}.values: Forbidden"),
        (node_affinity(operator="Gt", values=["1", "2"]), f"{EXPRESSION}.values: Required value"),
        (node_affinity(operator="Like"), f'{EXPRESSION}.operator: Invalid value: "Like"'),
        (
            {"affinity": {"nodeAffinity": {REQUIRED: {}}}},
            f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value",
        ),
        (
            {"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 0, "preference": TERM}]}}},
            f"spec.affinity.nodeAffinity.{PREFERRED}[0].weight: Invalid value: 0: must be in the",
        ),
        (
            {"affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": ""}]}}},
            f"spec.affinity.podAntiAffinity.{REQUIRED}[0].topologyKey: Required value",
        ),
        (
            {
                "affinity": {
                    "podAffinity": {
                        PREFERRED: [{"weight": 101, "podAffinityTerm": {"topologyKey": "zone"}}]
                    }
                }
            },
            f"spec.affinity.podAffinity.{PREFERRED}[0].weight: Invalid value: 101",
        ),
        ({"topologySpreadConstraints": [SPREAD]}, None),
        (
            {"topologySpreadConstraints": [{**SPREAD, "maxSkew": 0}]},
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than",
        ),
        (
            {"topologySpreadConstraints": [{**SPREAD, "whenUnsatisfiable": "Cry"}]},
            'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry"',
        ),
        (
            {
                "topologySpreadConstraints": [
                    {
                        **SPREAD,
                        "labelSelector": {"matchExpressions": [{"key": "a", "operator": "Gt"}]},
                    }
                ]
            },
            "spec.topologySpreadConstraints[0].labelSelector.matchExpressions[0].operator: Invalid",
        ),
    ],
)
def test_scheduling(wrong, change, cause):
    spec = {"containers": [{"name": "web", "image": "nginx:1"}], **change}
    causes = wrong("Pod", {"spec": spec})
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1, causes
        assert causes[0].startswith(cause)


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ({"key": "a", "operator": "Exists"}, None),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, ".values: Forbidden: may not be"),
        ({"key": "a", "operator": "In", "values": ["-"]}, '.values[0]: Invalid value: "-"'),
        ({"key": "a b", "operator": "Exists"}, '.key: Invalid value: "a b"'),
    ],
)
def test_label_selectors(wrong, row, cause):
    term = {"topologyKey": "zone", "labelSelector": {"matchExpressions": [row]}}
    spec = {
        "containers": [{"name": "web", "image": "nginx:1"}],
        "affinity": {"podAffinity": {REQUIRED: [term]}},
    }
    causes = wrong("Pod", {"spec": spec})
    at = f"spec.affinity.podAffinity.{REQUIRED}[0].labelSelector.matchExpressions[0]"
    if cause is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert causes[0].startswith(at + cause)


def test_spreading_needs_a_topology(wrong):
    spec = {
        "containers": [{"name": "web", "image": "nginx:1"}],
        "topologySpreadConstraints": [{**SPREAD, "topologyKey": ""}],
    }
    assert wrong("Pod", {"spec": spec}) == [
        "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty"
    ]
