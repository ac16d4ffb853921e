from __future__ import annotations

from controlplane.apiserver.kinds import strategy


def obj(spec, status, generation=1, labels=None):
    metadata = {"generation": generation, "labels": labels or {}}
    return {"metadata": metadata, "spec": spec, "status": status}


def test_create_forgets_a_status_and_begins_to_count():
    new = obj({}, {"replicas": 9}, generation=7)
    strategy.begin_generation(new)
    assert (new["status"], new["metadata"]["generation"]) == ({}, 1)


def test_plain_update_keeps_the_status_and_counts_changes_of_the_spec():
    old = obj({"replicas": 1}, {"replicas": 1}, generation=3)
    same, changed = obj({"replicas": 1}, {"x": 1}), obj({"replicas": 2}, {"x": 1})
    strategy.keep_status_and_count(same, old)
    strategy.keep_status_and_count(changed, old)
    assert same["metadata"]["generation"] == 3
    assert changed["metadata"]["generation"] == 4
    assert same["status"] == changed["status"] == {"replicas": 1}


def test_status_update_keeps_everything_else():
    old = obj({"replicas": 1}, {}, generation=3, labels={"a": "b"})
    new = obj({"replicas": 2}, {"replicas": 2}, generation=9, labels={"c": "d"})
    strategy.keep_spec_and_labels(new, old)
    assert new == obj({"replicas": 1}, {"replicas": 2}, generation=3, labels={"a": "b"})


def test_what_was_absent_stays_absent():
    new = {"status": {"a": 1}, "spec": {"b": 1}}
    strategy.keep_status(new, {})
    strategy.keep_spec(new, {})
    assert new == {}
