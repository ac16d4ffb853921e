"""Probes of one pod in virtual order: what they tell, and who hears of it."""

from __future__ import annotations

import asyncio

import pytest

from componentbase.clock import monotonic
from nodeagent.kubelet.metrics import KubeletMetrics
from nodeagent.kubelet.pod_actions import Health
from nodeagent.kubelet.probe_actions import ProbeError, ProbeUnknown
from nodeagent.kubelet.prober import Prober
from nodeagent.kubelet.runtime_status import ContainerState, ContainerStatus, PodRuntimeStatus

pytestmark = pytest.mark.asyncio


POD = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}}


class Told:
    """Answers probes from a list, the last answer for ever; notes what is told."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.metrics = KubeletMetrics()
        self.events: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    async def probe(self, _handler, _target, _timeout_s) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def event(self, _pod, _container, reason: str, message: str) -> None:
        self.events.append((reason, message))
        self.changed.set()


def running(started_at: float) -> PodRuntimeStatus:
    container = ContainerStatus(
        id="c1",
        sandbox_id="s",
        name="app",
        attempt=0,
        state=ContainerState.RUNNING,
        started_at=started_at,
    )
    return PodRuntimeStatus(uid="u", name="p", namespace="n", containers=(container,))


async def probe(told: Told, probe: dict[str, object], kind: str = "readinessProbe") -> Prober:
    """Probe until something was told."""
    container = {"name": "app", kind: {"tcpSocket": {"port": 1}, **probe}}
    prober = Prober(
        told,
        monotonic,
        on_change=told.changed.set,
        on_event=told.event,
        metrics=told.metrics,
    )
    prober.sync(POD | {"spec": {"containers": [container]}}, running(1.0))
    async with asyncio.timeout(10):
        await told.changed.wait()
    return prober


async def test_a_warning_is_told_and_is_a_success():
    told = Told("Probe terminated redirects, Response body: x")
    prober = await probe(told, {})
    words = "Readiness probe warning: Probe terminated redirects, Response body: x"
    assert told.events == [("ProbeWarning", words)]
    assert prober.probed("c1").ready
    await prober.close()
    labels = ("Readiness", "successful", "app", "p", "n", "u")
    assert told.metrics.probes.values == {labels: told.asked}
    told.metrics.forget_probes({"metadata": {"name": "other", "namespace": "n"}})
    assert told.metrics.probes.values
    told.metrics.forget_probes(POD)
    assert not told.metrics.probes.values
    assert not told.metrics.probe_seconds.values


@pytest.mark.parametrize("kind", ["readinessProbe", "livenessProbe", "startupProbe"])
async def test_what_tells_nothing_is_tried_thrice_and_changes_nothing(kind):
    """prober_test.go TestProbe: an error is no verdict; worker.go throws it away."""
    told = Told(ProbeUnknown("rpc error: code = NotFound desc = x"))
    prober = await probe(told, {"failureThreshold": 1}, kind)
    title = kind.removesuffix("Probe").capitalize()
    words = "probe errored and resulted in unknown state: rpc error: code = NotFound desc = x"
    assert told.events == [("Unhealthy", f"{title} {words}")]
    assert told.asked == 3
    health = Health.NOT_STARTED if kind == "startupProbe" else Health.WELL
    assert prober.health() == {"c1": health}
    await prober.close()


async def test_a_failure_is_told_and_counts():
    told = Told(ProbeError("HTTP probe failed with statuscode: 500"))
    prober = await probe(told, {"failureThreshold": 1}, "livenessProbe")
    words = "Liveness probe failed: HTTP probe failed with statuscode: 500"
    assert told.events == [("Unhealthy", words)]
    assert prober.health() == {"c1": Health.LIVENESS_FAILED}
    await prober.close()
