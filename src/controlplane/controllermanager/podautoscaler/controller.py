"""The horizontal pod autoscaler: metrics in, sizes out (upstream: pkg/controller/podautoscaler).

Every autoscaler is looked at once a period, whatever has changed. A target is whatever has a scale
subresource; of a kind that is not known nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.custom_kinds import versions_of
from controlplane.controllermanager.podautoscaler import plan
from controlplane.controllermanager.podautoscaler.custom_specs import Query, query_of
from controlplane.controllermanager.podautoscaler.limits import Memory
from controlplane.controllermanager.podautoscaler.measured import NoMetricsError
from controlplane.controllermanager.podautoscaler.metric_specs import Measured, needs_resources
from controlplane.controllermanager.podautoscaler.plan import Outcome
from controlplane.controllermanager.podautoscaler.replica_calculator import Settings
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.objects import Object, key_of, labels_of, namespace_of
from kubeapi.resources import (
    ALL,
    CUSTOMRESOURCEDEFINITIONS,
    HORIZONTALPODAUTOSCALERS,
    PODMETRICS,
    PODS,
    Resource,
)
from kubeapi.selectors import LabelSelector, SelectorError, parse_label_selector
from kubeapi.status import StatusError, is_conflict, is_not_found

_WORKERS: Final = 5
_Answers = dict[int, Sequence[Object] | NoMetricsError]
_NO_SELECTOR: Final = "the HPA target's scale is missing a selector"
_BAD_SELECTOR: Final = "couldn't convert selector into a corresponding internal selector object: "


class HorizontalController:
    """Autoscalers in, scales of their targets out."""

    def __init__(self, context: Context) -> None:
        self._context, self._client = context, context.client
        self._recorder = context.recorder("horizontal-pod-autoscaler")
        self._settings = Settings().faster(context.pace)
        self._pods = context.informer(PODS)
        self._definitions = context.informer(CUSTOMRESOURCEDEFINITIONS)
        self._autoscalers = context.informer(HORIZONTALPODAUTOSCALERS)
        self._queue: WorkQueue[str] = WorkQueue("horizontalpodautoscaler")
        self._memories: dict[str, Memory] = {}
        self._selectors: dict[str, LabelSelector] = {}
        self._autoscalers.add_handler(
            on_add=lambda new: self._queue.add(key_of(new)),
            on_update=lambda old, new: self._updated(old, new),
            on_delete=lambda old: self._forget(key_of(old)),
        )

    async def run(self) -> None:
        for informer in (self._pods, self._definitions, self._autoscalers):
            await informer.wait_synced()
        await run_workers(self._queue, self._look, workers=_WORKERS)

    def _updated(self, old: Object, new: Object) -> None:
        if old.get("spec") != new.get("spec"):  # A status is what we wrote ourselves.
            self._queue.add(key_of(new))

    def _forget(self, key: str) -> None:
        self._memories.pop(key, None)
        self._selectors.pop(key, None)

    async def _look(self, key: str) -> None:
        autoscaler = self._autoscalers.get(key)
        if autoscaler is None:
            return self._forget(key)
        try:
            await self._reconcile(key, autoscaler)
        finally:
            self._queue.add_after(key, self._settings.sync_period_s)

    async def _reconcile(self, key: str, autoscaler: Object) -> None:
        now = self._context.wall()
        try:
            resource, scale = await self._scale(autoscaler)
        except (StatusError, LookupError) as error:
            outcome = plan.without_scale(autoscaler, str(error), now)
            await self._tell(autoscaler, outcome, None, done=False)
            return
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        memory = self._memories.setdefault(key, Memory())
        memory.begin(current, now)
        outcome = plan.got_scale(autoscaler, now)
        if not plan.forced(autoscaler, current, outcome, now):
            measured = await self._measured(key, autoscaler, scale, outcome)
            if measured is not None:
                plan.decide(autoscaler, measured, memory, outcome, now)
        refusal = await self._resize(resource, scale, outcome)
        if outcome.replicas is not None:
            plan.rescaled(outcome, refusal, now)
            if not refusal:
                behavior = autoscaler["spec"].get("behavior")
                memory.scaled(behavior, current, outcome.replicas, now)
        await self._tell(autoscaler, outcome, current, done=not refusal)

    async def _resize(self, resource: Resource, scale: Object, outcome: Outcome) -> str:
        """Give the target its new size; return why that did not work."""
        if outcome.replicas is None:
            return ""
        spec = {**(scale.get("spec") or {}), "replicas": outcome.replicas}
        try:
            await self._client.update(resource, {**scale, "spec": spec}, subresource="scale")
        except StatusError as error:
            return str(error)
        return ""

    async def _scale(self, autoscaler: Object) -> tuple[Resource, Object]:
        """Return what the target is, and its scale; raises StatusError, LookupError."""
        target = autoscaler["spec"]["scaleTargetRef"]
        found = [each for each in self._kinds(target) if each.namespaced]
        if not found:
            raise LookupError(_no_match(target))
        scale = await self._client.get(
            found[0], target["name"], namespace_of(autoscaler), subresource="scale"
        )
        return found[0], scale

    def _kinds(self, target: Object) -> list[Resource]:
        """Return the kinds that a reference may mean, that of its own version first."""
        version = target.get("apiVersion") or "v1"
        custom = [each for crd in self._definitions.items() for each in versions_of(crd)]
        of_kind = [
            each
            for each in (*ALL, *custom)
            if each.kind == target["kind"] and each.group == _group_of(version)
        ]
        return sorted(of_kind, key=lambda each: each.api_version != version)

    async def _measured(
        self, key: str, autoscaler: Object, scale: Object, outcome: Outcome
    ) -> Measured | None:
        """Return what is known of the target's pods; None when it is not known which they are."""
        text = (scale.get("status") or {}).get("selector") or ""
        now, namespace = self._context.wall(), namespace_of(autoscaler)
        if not text:
            plan.without_selector(
                outcome, "SelectorRequired", _NO_SELECTOR, "selector is required", now
            )
            return None
        try:
            selector = parse_label_selector(text)
        except SelectorError as error:
            why = f"{_BAD_SELECTOR}{error}"
            plan.without_selector(outcome, "InvalidSelector", why, why, now)
            return None
        pods = [
            pod
            for pod in self._pods.by_index("namespace", namespace)
            if selector.matches(labels_of(pod))
        ]
        rivals = self._rivals(key, selector, pods)
        if rivals:
            why = plan.ambiguous(text, rivals)
            plan.without_selector(outcome, "AmbiguousSelector", why, why, now)
            return None
        specs = autoscaler["spec"]["metrics"]
        return Measured(
            pods=pods,
            metrics=await self._metrics(namespace, text) if needs_resources(specs) else [],
            replicas=int((scale.get("spec") or {}).get("replicas") or 0),
            settings=self._settings,
            answers=await self._answers(specs, namespace, text),
            there=int((scale.get("status") or {}).get("replicas") or 0),
            namespace=namespace,
        )

    async def _answers(self, specs: Sequence[Object], namespace: str, pods: str) -> _Answers:
        """Ask for what is not about resources."""
        answers: _Answers = {}
        for number, spec in enumerate(specs):
            try:
                query = query_of(spec, namespace, pods, self._described)
            except LookupError as error:
                answers[number] = _unfetched("custom", error)
                continue
            if query is not None:
                answers[number] = await self._answer(query)
        return answers

    async def _answer(self, query: Query) -> Sequence[Object] | NoMetricsError:
        try:
            found = await self._client.read(query.path, query.selectors)
        except (StatusError, Unreachable) as error:
            return _unfetched(query.server, error)
        items: list[Object] = found.get("items") or []
        return items

    def _described(self, reference: Object) -> Resource:
        """Return the resource of an object that a metric describes; raises LookupError."""
        found = self._kinds(reference)
        if not found:
            raise LookupError(_no_match(reference))
        return found[0]

    def _rivals(self, key: str, selector: LabelSelector, pods: list[Object]) -> list[str]:
        """Return the autoscalers that mean some of *pods*, where there are several."""
        self._selectors[key] = selector
        namespace = key.partition("/")[0]
        labels = [labels_of(pod) for pod in pods]
        found = [
            other
            for other, theirs in self._selectors.items()
            if other.partition("/")[0] == namespace and any(map(theirs.matches, labels))
        ]
        return sorted(found) if len(found) > 1 else []

    async def _metrics(self, namespace: str, selector: str) -> list[Object] | NoMetricsError:
        try:
            answer = await self._client.list(PODMETRICS, namespace, label_selector=selector)
        except (StatusError, Unreachable) as error:
            return NoMetricsError(f"unable to fetch metrics from resource metrics API: {error}")
        items: list[Object] = answer.get("items") or []
        return items

    async def _tell(
        self, autoscaler: Object, outcome: Outcome, current: int | None, *, done: bool
    ) -> None:
        for kind, reason, text in outcome.events:
            self._recorder.event(autoscaler, kind, reason, text)
        now = self._context.wall()
        status = plan.status(autoscaler, outcome, current, done=done, now=now)
        if status == (autoscaler.get("status") or {}):
            return
        changed = {**autoscaler, "status": status}
        try:
            await self._client.update(HORIZONTALPODAUTOSCALERS, changed, subresource="status")
        except StatusError as error:
            # It was changed or deleted meanwhile: the next look sees that.
            if not is_conflict(error) and not is_not_found(error):
                raise


def _no_match(reference: Object) -> str:
    group = _group_of(reference.get("apiVersion") or "v1")
    return f'no matches for kind "{reference["kind"]}" in group "{group}"'


def _unfetched(server: str, error: Exception) -> NoMetricsError:
    return NoMetricsError(f"unable to fetch metrics from {server} metrics API: {error}")


def _group_of(api_version: str) -> str:
    return api_version.rpartition("/")[0]
