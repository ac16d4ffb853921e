"""Makes sure that an image is there (upstream: pkg/kubelet/images/image_manager.go).

What to do is decided in `image_pull`; here the runtime is asked and the pod's events are told.
"""

from __future__ import annotations

from dataclasses import dataclass

from componentbase.clock import Clock
from componentbase.rpc import RpcError
from componentbase.timings import Timings
from nodeagent.kubelet import image_pull
from nodeagent.kubelet.backoff import Backoff
from nodeagent.kubelet.container_status import Waiting
from nodeagent.kubelet.metrics import KubeletMetrics, size_class
from nodeagent.kubelet.recording import Tell
from nodeagent.kubelet.runtime import Runtime
from nodeagent.peer import CONNECTION_CODES


class CannotStart(Exception):
    """The container stays waiting; *retry_s* says when to try again."""

    def __init__(self, waiting: Waiting, retry_s: float) -> None:
        super().__init__(waiting.message)
        self.waiting, self.retry_s = waiting, retry_s


@dataclass(slots=True)
class _Failure:
    error: str
    at: float
    told: bool = False


class ImageManager:
    """The images of one pod's containers."""

    def __init__(
        self, runtime: Runtime, timings: Timings, clock: Clock, metrics: KubeletMetrics
    ) -> None:
        self._runtime, self._timings, self._clock = runtime, timings, clock
        self._metrics = metrics
        self._backoff = Backoff(
            initial_s=timings.image_backoff_initial_s, max_s=timings.image_backoff_max_s
        )
        self._failures: dict[str, _Failure] = {}

    async def ensure(self, image: str, policy: str, tell: Tell) -> None:
        """Have *image*; raises CannotStart when it cannot be had now."""
        invalid = image_pull.invalid_name(image)
        if invalid:
            tell("Warning", "InspectFailed", invalid)
            tell("Warning", "Failed", f"Error: {image_pull.ERR_INVALID_IMAGE_NAME}")
            waiting = Waiting(reason=image_pull.ERR_INVALID_IMAGE_NAME, message=invalid)
            raise CannotStart(waiting, self._timings.pod_resync_s)
        sizes = await self._runtime.images()
        present = image_pull.normalized(image) in sizes or image in sizes
        if image_pull.must_pull(policy, present=present):
            self._hold_back(image, tell)
            await self._pull(image, tell)
        elif present:
            tell("Normal", "Pulled", image_pull.already_present(image))
        else:
            message = image_pull.never_pulled(image)
            tell("Warning", image_pull.ERR_IMAGE_NEVER_PULL, message)
            tell("Warning", "Failed", f"Error: {image_pull.ERR_IMAGE_NEVER_PULL}")
            waiting = Waiting(reason=image_pull.ERR_IMAGE_NEVER_PULL, message=message)
            raise CannotStart(waiting, self._timings.pod_resync_s)

    def _hold_back(self, image: str, tell: Tell) -> None:
        """Raise CannotStart while *image* is in its back-off."""
        failure = self._failures.get(image)
        if failure is None:
            return
        remaining_s = self._backoff.remaining_s(image, failure.at, self._clock())
        if remaining_s <= 0:
            return
        if not failure.told:
            failure.told = True
            tell("Normal", "BackOff", image_pull.backing_off(image, ""))
            tell("Warning", "Failed", f"Error: {image_pull.IMAGE_PULL_BACKOFF}")
        message = image_pull.backing_off(image, failure.error)
        waiting = Waiting(reason=image_pull.IMAGE_PULL_BACKOFF, message=message)
        raise CannotStart(waiting, remaining_s)

    async def _pull(self, image: str, tell: Tell) -> None:
        began = self._clock()
        tell("Normal", "Pulling", f'Pulling image "{image}"')
        try:
            await self._runtime.pull_image(image)
        except RpcError as error:
            if error.code in CONNECTION_CODES:
                raise
            raise self._failed(image, error, tell) from None
        self._failures.pop(image, None)
        self._backoff.forget(image)
        sizes = await self._runtime.images()
        size = sizes.get(image_pull.normalized(image), sizes.get(image, 0))
        took_s = self._clock() - began
        self._metrics.image_pull_seconds.observe((size_class(size),), took_s)
        tell("Normal", "Pulled", image_pull.pulled(image, took_s, size))

    def _failed(self, image: str, error: RpcError, tell: Tell) -> CannotStart:
        text = f"rpc error: code = {error.code} desc = {error.message}"
        self._failures[image] = _Failure(text, self._clock())
        self._backoff.next(image, self._clock(), self._clock())
        tell("Warning", "Failed", image_pull.pull_failed(image, text))
        tell("Warning", "Failed", f"Error: {image_pull.ERR_IMAGE_PULL}")
        waiting = Waiting(reason=image_pull.ERR_IMAGE_PULL, message=text)
        # Soon again, to show that it is backing off.
        return CannotStart(waiting, self._timings.image_backoff_initial_s / 10)
