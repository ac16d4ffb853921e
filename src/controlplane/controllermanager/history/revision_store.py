"""One controller's ControllerRevisions in the API: found, adopted, made, counted up, removed.

Upstream: history.Interface and `ClaimControllerRevisions`. What was written is known before the
informer shows it, so one look after the other sees its own revisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.controller_ref import claim
from controlplane.controllermanager.history.revisions import choose, equal
from controlplane.controllermanager.mutation_cache import MutationCache
from controlplane.controllermanager.pod_control import settle
from kubeapi.client import Informer
from kubeapi.objects import Object, controller_of, name_of, namespace_of, uid_of
from kubeapi.resources import CONTROLLERREVISIONS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_already_exists, is_not_found


class NameIsTaken(Exception):
    """Another template has the revision's name: the owner must count a collision."""


class RevisionStore:
    """Revisions of any owner."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self.informer: Informer = context.informer(CONTROLLERREVISIONS)
        self._known = MutationCache(self.informer, "controller")

    async def of(self, owner: Object, selector: LabelSelector) -> list[Object]:
        """Return the revisions of *owner*, after adoption and release."""
        candidates = [
            *self._known.by_index(uid_of(owner)),
            *self.informer.by_index("controller", f"orphans/{namespace_of(owner)}"),
        ]
        claims = claim(owner, selector, candidates)
        return list(await settle(self._client, CONTROLLERREVISIONS, owner, claims))

    async def current(self, owner: Object, revisions: Sequence[Object], label: str) -> Object:
        """Return the revision of *owner*'s template, made or counted up; raises NameIsTaken."""
        choice = choose(owner, revisions, label)
        match choice.write:
            case "create":
                made = await self._create(owner, choice.revision)
            case "count up":
                made = await self._client.update(CONTROLLERREVISIONS, choice.revision)
            case None:
                return choice.revision
        self._known.wrote(made, uid_of(owner))
        return made

    async def _create(self, owner: Object, revision: Object) -> Object:
        namespace = namespace_of(owner)
        try:
            return await self._client.create(CONTROLLERREVISIONS, revision, namespace)
        except StatusError as error:
            if not is_already_exists(error):
                raise
        found = await self._client.get(CONTROLLERREVISIONS, name_of(revision), namespace)
        controller = controller_of(found)
        if controller is None or controller["uid"] != uid_of(owner) or not equal(found, revision):
            raise NameIsTaken(name_of(revision))
        return found

    async def delete(self, revision: Object) -> None:
        name, namespace = name_of(revision), namespace_of(revision)
        try:
            await self._client.delete(CONTROLLERREVISIONS, name, namespace, uid=uid_of(revision))
        except StatusError as error:
            if not is_not_found(error):
                raise
        self._known.deleted(revision)
