"""Stored objects: the same whether decoded or not, and few of them decoded at a time."""

from __future__ import annotations

import json

import msgspec
import pytest

from controlplane.apiserver import stored as module
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.stored import StoredObject, encode
from kubeapi.resources import CONFIGMAPS

KIND = Kind(
    resource=CONFIGMAPS, singular="configmap", fields=lambda obj: {"data": obj["data"]["k"]}
)


def make(name: str, size: int = 10) -> StoredObject:
    metadata = {"name": name, "namespace": "d", "labels": {"app": name}}
    raw = encode({"metadata": metadata, "data": {"k": "x" * size}})
    return StoredObject(KIND, f"/registry/configmaps/d/{name}", raw, 7)


def test_a_form_says_the_same_decoded_and_not():
    looked_at, untouched = make("a"), make("a")
    assert looked_at.object["metadata"]["resourceVersion"] == "7"
    for question in (
        lambda each: each.labels,
        lambda each: each.metadata,
        lambda each: each.field("data"),
        lambda each: each.field("metadata.name"),
        lambda each: json.loads(each.json),
        lambda each: msgspec.msgpack.decode(each.msgpack),
        lambda each: each.peek(),
    ):
        assert question(looked_at) == question(untouched)
    assert untouched._object is None


def test_only_those_decoded_last_stay_decoded(monkeypatch):
    monkeypatch.setattr(module, "DECODED_OCTETS_MAX", 5_000)
    many = [make(f"o{number}", size=1_000) for number in range(20)]
    for each in many:
        assert each.object["metadata"]["name"]
    kept = [each._object is not None for each in many]
    assert 0 < sum(kept) <= 5
    assert kept == sorted(kept)  # The last ones.
    assert many[0].object["metadata"]["name"] == "o0"


def test_one_that_is_larger_than_all_room_is_decoded_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "DECODED_OCTETS_MAX", 100)
    large = make("a", size=10_000)
    assert large.object is large.object


def test_what_has_no_octets_keeps_what_it_is():
    version = StoredObject(KIND, "k", b"", 7, {"metadata": {"name": "a", "labels": {"x": "1"}}})
    version.forget_object()
    assert (version.object["metadata"]["name"], version.labels) == ("a", {"x": "1"})


@pytest.mark.parametrize("labels", [None, {}, {"a": "b"}])
def test_labels_that_are_absent_are_none(labels):
    obj = {"metadata": {"name": "a", **({} if labels is None else {"labels": labels})}}
    assert dict(StoredObject(KIND, "k", encode(obj), 7).labels) == (labels or {})
