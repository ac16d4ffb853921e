"""When enough has succeeded: TestMatchSuccessPolicy's cases by name."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.job.intervals import Intervals
from controlplane.controllermanager.job.success_policy import met_by

CASES = (
    ("successPolicy is null", None, 10, "0", None),
    ("successPolicy.rules is nil", {}, 10, "0", None),
    ("successPolicy.rules is empty", {"rules": []}, 10, "0", None),
    ("rules.succeededIndexes is invalid format",
     [{"succeededIndexes": "invalid-form"}], 10, "0", None),
    ("rules.succeededIndexes is specified; succeededIndexes matched rules",
     [{"succeededIndexes": "0-2"}], 10, "0-2", 0),
    ("rules.succeededIndexes is specified; succeededIndexes didn't match rules",
     [{"succeededIndexes": "0-2"}], 10, "0,2", None),
    ("rules.succeededCount is specified; succeededIndexes matched rules",
     [{"succeededCount": 2}], 10, "3,9", 0),
    ("rules.succeededCount is specified; succeededIndexes didn't match rules",
     [{"succeededCount": 2}], 10, "9", None),
    ("multiple rules; rules.succeededIndexes is specified; succeededIndexes met one of rules",
     [{"succeededIndexes": "9"}, {"succeededIndexes": "4,6"}], 10, "4,6,7", 1),
    ("rules.succeededIndexes and rules.succeededCount are specified; met all rules",
     [{"succeededIndexes": "3,6", "succeededCount": 2}], 10, "3,6", 0),
    ("rules.succeededIndexes and rules.succeededCount are specified; met succeededCount",
     [{"succeededIndexes": "3,6-8", "succeededCount": 2}], 10, "6,8", 0),
    ("rules.succeededIndexes and rules.succeededCount are specified; didn't match rules",
     [{"succeededIndexes": "3,6-8", "succeededCount": 3}], 10, "6,8,9", None),
    ("nothing has succeeded", [{"succeededCount": 0}], 10, "", None),
)  # fmt: skip


@pytest.mark.parametrize(("name", "policy", "completions", "succeeded", "rule"), CASES)
def test_match_success_policy(name, policy, completions, succeeded, rule):
    spec = {"completions": completions}
    if policy is not None:
        spec["successPolicy"] = {"rules": policy} if isinstance(policy, list) else policy
    message = met_by({"spec": spec}, Intervals.parse(succeeded, completions))
    assert message == (None if rule is None else f"Matched rules at index {rule}"), name
