"""Which changes are no more than a status that comes back."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.changes import is_status_alone


def version(number, *, spec=1, labels=None, status=0, **metadata):
    made = {"resourceVersion": str(number), "labels": labels or {}, **metadata}
    return {"metadata": made, "spec": {"replicas": spec}, "status": {"replicas": status}}


@pytest.mark.parametrize(
    ("new", "alone"),
    [
        (version(2, status=1), True),
        (version(2, managedFields=[{"manager": "m"}]), True),
        (version(2, spec=2), False),
        (version(2, labels={"a": "b"}), False),
        (version(2, annotations={"a": "b"}), False),
        (version(2, deletionTimestamp="T"), False),
        (version(2, ownerReferences=[{"uid": "u"}]), False),
    ],
)
def test_is_status_alone(new, alone):
    assert is_status_alone(version(1), new) is alone
