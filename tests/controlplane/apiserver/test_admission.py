"""The chain of admission plugins, around the registry's writes."""

from __future__ import annotations

import random

import pytest
import pytest_asyncio

from componentbase.tasks import Tasks
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry.options import DeleteOptions, WriteOptions
from controlplane.apiserver.registry.registry import Registry
from controlplane.storage.embedded import EmbeddedStore
from kubeapi.resources import CONFIGMAPS, NAMESPACES
from kubeapi.status import StatusError, forbidden

pytestmark = pytest.mark.asyncio

BY_RESOURCE = {kind.resource: kind for kind in KINDS}
CONFIGMAP = BY_RESOURCE[CONFIGMAPS]


class Recorder:
    """Notes what it is asked; adds a label to what is created, refuses what is called `no`."""

    name = "Recorder"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.questions = 0

    def handles(self, operation: Operation, kind: Kind, subresource: str) -> bool:
        self.questions += 1
        return kind.resource == CONFIGMAPS

    async def admit(self, attributes: Attributes) -> None:
        self.asked.append(("admit", attributes.operation))
        if attributes.operation is Operation.CREATE:
            assert attributes.obj is not None
            assert attributes.obj["metadata"]["uid"]
            attributes.obj["metadata"]["labels"] = {"seen": "yes"}
            attributes.warn("labelled")
            attributes.warn("labelled")

    async def validate(self, attributes: Attributes) -> None:
        self.asked.append(("validate", attributes.operation))
        if attributes.name == "no":
            raise forbidden(CONFIGMAPS, "no", "I will not have it")


@pytest_asyncio.fixture
async def world(tmp_path):
    store, recorder, tasks = await EmbeddedStore.open(tmp_path / "podwire.db"), Recorder(), Tasks()
    cacher = Cacher(KINDS, store)
    await cacher.load()
    tasks.spawn(cacher.run(), name="cacher")
    await cacher.wait_until_fresh()
    registry = Registry(cacher, {}, rng=random.Random(1), wall=lambda: 0.0, plugins=[recorder])
    namespace = BY_RESOURCE[NAMESPACES]
    await registry.create(namespace, "", {"metadata": {"name": "d"}}, WriteOptions())
    yield registry, recorder
    await tasks.close()
    await store.close()


def configmap(name: str) -> dict:
    return {"metadata": {"name": name}, "data": {"a": "b"}}


async def test_plugins_complete_and_judge_every_write(world):
    registry, recorder = world
    options = WriteOptions()
    made = await registry.create(CONFIGMAP, "d", configmap("c"), options)
    assert made.object["metadata"]["labels"] == {"seen": "yes"}
    assert options.warnings == ["labelled"]
    await registry.update(CONFIGMAP, "d", "c", lambda old: old | {"data": {}}, WriteOptions())
    await registry.delete(CONFIGMAP, "d", "c", DeleteOptions())
    operations = [Operation.CREATE, Operation.UPDATE, Operation.DELETE]
    assert recorder.asked == [
        (phase, operation) for operation in operations for phase in ("admit", "validate")
    ]


async def test_a_refusal_is_the_answer_and_nothing_is_written(world):
    registry, _ = world
    with pytest.raises(StatusError, match="I will not have it"):
        await registry.create(CONFIGMAP, "d", configmap("no"), WriteOptions())
    with pytest.raises(StatusError, match="not found"):
        registry.get(CONFIGMAP, "d", "no")


async def test_what_a_plugin_handles_is_asked_once_until_forgotten(world):
    registry, recorder = world
    before = recorder.questions
    for name in ("a", "b"):
        await registry.create(CONFIGMAP, "d", configmap(name), WriteOptions())
    assert recorder.questions == before + 1
    registry.chain.forget()
    await registry.create(CONFIGMAP, "d", configmap("e"), WriteOptions())
    assert recorder.questions == before + 2
