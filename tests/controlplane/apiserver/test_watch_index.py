"""Who may be concerned: never too few."""

from __future__ import annotations

import random

from controlplane.apiserver import keys
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.selection import parse_selection
from controlplane.apiserver.stored import StoredObject, encode
from controlplane.apiserver.watch_cache import CacheWatch, WatchCache
from kubeapi.resources import PODS

KIND = Kind(
    resource=PODS,
    singular="pod",
    fields=lambda pod: {"spec.nodeName": (pod.get("spec") or {}).get("nodeName") or ""},
    indexed_fields=("spec.nodeName",),
)
QUERIES = (
    {},
    {"labelSelector": "app=1"},
    {"fieldSelector": "metadata.name=p1"},
    {"fieldSelector": "spec.nodeName=n1"},
    {"fieldSelector": "spec.nodeName=n2,metadata.name!=p1"},
    {"fieldSelector": "spec.nodeName!=n1"},
    {"fieldSelector": "spec.nodeName="},
    {"fieldSelector": "spec.nodeName=n1,metadata.name=p2", "labelSelector": "app"},
)


def selections() -> list:
    spaces = ("", "a", "ab")
    return [
        parse_selection(KIND, keys.prefix(PODS, space), query)
        for space in spaces
        for query in QUERIES
    ]


def pod(rng: random.Random, space: str, name: str, revision: int) -> StoredObject:
    metadata = {"name": name, "namespace": space, "labels": {"app": str(rng.randrange(2))}}
    obj = {"metadata": metadata, "spec": {"nodeName": rng.choice(("", "n1", "n2"))}}
    return StoredObject(KIND, keys.key(PODS, space, name), encode(obj), revision)


def happen(rng: random.Random, cache: WatchCache, revision: int) -> None:
    space, name = rng.choice(("a", "ab")), f"p{rng.randrange(4)}"
    key = keys.key(PODS, space, name)
    if cache.get(key) is not None and rng.random() < 0.3:
        cache.delete(key, revision)
    else:
        cache.put(pod(rng, space, name, revision))


def follow(watch: CacheWatch, state: dict[str, StoredObject]) -> None:
    while watch.queue:
        event = watch.queue.popleft()
        assert (event.stored.key in state) is (event.type != "ADDED")
        if event.type == "DELETED":
            del state[event.stored.key]
        else:
            state[event.stored.key] = event.stored


def test_watches_and_lists_by_index_are_those_without():
    rng, cache = random.Random(7), WatchCache(KIND, 0)
    watched = [(each, cache.open(each), {}) for each in selections()]
    assert cache.watches == len(watched)
    for revision in range(1, 400):
        happen(rng, cache, revision)
        for selection, watch, state in watched:
            follow(watch, state)
            expected = [s for s in cache.below(selection.prefix) if selection.matches(s)]
            assert [s for s in cache.selected(selection) if selection.matches(s)] == expected
            assert sorted(state) == [s.key for s in expected]
    for _, watch, _ in watched:
        watch.close()
    assert cache.watches == 0


def test_an_event_is_offered_only_to_those_that_it_may_concern(monkeypatch):
    cache, offered = WatchCache(KIND, 0), []
    offer = CacheWatch.offer
    monkeypatch.setattr(
        CacheWatch, "offer", lambda watch, *event: (offered.append(watch), offer(watch, *event))
    )
    nodes = [
        cache.open(
            parse_selection(KIND, keys.prefix(PODS), {"fieldSelector": f"spec.nodeName=n{n}"})
        )
        for n in range(1000)
    ]
    obj = {"metadata": {"name": "p", "namespace": "a"}, "spec": {"nodeName": "n7"}}
    cache.put(StoredObject(KIND, keys.key(PODS, "a", "p"), encode(obj), 1))
    obj["spec"]["nodeName"] = "n8"
    cache.put(StoredObject(KIND, keys.key(PODS, "a", "p"), encode(obj), 2))
    assert offered == [nodes[7], nodes[7], nodes[8]] or offered == [nodes[7], nodes[8], nodes[7]]
    assert [[e.type for e in nodes[n].queue] for n in (7, 8)] == [["ADDED", "DELETED"], ["ADDED"]]


def test_a_list_by_index_begins_where_its_page_does():
    rng, cache = random.Random(1), WatchCache(KIND, 0)
    for number in range(9):
        cache.put(pod(rng, "a", f"p{number}", number + 1))
    found = parse_selection(KIND, keys.prefix(PODS), {"fieldSelector": "spec.nodeName=n1"})
    every = [s.key for s in cache.selected(found)]
    assert every == sorted(every)
    assert [s.key for s in cache.selected(found, every[1])] == every[1:]
