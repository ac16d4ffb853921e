"""The Eviction of a pod: ask its budget, then delete it (pods/eviction, policy/v1).

What is decided stands in `registry.eviction`. Whatever is refused or done is noted in the journal:
a drain that waits for a budget is waiting for something that somebody can see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from componentbase.clock import Clock
from componentbase.journal import Journal
from controlplane.apiserver import keys
from controlplane.apiserver.admission.attributes import Attributes, Operation
from controlplane.apiserver.decoding import Admitted, Source, admit_body, decode_object
from controlplane.apiserver.exchange import Answer, Request, answer_object, success
from controlplane.apiserver.kinds.kind import Kind
from controlplane.apiserver.registry import delete, eviction
from controlplane.apiserver.registry.options import (
    DeleteOptions,
    WriteOptions,
    delete_options,
    write_options,
)
from controlplane.apiserver.registry.registry import ATTEMPTS_MAX, Registry
from kubeapi.objects import Object, make_key, name_of, resource_version_of
from kubeapi.resources import EVICTIONS
from kubeapi.status import StatusError, conflict, is_conflict, method_not_allowed

#: The older version of the same; what is asked with it is read alike.
_V1BETA1: Final = "policy/v1beta1"


def _read(request: Request, strictness: str) -> Admitted:
    body = decode_object(request.body, request.content_type)
    if body.get("apiVersion") == _V1BETA1:
        body["apiVersion"] = EVICTIONS.api_version
    return admit_body(EVICTIONS, body, strictness, Source(request.body, request.content_type))


class Evictions:
    """Answers pods/eviction."""

    def __init__(self, registry: Registry, budgets: Kind, journal: Journal, *, wall: Clock) -> None:
        self._registry, self._budgets, self._journal = registry, budgets, journal
        self._wall = wall

    async def create(self, kind: Kind, request: Request) -> Answer:
        """Evict the pod as asked; raises StatusError 429 when a budget forbids it."""
        if request.info.verb != "create":
            raise method_not_allowed(kind.resource, request.info.verb)
        info = request.info
        options = write_options(request)
        admitted = _read(request, options.strictness)
        asked = eviction.eviction_options(admitted.obj, info.name)
        await self._registry.cacher.wait_until_fresh()
        await self._registry.chain.run(
            Attributes(
                operation=Operation.CREATE,
                kind=kind,
                namespace=info.namespace,
                name=info.name,
                subresource=info.subresource,
                obj=admitted.obj,
                object_kind=("policy", "v1", "Eviction"),
                options=options,
            )
        )
        await self._evict(kind, info.namespace, info.name, delete_options(request, asked))
        warnings = [*admitted.warnings, *options.warnings]
        return answer_object(success({}, 201), request.accepted, status=201, warnings=warnings)

    async def _evict(self, kind: Kind, namespace: str, name: str, asked: DeleteOptions) -> None:
        for _ in range(ATTEMPTS_MAX):
            await self._registry.cacher.wait_until_fresh()
            pod = self._registry.get(kind, namespace, name).object
            # It must still be as it was when nothing had to be paid for it.
            budget, pinned = None, not eviction.is_over(pod)
            if not eviction.needs_no_budget(pod):
                budget = self._budget_of(pod, namespace)
                pinned = budget is not None and eviction.counts_for_nothing(pod, budget)
            if budget is not None and not pinned:
                await self._spend(pod, budget, asked)
            try:
                await self._delete(kind, pod, _pinned(asked, pod) if pinned else asked)
            except StatusError as error:
                if not (pinned and is_conflict(error)) or asked.resource_version:
                    raise
                if budget is not None:
                    raise eviction.not_yet(name_of(budget)) from None
                continue
            if not asked.dry_run:
                self._note(pod, "api-evicted", budget="" if budget is None else name_of(budget))
            return
        raise conflict(kind.resource, name)

    def _budget_of(self, pod: Object, namespace: str) -> Object | None:
        cache = self._registry.cacher.cache(self._budgets.resource)
        below = cache.below(keys.prefix(self._budgets.resource, namespace))
        return eviction.budget_of(pod, (stored.object for stored in below))

    async def _spend(self, pod: Object, budget: Object, asked: DeleteOptions) -> None:
        name, namespace = name_of(budget), pod["metadata"]["namespace"]
        try:
            await self._registry.update(
                self._budgets,
                namespace,
                name,
                lambda fresh: eviction.spend(fresh, name_of(pod), self._wall()),
                WriteOptions(dry_run=asked.dry_run),
                subresource="status",
            )
        except StatusError as error:
            if why := eviction.why_refused(error):
                self._note(pod, "eviction-refused", budget=name, why=why)
            raise

    async def _delete(self, kind: Kind, pod: Object, options: DeleteOptions) -> None:
        """Mark the pod with the reason of its end, and delete it; raises StatusError 409."""
        name, namespace = name_of(pod), pod["metadata"]["namespace"]

        def mark(fresh: Object) -> Object:
            delete.check_preconditions(kind, fresh, options)
            return eviction.mark_evicted(fresh, self._wall())

        if not options.dry_run:
            marked = await self._registry.update(
                kind, namespace, name, mark, WriteOptions(), subresource="status"
            )
            if options.resource_version:
                version = resource_version_of(marked.object)
                options = replace(options, resource_version=version)
        await self._registry.delete(kind, namespace, name, options)

    def _note(self, pod: Object, what: str, **details: str) -> None:
        subject = make_key(pod["metadata"]["namespace"], name_of(pod))
        node = (pod.get("spec") or {}).get("nodeName") or ""
        self._journal.note(what, subject, node=node, **details)


def _pinned(asked: DeleteOptions, pod: Object) -> DeleteOptions:
    """Return *asked* about *pod* as it was seen, unless the asker named a version."""
    if asked.resource_version:
        return asked
    return replace(asked, resource_version=resource_version_of(pod))
