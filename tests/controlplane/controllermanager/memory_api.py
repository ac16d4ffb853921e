"""An API in memory, and late informers, for tests that put controllers through any interleaving.

The controllers are the real ones. `MemoryApi` is their context and their client in one: objects
have versions, generations and uids, a write of an old version is a conflict, a deletion waits for
finalizers. What happens is queued for each informer and shown when the test says so, so a cache
is as far behind as the test pleases. `crash_in` makes a write the last of its process: it is lost
or, every second time, done without an answer. `writes` counts what was written, by whom.
"""

from __future__ import annotations

import copy
from collections import Counter, deque

from componentbase import clock
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import KUBERNETES
from controlplane.controllermanager.context import INDEXERS
from kubeapi import status
from kubeapi.client import PatchType
from kubeapi.objects import key_of, make_key, name_of, namespace_of, uid_of
from kubeapi.patch import merge_patch, strategic_merge_patch
from kubeapi.resources import PODS
from kubeapi.schema import schema_for

NOW = 1_700_000_000.0
NAMESPACE = "default"
#: What the API server leaves to the garbage collector, by propagationPolicy.
FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}


class Crash(Exception):
    """The process died at this write."""


class LateInformer:
    """Knows what it was shown; `deliver` shows more, in order."""

    def __init__(self, resource, items):
        self._indexers = INDEXERS.get(resource, {})
        self._items = {key_of(item): item for item in items}
        self.pending = deque()
        self._handlers = []

    def add_handler(self, *, on_add=None, on_update=None, on_delete=None):
        self._handlers.append((on_add, on_update, on_delete))
        for obj in list(self._items.values()):
            if on_add:
                on_add(obj)

    async def wait_synced(self):
        """Be ready: a new informer has what was there when it was made."""

    def get(self, key):
        return self._items.get(key)

    def items(self):
        return list(self._items.values())

    def by_index(self, index, value):
        named = self._indexers[index]
        return [obj for obj in self._items.values() if value in named(obj)]

    def deliver(self, count=None):
        for _ in range(len(self.pending) if count is None else min(count, len(self.pending))):
            key, new = self.pending.popleft()
            old = self._items.pop(key, None)
            if new is not None:
                self._items[key] = new
            self._tell(old, new)

    def _tell(self, old, new):
        for on_add, on_update, on_delete in self._handlers:
            if old is None and new is not None and on_add:
                on_add(new)
            elif old is not None and new is not None and on_update:
                on_update(old, new)
            elif old is not None and new is None and on_delete:
                on_delete(old)


class Recorder:
    def __init__(self):
        self.told = []

    def event(self, obj, kind, reason, message):
        self.told.append((name_of(obj), kind, reason, message))


