"""Who owns whom, by uid (upstream: garbagecollector `GraphBuilder`).

The graph is fed by informers and says which objects must be looked at: dependents whose owner
went, owners that wait for their dependents, owners that leave their dependents behind. It never
asks the API; an owner that it has not seen may exist all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kubeapi.objects import Object, is_being_deleted, name_of, namespace_of, uid_of
from kubeapi.resources import Resource

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


@dataclass(frozen=True, slots=True)
class Owner:
    """One ownerReference."""

    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool

    @classmethod
    def from_object(cls, reference: Object) -> Owner:
        return cls(
            reference["uid"],
            reference["apiVersion"],
            reference["kind"],
            reference["name"],
            bool(reference.get("blockOwnerDeletion")),
        )

    @property
    def coordinates(self) -> tuple[str, str, str, str]:
        """Return what an object must be to be this owner, but for its namespace."""
        return self.uid, self.api_version.rpartition("/")[0], self.kind, self.name


@dataclass(slots=True)
class Node:
    """What the collector knows of one object."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    version: str = ""
    owners: tuple[Owner, ...] = ()
    leaving: bool = False
    finalizers: tuple[str, ...] = ()
    dependents: dict[str, None] = field(default_factory=dict)

    @property
    def waits_for_dependents(self) -> bool:
        """Return whether a foreground deletion of this object is under way."""
        return self.leaving and FOREGROUND in self.finalizers

    @property
    def leaves_orphans(self) -> bool:
        return self.leaving and ORPHAN in self.finalizers

    @property
    def coordinates(self) -> tuple[str, str, str, str]:
        return self.uid, self.resource.group, self.resource.kind, self.name

    def is_meant_by(self, owner: Owner, namespace: str) -> bool:
        """Return whether *owner*, as an object in *namespace* refers to it, is this object.

        A uid alone is not enough: an owner of another namespace is no owner.
        """
        return self.coordinates == owner.coordinates and self.namespace in ("", namespace)

    def blocks(self, owner_uid: str) -> bool:
        """Return whether the foreground deletion of *owner_uid* must wait for this object."""
        return any(owner.uid == owner_uid and owner.blocks for owner in self.owners)


class Graph:
    """Objects and the references between them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        # Dependents of owners that were not seen (yet): an owner may come after its dependents.
        self._waiting: dict[str, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def dependents_of(self, uid: str) -> list[Node]:
        """Return the known dependents of *uid*, whether *uid* itself is known or not."""
        node = self._nodes.get(uid)
        uids = node.dependents if node is not None else self._waiting.get(uid, {})
        return [self._nodes[one] for one in uids if one in self._nodes]

    def put(self, resource: Resource, obj: Object) -> list[str]:
        """Take in that *obj* was added or changed; return the uids that must be looked at."""
        uid = uid_of(obj)
        node = self._nodes.get(uid)
        is_new = node is None
        if node is None:
            node = Node(resource, namespace_of(obj), name_of(obj), uid)
            node.dependents = self._waiting.pop(uid, {})
            self._nodes[uid] = node
        node.resource = resource  # Perhaps in another version than before.
        before = node.owners
        was_waiting, was_orphaning = node.waits_for_dependents, node.leaves_orphans
        metadata = obj["metadata"]
        node.version = metadata.get("resourceVersion", "")
        node.leaving = is_being_deleted(obj)
        node.finalizers = tuple(metadata.get("finalizers") or ())
        node.owners = tuple(map(Owner.from_object, metadata.get("ownerReferences") or ()))
        look = self._link(node, before)
        if is_new:
            look += self._mistaken(node)
        if node.waits_for_dependents and not was_waiting:
            look += [one.uid for one in self.dependents_of(uid)] + [uid]
        if node.leaves_orphans and not was_orphaning:
            look.append(uid)
        if before != node.owners or (node.waits_for_dependents != was_waiting):
            look += self._waiting_owners(node, before)
        return list(dict.fromkeys(look))

    def _link(self, node: Node, before: Iterable[Owner]) -> list[str]:
        """Enter *node* with its owners.

        Return its uid if one of them is not there, is another object than is meant, or leaves.
        """
        for owner in before:
            if owner not in node.owners:
                self._dependents(owner.uid).pop(node.uid, None)
                if not self._waiting.get(owner.uid, True):
                    del self._waiting[owner.uid]
        look: list[str] = []
        for owner in node.owners:
            self._dependents(owner.uid)[node.uid] = None
            above = self._nodes.get(owner.uid)
            if owner in before:
                continue
            wrong = above is None or not above.is_meant_by(owner, node.namespace)
            if wrong or (above is not None and above.waits_for_dependents):
                look.append(node.uid)
        return look

    def _mistaken(self, node: Node) -> list[str]:
        """Return the dependents of *node* that name its uid and mean another object."""
        return [
            one.uid
            for one in self.dependents_of(node.uid)
            for owner in one.owners
            if owner.uid == node.uid and not node.is_meant_by(owner, one.namespace)
        ]

    def _dependents(self, uid: str) -> dict[str, None]:
        node = self._nodes.get(uid)
        return node.dependents if node is not None else self._waiting.setdefault(uid, {})

    def of(self, resource: Resource) -> list[str]:
        """Return the uids of all that is known of *resource*."""
        return [uid for uid, node in self._nodes.items() if node.resource == resource]

    def _waiting_owners(self, node: Node, before: Iterable[Owner]) -> list[str]:
        """Return owners, present and former, that wait for *node*."""
        uids = [owner.uid for owner in (*before, *node.owners)]
        return [uid for uid in uids if (up := self._nodes.get(uid)) and up.waits_for_dependents]

    def remove(self, uid: str) -> list[str]:
        """Take in that *uid* is gone; return the uids that must be looked at."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return []
        for owner in node.owners:
            dependents = self._dependents(owner.uid)
            dependents.pop(uid, None)
            if not self._waiting.get(owner.uid, True):
                del self._waiting[owner.uid]
        dependents = {one: None for one in node.dependents if one in self._nodes}
        if dependents:
            self._waiting[uid] = dependents
        return [*dependents, *self._waiting_owners(node, ())]


def resource_of(owner: Owner, known: Mapping[tuple[str, str], Resource]) -> Resource | None:
    """Return the resource that *owner* names, None for a kind that this cluster has not."""
    return known.get((owner.api_version, owner.kind))
