"""Does what a look at a StatefulSet asks for, and tells so (upstream: StatefulPodControl)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from componentbase.journal import Journal
from controlplane.controllermanager.mutation_cache import MutationCache
from controlplane.controllermanager.pod_control import each, namespace_terminates, slow_start
from controlplane.controllermanager.statefulset.plan import Steps
from kubeapi.client import EventRecorder, RestClient, Unreachable
from kubeapi.objects import Object, key_of, name_of, namespace_of, uid_of
from kubeapi.resources import PERSISTENTVOLUMECLAIMS, PODS
from kubeapi.status import StatusError, is_already_exists, is_not_found

_Verb = Literal["create", "update", "delete"]


class StatefulPodControl:
    """Claims and pods of StatefulSets."""

    def __init__(
        self,
        client: RestClient,
        recorder: EventRecorder,
        journal: Journal,
        known_claims: MutationCache,
    ) -> None:
        self._client, self._recorder, self._journal = client, recorder, journal
        self._claims = known_claims

    async def claims(self, stateful_set: Object, steps: Steps) -> None:
        """Make and change claims; raises the first error."""

        async def create(claim: Object) -> None:
            await self._create_claim(stateful_set, claim)

        async def update(claim: Object) -> None:
            answer = await self._client.update(PERSISTENTVOLUMECLAIMS, claim)
            self._claims.wrote(answer, namespace_of(claim))

        await each(steps.create_claims, create)
        await each(steps.update_claims, update)

    async def _create_claim(self, stateful_set: Object, claim: Object) -> None:
        namespace = namespace_of(stateful_set)
        ordinal = name_of(claim).rpartition("-")[2]
        pod = f"{name_of(stateful_set)}-{ordinal}"
        what = f"create Claim {name_of(claim)} Pod {pod} in StatefulSet {name_of(stateful_set)}"
        try:
            made = await self._client.create(PERSISTENTVOLUMECLAIMS, claim, namespace)
        except StatusError as error:
            if is_already_exists(error):
                return
            if not namespace_terminates(error):
                text = f"{what} failed error: {error.message}"
                self._recorder.event(stateful_set, "Warning", "FailedCreate", text)
            raise
        self._claims.wrote(made, namespace)
        self._recorder.event(stateful_set, "Normal", "SuccessfulCreate", f"{what} success")

    async def create(
        self, stateful_set: Object, pods: Sequence[Object]
    ) -> tuple[int, Exception | None]:
        """Make pods, in growing batches; return how many were made, and the first error."""
        waiting = iter(pods)

        async def one() -> None:
            await self._create_pod(stateful_set, next(waiting))

        return await slow_start(len(pods), one)

    async def _create_pod(self, stateful_set: Object, pod: Object) -> None:
        try:
            made = await self._client.create(PODS, pod, namespace_of(stateful_set))
        except StatusError as error:
            if not is_already_exists(error) and not namespace_terminates(error):
                self._tell("create", stateful_set, pod, error.message)
            raise
        owner = f"StatefulSet/{name_of(stateful_set)}"
        self._journal.note("pod-created", key_of(made), owner=owner)
        self._tell("create", stateful_set, pod)

    async def update(self, stateful_set: Object, pods: Iterable[Object]) -> None:
        async def one(pod: Object) -> None:
            try:
                await self._client.update(PODS, pod)
            except StatusError as error:
                self._tell("update", stateful_set, pod, error.message)
                raise
            self._tell("update", stateful_set, pod)

        await each(pods, one)

    async def delete(
        self,
        stateful_set: Object,
        pods: Iterable[Object],
        never: Callable[[Object], None],
    ) -> Exception | None:
        """End pods; *never* hears of those whose end will not come. Return the first error."""
        errors: list[Exception] = []

        async def one(pod: Object) -> None:
            name, namespace = name_of(pod), namespace_of(pod)
            try:
                await self._client.delete(PODS, name, namespace, uid=uid_of(pod))
            except Unreachable as error:
                never(pod)
                errors.append(error)
            except StatusError as error:
                never(pod)
                if is_not_found(error):
                    return
                self._tell("delete", stateful_set, pod, error.message)
                errors.append(error)
            else:
                self._tell("delete", stateful_set, pod)

        await each(pods, one)
        return errors[0] if errors else None

    def _tell(self, verb: _Verb, stateful_set: Object, pod: Object, error: str = "") -> None:
        text = f"{verb} Pod {name_of(pod)} in StatefulSet {name_of(stateful_set)}"
        if error:
            reason, text = f"Failed{verb.title()}", f"{text} failed error: {error}"
            self._recorder.event(stateful_set, "Warning", reason, text)
        else:
            reason = f"Successful{verb.title()}"
            self._recorder.event(stateful_set, "Normal", reason, f"{text} successful")
