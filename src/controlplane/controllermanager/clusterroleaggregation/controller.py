"""A ClusterRole with an aggregationRule has the rules of all that the rule selects.

Upstream: clusterroleaggregation. Rules are taken in the order of the roles' names, each once; what
somebody else wrote into the role is undone. `edit` is part of `admin` and `view` of `edit`: what
changes one is seen by the others in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controlplane.controllermanager.context import Context
from kubeapi.client import WorkQueue, run_workers
from kubeapi.objects import Object, is_being_deleted, key_of, labels_of, name_of
from kubeapi.resources import CLUSTERROLES
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, is_not_found

_WORKERS: Final = 2


def aggregated_rules(role: Object, roles: Iterable[Object]) -> list[Object]:
    """Return the rules of *roles* that *role* is made of."""
    wanted = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    rules: list[Object] = []
    for selector in map(LabelSelector.from_object, wanted):
        for other in sorted(roles, key=name_of):
            if name_of(other) != name_of(role) and selector.matches(labels_of(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


class ClusterRoleAggregation:
    """ClusterRoles in, ClusterRoles out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._queue: WorkQueue[str] = WorkQueue("cluster_role_aggregator")
        self._roles = context.informer(CLUSTERROLES)
        self._roles.add_handler(
            on_add=lambda _new: self._look_at_all(),
            on_update=lambda _old, _new: self._look_at_all(),
            on_delete=lambda _old: self._look_at_all(),
        )

    def _look_at_all(self) -> None:
        for role in self._roles.items():
            if role.get("aggregationRule"):
                self._queue.add(key_of(role))

    async def run(self) -> None:
        await self._roles.wait_synced()
        self._look_at_all()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    async def _reconcile(self, name: str) -> None:
        role = self._roles.get(name)
        if role is None or is_being_deleted(role) or not role.get("aggregationRule"):
            return
        rules = aggregated_rules(role, self._roles.items())
        if rules == (role.get("rules") or []):
            return
        try:
            await self._client.update(CLUSTERROLES, {**role, "rules": rules})
        except StatusError as error:
            if not is_not_found(error):
                raise