class MemoryApi:
    """Objects, and what a controller finds in its context."""

    timings = KUBERNETES
    pace = 1.0

    def __init__(self, *objects):
        self.now, self.revision = NOW, 0
        self.stores, self.informers = {}, {}
        self.journal, self.recorded = Journal(), Recorder()
        self.writes, self.refusals, self.asked = Counter(), {}, []
        self.tasks = Tasks()
        self.crash_in, self._crashes = None, 0
        self.writer = ""
        for resource, obj in objects:
            self.put(resource, obj)

    # What a controller finds in its context.

    @property
    def client(self):
        return self

    def informer(self, resource):
        if resource not in self.informers:
            self.informers[resource] = LateInformer(resource, self.store(resource).values())
        return self.informers[resource]

    def recorder(self, _component):
        return self.recorded

    def wall(self):
        return self.now

    def monotonic(self):
        return self.now

    def now_text(self):
        return clock.rfc3339(self.now)

    # What a test does.

    def store(self, resource):
        return self.stores.setdefault(resource, {})

    def deliver(self, resource=None, count=None):
        for each, informer in list(self.informers.items()):
            if resource in (None, each):
                informer.deliver(count)

    def forget_caches(self):
        """Begin anew, as a process that was just started."""
        self.informers = {}

    def put(self, resource, obj):
        """Store *obj* as its next version; return a copy, as an answer is."""
        self.revision += 1
        obj = copy.deepcopy(obj)
        metadata = obj["metadata"]
        if resource.namespaced:
            metadata.setdefault("namespace", NAMESPACE)
        metadata.setdefault("uid", f"u-{name_of(obj)}-{self.revision}")
        metadata.setdefault("creationTimestamp", clock.rfc3339(self.now))
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(self.revision)
        gone = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        if gone and not self._is_held(resource, obj):
            self._drop(resource, obj)
        else:
            self.store(resource)[key_of(obj)] = obj
            self._queue(resource, key_of(obj), obj)
        return copy.deepcopy(obj)

    def change(self, resource, obj, change):
        """Do as a user does: merge *change* into the latest *obj*."""
        before = self.store(resource)[key_of(obj)]
        return self._updated(resource, before, merge_patch(before, change))

    def leave(self, resource, obj, finalizer=""):
        """Let *obj* be deleted gracefully, as by a user, first of all by who has *finalizer*."""
        before = self.store(resource).get(key_of(obj))
        if before is None or before["metadata"].get("deletionTimestamp"):
            return
        marked = {**before["metadata"], "deletionTimestamp": clock.rfc3339(self.now)}
        if finalizer:
            marked["finalizers"] = [*(marked.get("finalizers") or ()), finalizer]
        self.put(resource, {**before, "metadata": marked})

    def end(self, resource, obj):
        """Take *obj* away for good, as a kubelet does with a pod that has ended."""
        if key_of(obj) in self.store(resource):
            self._drop(resource, obj)

    def _is_held(self, resource, obj):
        return resource == PODS and (obj.get("spec") or {}).get("nodeName")

    def _drop(self, resource, obj):
        self.store(resource).pop(key_of(obj), None)
        self._queue(resource, key_of(obj), None)

    def _queue(self, resource, key, obj):
        if resource in self.informers:
            self.informers[resource].pending.append((key, obj))

    def _updated(self, resource, before, after):
        metadata = dict(after["metadata"])
        metadata["generation"] = before["metadata"]["generation"]
        if after.get("spec") != before.get("spec"):
            metadata["generation"] += 1
        return self.put(resource, {**after, "metadata": metadata})

    # The API.

    def _write(self, verb, resource, subresource=""):
        """Count a write, refuse it, or die before it; return whether to die after it."""
        self.writes[self.writer, verb, resource.plural, subresource] += 1
        if (refusal := self.refusals.get((verb, resource.plural))) is not None:
            raise refusal
        if self.crash_in is None:
            return False
        self.crash_in -= 1
        if self.crash_in >= 0:
            return False
        self.crash_in = None
        self._crashes += 1
        if self._crashes % 2:
            raise Crash
        return True

    def _found(self, resource, namespace, name):
        found = self.store(resource).get(make_key(namespace or "", name))
        if found is None:
            raise status.not_found(resource, name)
        return found

    async def get(self, resource, name, namespace=None):
        self.asked.append((resource.plural, namespace or "", name))
        return copy.deepcopy(self._found(resource, namespace, name))

    async def create(self, resource, obj, namespace=None):
        dies = self._write("create", resource)
        metadata = dict(obj["metadata"])
        if resource.namespaced:
            metadata["namespace"] = namespace or namespace_of(obj)
        if "name" not in metadata:
            metadata["name"] = f"{metadata.pop('generateName')}{self.revision + 1:05}"
        made = {**obj, "metadata": metadata}
        if key_of(made) in self.store(resource):
            raise status.already_exists(resource, metadata["name"])
        return self._answer(self.put(resource, made), dies)

    async def update(self, resource, obj, *, subresource=""):
        dies = self._write("update", resource, subresource)
        before = self._found(resource, namespace_of(obj), name_of(obj))
        if obj["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise status.conflict(resource, name_of(obj))
        if subresource:
            after = {**before, "status": obj.get("status")}
        else:
            after = {**obj, "status": before["status"]} if "status" in before else dict(obj)
        return self._answer(self._updated(resource, before, after), dies)

    async def patch(
        self, resource, name, patch, namespace=None, *, kind=PatchType.MERGE, subresource=""
    ):
        dies = self._write("patch", resource, subresource)
        before = self._found(resource, namespace, name)
        uid = patch.get("metadata", {}).get("uid", uid_of(before))
        version = patch.get("metadata", {}).get("resourceVersion")
        if uid != uid_of(before) or version not in (None, before["metadata"]["resourceVersion"]):
            raise status.conflict(resource, name)
        if kind is PatchType.STRATEGIC:
            schema = schema_for(resource.api_version, resource.kind)
            after = strategic_merge_patch(before, patch, schema)
        else:
            after = merge_patch(before, patch)
        return self._answer(self._updated(resource, before, after), dies)

    async def delete(
        self, resource, name, namespace=None, *, propagation="", uid="", resource_version="", **_
    ):
        dies = self._write("delete", resource)
        found = self._found(resource, namespace, name)
        if uid not in ("", uid_of(found)):
            raise status.conflict(resource, name)
        if resource_version not in ("", found["metadata"]["resourceVersion"]):
            raise status.conflict(resource, name)
        self.leave(resource, found, FINALIZERS.get(propagation, ""))
        return self._answer(found, dies)

    def _answer(self, obj, dies):
        if dies:
            raise Crash
        return obj
