"""One run of a scenario against a cluster that is up: do, look, judge, put everything back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import ALL, Resource
from kubeapi.status import StatusError, is_not_found
from podwire.cli import CommandFailed
from podwire.cli.objects import apply_object, read_manifests
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.launcher import client as launcher
from podwire.scenario import commands
from podwire.scenario.expectations import Expectation, Judge, Verdict, When
from podwire.scenario.eyes import Eyes
from podwire.scenario.felt import Felt
from podwire.scenario.load import Load
from podwire.scenario.model import Scenario, Step
from podwire.scenario.world import World

_TICK_S: Final = 0.05
_STEADY_TIMEOUT_S: Final = 60.0
#: Requests that go well before anything is broken, so that a report has a "before".
_CALM_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Something to tell while the scenario runs: seconds since its first step."""

    at_s: float
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run came out."""

    verdicts: Sequence[Verdict]
    moments: Sequence[Moment]
    felt: Felt | None

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


@dataclass(slots=True)
class _Course:
    """A run under way."""

    judges: list[Judge] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)


class Run:
    """Plays one scenario."""

    def __init__(
        self, scenario: Scenario, cluster: Cluster, paths: Layout, tell: Callable[[Moment], None]
    ) -> None:
        self._scenario, self._cluster, self._paths = scenario, cluster, paths
        self._tell, self._course = tell, _Course()
        self._began = clock.monotonic()
        self._tasks = Tasks()

    def _now(self) -> float:
        return clock.monotonic() - self._began

    def _say(self, text: str, style: str = "") -> None:
        moment = Moment(self._now(), text, style)
        self._course.moments.append(moment)
        self._tell(moment)

    async def to_the_end(self) -> Result:
        """Play everything; raises UsageError or CommandFailed when it cannot be played."""
        await _check_needs(self._scenario, self._cluster, self._paths)
        before = await _not_running(self._paths)
        client = RestClient.from_kubeconfig(self._paths.kubeconfig, user_agent="podwire-scenario")
        eyes = Eyes(client, probes_writes=self._scenario.probes_writes)
        manifests = [obj for path in self._scenario.manifests for obj in read_manifests(str(path))]
        load = Load(self._scenario.load, self._scenario.seed, self._cluster, self._paths.directory)
        try:
            await self._prepare(client, eyes, manifests)
            load.start(self._tasks)
            await asyncio.sleep(_CALM_S if self._scenario.load else 0.0)
            first = eyes.world()
            self._began = clock.monotonic()
            await self._play(eyes)
            felt = await load.end()
            self._judge_the_whole(first, eyes.world(), felt)
            return Result(self._course.verdicts, self._course.moments, felt)
        finally:
            await self._put_back(client, eyes, manifests, before)
            await self._tasks.close()
            await client.close()

    async def _prepare(self, client: RestClient, eyes: Eyes, manifests: list[Object]) -> None:
        for manifest in manifests:
            self._say(await apply_object(client, manifest, "default"), "dim")
        await eyes.open(self._tasks)
        try:
            async with asyncio.timeout(_STEADY_TIMEOUT_S):
                while wrong := self._not_steady(eyes.world(), manifests):
                    await asyncio.sleep(_TICK_S)
        except TimeoutError:
            raise CommandFailed(
                f"the cluster did not become steady in {_STEADY_TIMEOUT_S:.0f} s: {wrong}"
            ) from None
        world = eyes.world()
        self._say(f"{len(world.nodes)} nodes and {len(world.pods)} pods Ready", "dim")

    @staticmethod
    def _not_steady(world: World, manifests: list[Object]) -> str:
        """Return what is missing before the first step, or ""."""
        missing = [f"{node} is not Ready" for node in world.unready_nodes()] + world.missing_pods()
        for manifest in manifests:
            name = name_of(manifest)
            if manifest["kind"] == "Deployment" and name not in world.wanted:
                missing.append(f"Deployment {name} is not there")
            if manifest["kind"] == "Service" and not world.endpoints.get(name):
                missing.append(f"Service {name} has no endpoint")
        return missing[0] if missing else ""

    async def _play(self, eyes: Eyes) -> None:
        """Take every step at its time and judge what it expected."""
        course, waiting = self._course, list(self._scenario.steps)
        while waiting or course.judges:
            if waiting and waiting[0].at_s <= self._now():
                await self._take(waiting.pop(0))
            self._look(eyes.world())
            await asyncio.sleep(_TICK_S)

    async def _take(self, step: Step) -> None:
        at = self._now()  # What is expected counts from when it was begun.
        for words in step.commands:
            self._say(" ".join(words), "bold")
            await asyncio.to_thread(commands.run, words, self._cluster.name)
        self._course.judges += [Judge(expected, at) for expected in step.expected]

    def _look(self, world: World) -> None:
        open_judges = []
        for judge in self._course.judges:
            verdict = judge.see(world, self._now())
            if verdict is None:
                open_judges.append(judge)
            else:
                self._conclude(verdict)
        self._course.judges = open_judges

    def _conclude(self, verdict: Verdict) -> None:
        self._course.verdicts.append(verdict)
        took = "" if verdict.took_s is None else f" (after {verdict.took_s:.1f} s)"
        why = f": {verdict.why}" if verdict.why else ""
        mark, style = ("✓", "green") if verdict.passed else ("✗", "bold red")
        self._say(f"{mark} {verdict.expectation.text}{took}{why}", style)

    def _judge_the_whole(self, first: World, last: World, felt: Felt | None) -> None:
        for expected in self._scenario.expected:
            why = _kept(first, last) if expected.when is When.KEPT else _feel(expected, felt)
            self._conclude(Verdict(expected, not why, why))

    # --- afterwards --------------------------------------------------------------------------

    async def _put_back(
        self, client: RestClient, eyes: Eyes, manifests: list[Object], before: dict[str, str]
    ) -> None:
        """Heal what is broken still and remove what was applied; say what could not be."""
        problems = []
        for words in (("fault", "heal"), ("fault", "api", "--heal")):
            problems += await self._try(words)
        for name, state in (await _not_running(self._paths)).items():
            if before.get(name) != state:
                action = "start" if state == "killed" else "resume"
                problems += await self._try(("process", action, name))
        await eyes.clean()
        for manifest in reversed(manifests):
            problems += await _remove(client, manifest)
        for problem in problems:
            self._say(f"not put back: {problem}", "yellow")

    async def _try(self, words: tuple[str, ...]) -> list[str]:
        try:
            await asyncio.to_thread(commands.run, words, self._cluster.name)
        except CommandFailed as error:
            return [str(error)]
        return []


def _kept(first: World, last: World) -> str:
    gone = {pod.key for pod in first.pods if pod.uid not in {now.uid for now in last.pods}}
    return f"{', '.join(sorted(gone)[:3])} went" if gone else ""


def _feel(expected: Expectation, felt: Felt | None) -> str:
    assert expected.feel is not None
    assert felt is not None
    return expected.feel(felt)


async def _not_running(paths: Layout) -> dict[str, str]:
    """Return the processes that are killed or paused, and which of the two."""
    status: dict[str, Any] = await launcher.call_async(paths, "status")
    return {
        row["name"]: row["state"]
        for row in status["processes"]
        if row["state"] in ("killed", "paused")
    }


async def _check_needs(scenario: Scenario, cluster: Cluster, paths: Layout) -> None:
    needs, option = scenario.needs, paths.name_option
    status = await launcher.call_async(paths, "status")
    nodes = len({row["node"] for row in status["processes"] if row.get("node")})
    planes = sum(row["role"] == "apiserver" for row in status["processes"])
    if nodes < needs.nodes or planes < needs.control_planes:
        wanted = f"podwire up{option} --nodes {needs.nodes}"
        if needs.control_planes > 1:
            wanted += f" --control-planes {needs.control_planes}"
        raise UsageError(
            f"{scenario.name!r} needs {needs.nodes} nodes and {needs.control_planes} control "
            f"planes; cluster {cluster.name!r} has {nodes} and {planes}: {wanted}"
        )


async def _remove(client: RestClient, manifest: Object) -> list[str]:
    resource = _resource_of(manifest)
    where = (namespace_of(manifest) or "default") if resource.namespaced else None
    try:
        await client.delete(resource, name_of(manifest), where, propagation="Background")
    except StatusError as error:
        return [] if is_not_found(error) else [str(error)]
    except Unreachable as error:
        return [str(error)]
    return []


def _resource_of(obj: Object) -> Resource:
    return next(
        one for one in ALL if (one.api_version, one.kind) == (obj["apiVersion"], obj["kind"])
    )


def example(name: str) -> Path | None:
    """Return the path of a scenario that comes with podwire."""
    path = SHIPPED / f"{name}.yaml"
    return path if path.is_file() else None


SHIPPED: Final = Path(__file__).resolve().parent / "shipped"
