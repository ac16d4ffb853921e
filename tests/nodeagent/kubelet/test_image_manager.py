"""Images of a pod's containers, look by look, a second apart (images/image_manager_test.go).

The rows are those of pullerTestCases, with a back-off that begins with a second.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from componentbase.rpc import RpcError
from componentbase.timings import KUBERNETES
from nodeagent.kubelet.image_manager import CannotStart, ImageManager
from nodeagent.kubelet.metrics import KubeletMetrics

pytestmark = pytest.mark.asyncio

TIMINGS = replace(KUBERNETES, image_backoff_initial_s=1.0, image_backoff_max_s=60.0)
ERROR, BACKOFF, NEVER = "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"


class Registry:
    """A runtime that has one image, and perhaps cannot have others."""

    def __init__(self, error: RpcError | None) -> None:
        self.sizes = {"docker.io/library/present_image:latest": 5}
        self.error = error
        self.calls: list[str] = []

    async def images(self) -> dict[str, int]:
        return self.sizes

    async def pull_image(self, image: str) -> None:
        self.calls.append("PullImage")
        if self.error is not None:
            raise self.error
        self.sizes = {**self.sizes, f"docker.io/library/{image}:latest": 12}


GONE = RpcError("NotFound", "404")


@pytest.mark.parametrize(
    ("image", "policy", "error", "looks"),
    [
        pytest.param("missing_image", "IfNotPresent", None, [(1, "")], id="missing, pull"),
        pytest.param("present_image", "IfNotPresent", None, [(0, "")] * 3, id="present, no pull"),
        pytest.param("present_image", "Always", None, [(1, "")] * 3, id="present, pull it"),
        pytest.param("missing_image", "Never", None, [(0, NEVER)] * 3, id="missing, never pull"),
        pytest.param(
            "typo_image",
            "IfNotPresent",
            GONE,
            [(1, ERROR), (1, ERROR), (0, BACKOFF), (1, ERROR), (0, BACKOFF), (0, BACKOFF)],
            id="missing, unable to fetch",
        ),
    ],
)
async def test_upstreams_cases(image, policy, error, looks):
    registry, now = Registry(error), 0.0
    manager = ImageManager(registry, TIMINGS, lambda: now, KubeletMetrics())
    for pulls, reason in looks:
        now += 1.0
        registry.calls.clear()
        found = ""
        try:
            await manager.ensure(image, policy, lambda *_event: None)
        except CannotStart as waiting:
            found = waiting.waiting.reason
        assert (len(registry.calls), found) == (pulls, reason), f"at {now:g} s"


async def test_what_was_tried_is_told_once_in_upstreams_words():
    told: list[tuple[str, str, str]] = []
    registry, now = Registry(GONE), 0.0
    manager = ImageManager(registry, TIMINGS, lambda: now, KubeletMetrics())
    for step in (0.0, 0.5, 0.25):
        now += step
        with pytest.raises(CannotStart):
            await manager.ensure("typo", "Always", lambda *event: told.append(event))
    error = "rpc error: code = NotFound desc = 404"
    assert told == [
        ("Normal", "Pulling", 'Pulling image "typo"'),
        ("Warning", "Failed", f'Failed to pull image "typo": {error}'),
        ("Warning", "Failed", "Error: ErrImagePull"),
        ("Normal", "BackOff", 'Back-off pulling image "typo"'),
        ("Warning", "Failed", "Error: ImagePullBackOff"),
    ]
    registry.error = None
    now += 10
    told.clear()
    await manager.ensure("typo", "Always", lambda *event: told.append(event))
    words = 'Successfully pulled image "typo" in 0s (0s including waiting). Image size: 12 bytes.'
    assert told[-1] == ("Normal", "Pulled", words)
