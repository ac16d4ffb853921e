"""Owners and dependents under random walks: who has an owner stays, who has none left goes."""

from __future__ import annotations

from hypothesis import given
from memory_api import FINALIZERS, NAMESPACE
from walk import Walk, nth, run, steps, walks

from controlplane.controllermanager.garbagecollector.controller import GarbageCollector
from kubeapi.resources import CONFIGMAPS, SECRETS

KINDS = {CONFIGMAPS: "ConfigMap", SECRETS: "Secret"}


class OwnersWalk(Walk):
    controllers = ((CONFIGMAPS, GarbageCollector),)
    round_s = 1.0

    def __init__(self):
        super().__init__()
        self.made, self.told_to_go, self.adopted = 0, set(), {}

    def keys(self, resource, controller):
        """Return what it wants to look at, and who waits to be looked at again."""
        queued = [uid for uid in controller._queue._timers]
        while (uid := controller._queue.get_nowait()) is not None:
            controller._queue.done(uid)
            queued.append(uid)
        return queued

    def everything(self):
        return [(resource, obj) for resource in KINDS for obj in self.api.store(resource).values()]

    def make(self, number, *, owners=()):
        resource = list(KINDS)[number % 2]
        self.made += 1
        name = f"object-{self.made:03}"
        references = [
            {
                "apiVersion": "v1",
                "kind": KINDS[kind],
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "blockOwnerDeletion": bool(number % 3),
            }
            for kind, owner in owners
        ]
        metadata = {"name": name, "ownerReferences": references}
        self.api.put(resource, {"metadata": metadata, "kind": KINDS[resource], "apiVersion": "v1"})

    def make_owned(self, number):
        found = [each for _, each in self.everything()]
        one, other = nth(found, number), nth(found, number // 3)
        owners = {
            owner["metadata"]["uid"]: (resource, owner)
            for resource, owner in self.everything()
            if owner in (one, other)
        }
        self.make(number, owners=list(owners.values()))

    def delete(self, number):
        """As a user does: in the background, in the foreground, or leaving orphans."""
        one = nth([each for _, each in self.everything()], number)
        for resource, each in self.everything():
            if each is one:
                self.told_to_go.add(each["metadata"]["uid"])
                finalizer = ("", *FINALIZERS.values())[number % 3]
                self.api.leave(resource, each, finalizer)
                return

    def check_end(self):
        left = [each["metadata"] for _, each in self.everything()]
        uids = {each["uid"] for each in left}
        for each in left:
            assert not each.get("deletionTimestamp"), "somebody waits for ever"
            assert each["uid"] not in self.told_to_go
            references = each.get("ownerReferences") or []
            assert not references or any(owner["uid"] in uids for owner in references)
            assert each["namespace"] == NAMESPACE


@walks(60)
@given(steps(*["make"] * 3, *["make_owned"] * 6, *["delete"] * 4))
def test_everybody_left_has_an_owner_or_never_had_one(taken):
    run(OwnersWalk(), taken).check_end()
