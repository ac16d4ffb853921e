"""Upstream's TestValidateTopologySpreadConstraints as rows."""

from __future__ import annotations

import pytest

SPEC = {"containers": [{"name": "c", "image": "i:1"}]}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
SOFT = {**SPREAD, "whenUnsatisfiable": "ScheduleAnyway"}
SELECTED = {**SPREAD, "labelSelector": {"matchLabels": {"app": "web"}}}
AT = "spec.topologySpreadConstraints"


@pytest.mark.parametrize(
    ("constraints", "cause"),
    [
        ([SPREAD, SOFT, {**SPREAD, "topologyKey": "node"}], None),
        ([{**SPREAD, "minDomains": 3, "nodeTaintsPolicy": "Honor"}], None),
        ([{**SELECTED, "matchLabelKeys": ["pod-template-hash"]}], None),
        ([{**SPREAD, "topologyKey": "a b"}], "[0].topologyKey: Invalid value: \"a b\": name part"),
        ([{**SPREAD, "minDomains": 0}],
         "[0].minDomains: Invalid value: 0: must be greater than zero"),
        ([{**SOFT, "minDomains": 2}],
         "[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable="
         "DoNotSchedule, not ScheduleAnyway"),
        ([{**SPREAD, "nodeAffinityPolicy": "Maybe"}],
         '[0].nodeAffinityPolicy: Unsupported value: "Maybe": supported values: "Honor", '
         '"Ignore"'),
        ([SPREAD, SPREAD],
         '[1].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"'),
        ([{**SPREAD, "matchLabelKeys": ["a"]}],
         "[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"),
        ([{**SELECTED, "matchLabelKeys": ["app"]}],
         '[0].matchLabelKeys[0]: Invalid value: "app": exists in both matchLabelKeys and '
         "labelSelector"),
    ],
)  # fmt: skip
def test_constraints(wrong, constraints, cause):
    found = wrong("Pod", {"spec": {**SPEC, "topologySpreadConstraints": constraints}})
    assert not found if cause is None else found[0].startswith(f"{AT}{cause}")
