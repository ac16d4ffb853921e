from __future__ import annotations

import pytest

from controlplane.apiserver.kinds import quantities


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cpu": "100m", "memory": "1Gi", "example.com/gpu": 2}, []),
        ({"cpu": "many"}, ["quantities must match the regular expression"]),
        ({"cpu": "-1"}, ["must be greater than or equal to 0"]),
        ({"example.com/gpu": "1500m"}, ["must be an integer"]),
        ({"c p u": "1"}, ["name part must consist of"]),
    ],
)
def test_validate_names_what_is_wrong(given, words):
    causes = list(quantities.validate(given, "limits"))
    assert len(causes) == len(words)
    for cause, word in zip(causes, words, strict=True):
        assert cause.field == f"limits[{next(iter(given))}]"
        assert word in cause.message


def test_canonical_forms_are_stored_and_nonsense_is_left_to_validation():
    given = {"cpu": "0.5", "memory": "1024Mi", "pods": 110, "x": "?"}
    wanted = {"cpu": "500m", "memory": "1Gi", "pods": "110", "x": "?"}
    assert quantities.canonicalized(given) == wanted


def test_devices_and_huge_pages_cannot_be_overcommitted():
    assert quantities.is_overcommittable("cpu")
    assert not quantities.is_overcommittable("example.com/gpu")
    assert not quantities.is_overcommittable("hugepages-2Mi")
    assert quantities.is_known("hugepages-2Mi")
    assert not quantities.is_known("gpu")
