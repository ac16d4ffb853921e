from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({"holderIdentity": "a", "leaseDurationSeconds": 40, "leaseTransitions": 0}, []),
        ({}, []),
        (
            {"leaseDurationSeconds": 0},
            ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
        ),
        (
            {"leaseTransitions": -1},
            ["spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ],
)
def test_validation(wrong, spec, causes):
    assert wrong("Lease", {"spec": spec}) == causes


def test_row_names_the_holder(kind_of, made):
    lease = made("Lease", {"spec": {"holderIdentity": "node-1"}}, "node-1")
    assert kind_of("Lease").cells(lease, 1767323045) == ("node-1", "node-1", "0s")
