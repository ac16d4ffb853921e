"""A controller sees its own writes before its informer does, and never older ones after."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.mutation_cache import MutationCache
from kubeapi.client import ClientConfig, Informer, RestClient, WatchEvent
from kubeapi.objects import labels_of
from kubeapi.resources import CONFIGMAPS


def obj(name, version, *, uid=None, team="a"):
    metadata = {"name": name, "namespace": "ns", "uid": uid or name, "labels": {"team": team}}
    return {"metadata": {**metadata, "resourceVersion": str(version)}}


@pytest.fixture
def informer():
    client = RestClient(ClientConfig(server="http://127.0.0.1:1"), user_agent="test")
    indexers = {"team": lambda one: [labels_of(one).get("team", "")]}
    return Informer(client, CONFIGMAPS, indexers=indexers)


@pytest.fixture
def cache(informer):
    return MutationCache(informer, "team")


def tell(informer, type, one):
    """Let *informer* hear of *one*, as from its watch."""
    informer._apply(WatchEvent(type, one))


def versions(cache, team="a"):
    return {
        one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in cache.by_index(team)
    }


@pytest.mark.asyncio
async def test_what_the_informer_has(informer, cache):
    tell(informer, "ADDED", obj("one", 5))
    assert versions(cache) == {"one": "5"}
    assert versions(cache, "b") == {}


@pytest.mark.asyncio
async def test_a_created_object_is_there_at_once(informer, cache):
    cache.wrote(obj("one", 5), "a")
    assert versions(cache) == {"one": "5"}
    tell(informer, "ADDED", obj("one", 5))
    assert versions(cache) == {"one": "5"}


@pytest.mark.asyncio
async def test_an_update_lies_over_what_is_older_and_under_what_is_newer(informer, cache):
    tell(informer, "ADDED", obj("one", 5))
    cache.wrote(obj("one", 7), "a")
    tell(informer, "MODIFIED", obj("one", 6))
    assert versions(cache) == {"one": "7"}
    tell(informer, "MODIFIED", obj("one", 10))
    assert versions(cache) == {"one": "10"}


@pytest.mark.asyncio
async def test_an_answer_that_the_informer_overtook_is_ignored(informer, cache):
    tell(informer, "ADDED", obj("one", 9))
    cache.wrote(obj("one", 7), "a")
    assert versions(cache) == {"one": "9"}


@pytest.mark.asyncio
async def test_a_deleted_object_is_gone_at_once_and_its_successor_is_not(informer, cache):
    tell(informer, "ADDED", obj("one", 5))
    cache.deleted(obj("one", 5))
    assert versions(cache) == {}
    tell(informer, "DELETED", obj("one", 6))
    tell(informer, "ADDED", obj("one", 8, uid="second"))
    assert versions(cache) == {"one": "8"}


@pytest.mark.asyncio
async def test_a_written_object_that_somebody_deleted_is_gone(informer, cache):
    tell(informer, "ADDED", obj("one", 5))
    cache.wrote(obj("one", 7), "a")
    tell(informer, "DELETED", obj("one", 8))
    assert versions(cache) == {}
