"""Indexes of pods: TestAppendDuplicatedIndexPodsForRemoval, TestGetIndexFailureCount by name."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.job.completion_index import (
    FAILURES,
    IGNORED_FAILURES,
    INDEX,
    all_failures,
    failures,
    index_of,
    surplus,
)

PENDING, RUNNING = "Pending", "Running"


def pod(index=None, phase=RUNNING, **annotations):
    if index is not None:
        annotations[INDEX] = index
    metadata = {"uid": f"{index}-{phase}", "annotations": annotations}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase}}


def shown(pods):
    return [(one["metadata"]["annotations"].get(INDEX), one["status"]["phase"]) for one in pods]


@pytest.mark.parametrize(
    ("name", "pods", "removed", "left"),
    [
        ("all unique",
         [(None, PENDING), ("2", PENDING), ("5", RUNNING), ("6", RUNNING)],
         [(None, PENDING), ("6", RUNNING)],
         [("2", PENDING), ("5", RUNNING)]),
        ("all with index",
         [("5", PENDING), ("0", RUNNING), ("3", PENDING), ("0", RUNNING), ("3", RUNNING),
          ("0", PENDING), ("6", RUNNING), ("6", PENDING)],
         [("6", RUNNING), ("6", PENDING), ("0", PENDING), ("0", RUNNING), ("3", PENDING)],
         [("0", RUNNING), ("3", RUNNING), ("5", PENDING)]),
        ("mixed",
         [(None, PENDING), ("invalid", RUNNING), ("-2", RUNNING), ("0", PENDING), ("1", PENDING),
          ("1", PENDING), ("1", RUNNING)],
         [(None, PENDING), ("invalid", RUNNING), ("-2", RUNNING), ("1", PENDING), ("1", PENDING)],
         [("0", PENDING), ("1", RUNNING)]),
    ],
)  # fmt: skip
def test_append_duplicated_index_pods_for_removal(name, pods, removed, left):
    found = surplus([pod(*one) for one in pods], 6, 0.0)
    assert [shown(part) for part in found] == [removed, left], name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", 2),
        (str(2**31 - 1), 2**31 - 1),
        (str(2**31), 0),
        ("-1", 0),
        ("xyz", 0),
        ("9" * 9999, 0),
    ],
    ids=["valid", "maxint32", "too-large", "negative", "invalid", "absurd"],
)
def test_get_index_failure_count(text, expected):
    one = pod("0", **{FAILURES: text, IGNORED_FAILURES: "1"})
    assert (failures(one), all_failures(one)) == (expected, expected + 1)
    assert failures(pod("0")) == 0


@pytest.mark.parametrize(
    ("text", "index"), [("0", 0), ("+7", 7), ("007", 7), ("1_0", None), ("٣", None)]
)
def test_indexes_are_numbers(text, index):
    assert index_of(pod(text)) == index
