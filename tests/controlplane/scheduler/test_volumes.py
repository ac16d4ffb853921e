"""Who waits for a claim is woken by every change, and not for ever."""

from __future__ import annotations

import asyncio

import pytest
from storage_facts import claim, volume

from controlplane.scheduler.framework.handle import Chosen
from controlplane.scheduler.volumes import Volumes
from kubeapi.objects import annotations_of, name_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES


class Client:
    """Answers updates with what was sent."""

    def __init__(self):
        self.updates = []

    async def update(self, resource, obj):
        self.updates.append((resource, obj))
        return obj


@pytest.mark.asyncio
async def test_the_choice_is_written_to_volumes_and_claims():
    client = Client()
    chosen = Chosen([(volume(), claim("a"))], [claim("b")])
    claims = await Volumes(client).write(chosen, "node-1")
    assert [name_of(one) for one in claims] == ["a", "b"]
    (first, bound), (second, asked) = client.updates
    assert (first, second) == (PERSISTENTVOLUMES, PERSISTENTVOLUMECLAIMS)
    assert bound["spec"]["claimRef"]["name"] == "a"
    assert annotations_of(asked)["volume.kubernetes.io/selected-node"] == "node-1"


@pytest.mark.asyncio
async def test_a_change_has_those_look_again_who_wait():
    volumes, answers = Volumes(Client()), [None, None, ""]
    looks = 0

    def settled():
        nonlocal looks
        looks += 1
        asyncio.get_running_loop().call_soon(volumes.changed)
        return answers.pop(0)

    assert await volumes.until(settled, 10) == ""
    assert looks == 3


@pytest.mark.asyncio
async def test_nobody_waits_for_ever():
    text = await Volumes(Client()).until(lambda: None, 0.01)
    assert text == "binding volumes: context deadline exceeded"
