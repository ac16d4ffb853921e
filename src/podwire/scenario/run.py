"""One run of a scenario against a cluster that is up: do, look, judge, put everything back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import Object, name_of
from kubeapi.status import StatusError
from podwire.cli import CommandFailed, api
from podwire.cli.objects import apply_object, read_manifests
from podwire.cluster.layout import Cluster, Layout, UsageError
from podwire.scenario import before, commands, needs
from podwire.scenario.before import Before
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
#: How long an interrupted run waits for the command that it gave last.
_LAST_COMMAND_S: Final = 10.0


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
        self._step: asyncio.Future[str] = _done()

    def _now(self) -> float:
        return clock.monotonic() - self._began

    def _say(self, text: str, style: str = "") -> None:
        moment = Moment(self._now(), text, style)
        self._course.moments.append(moment)
        self._tell(moment)

    async def to_the_end(self) -> Result:
        """Play everything; raises UsageError or CommandFailed when it cannot be played."""
        await needs.check(self._scenario, self._cluster, self._paths)
        client = api.connect(self._paths)
        eyes = Eyes(client, probes_writes=self._scenario.probes_writes)
        manifests = [obj for path in self._scenario.manifests for obj in read_manifests(str(path))]
        load = Load(self._scenario.load, self._scenario.seed, self._cluster, self._paths.directory)
        try:
            there = await before.look(client, self._paths)
            try:
                await self._prepare(client, eyes, manifests, load)
                return await self._play_under(load, eyes)
            finally:
                await self._put_back(client, eyes, manifests, there)
        finally:
            await self._tasks.close()
            await client.close()

    async def _play_under(self, load: Load, eyes: Eyes) -> Result:
        load.start(self._tasks)
        await asyncio.sleep(_CALM_S if self._scenario.load else 0.0)
        first = eyes.world()
        self._began = clock.monotonic()
        await self._play(eyes)
        felt = await load.end()
        self._judge_the_whole(first, eyes.world(), felt)
        return Result(self._course.verdicts, self._course.moments, felt)

    async def _prepare(
        self, client: RestClient, eyes: Eyes, manifests: list[Object], load: Load
    ) -> None:
        wrong = "it does not say what there is"
        try:
            for manifest in manifests:
                self._say(await apply_object(client, manifest, "default"), "dim")
            async with asyncio.timeout(_STEADY_TIMEOUT_S):
                await eyes.open(self._tasks)
                while wrong := self._not_steady(eyes.world(), manifests):
                    await asyncio.sleep(_TICK_S)
                while url := await load.unheard():
                    wrong = f"nobody listens at {url}"
                    await asyncio.sleep(_TICK_S)
        except TimeoutError:
            raise CommandFailed(
                f"the cluster did not become steady in {_STEADY_TIMEOUT_S:.0f} s: {wrong}"
            ) from None
        except (StatusError, Unreachable) as error:
            raise CommandFailed(f"{error}; see podwire status{self._paths.name_option}") from None
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
        while waiting or course.judges or not self._step.done():
            if self._step.done() and waiting and waiting[0].at_s <= self._now():
                self._take(waiting.pop(0))
            self._look(eyes.world())
            await asyncio.sleep(_TICK_S)
            if self._step.done() and (wrong := self._step.result()):
                raise CommandFailed(wrong)

    def _take(self, step: Step) -> None:
        """Begin a step; who judges the earlier ones goes on looking meanwhile."""
        self._step = self._tasks.spawn(self._do(step), name="step")

    async def _do(self, step: Step) -> str:
        """Give the step's commands; return what went wrong, or ""."""
        at = self._now()  # What is expected counts from when it was begun.
        for words in step.commands:
            self._say(" ".join(words), "bold")
            if wrong := await self._command(words):
                return wrong
        self._course.judges += [Judge(expected, at) for expected in step.expected]
        return ""

    async def _command(self, words: Sequence[str]) -> str:
        given = commands.seeded(words, self._scenario.seed)
        try:
            await asyncio.to_thread(commands.run, given, self._cluster.name)
        except CommandFailed as error:
            return str(error)
        return ""

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
        self, client: RestClient, eyes: Eyes, manifests: list[Object], there: Before
    ) -> None:
        """Make the cluster what it was; say what could not be."""
        if not self._step.done():  # Interrupted: a command cannot be, and must not come after.
            await asyncio.wait([self._step], timeout=_LAST_COMMAND_S)
        problems: list[str] = []
        try:
            await there.restore_faults(self._paths)
            undo = await there.undo(client, self._paths)
            problems += [await self._command(words) for words in undo]
        except (UsageError, StatusError, Unreachable) as error:
            problems.append(str(error))
        await eyes.clean()
        problems += [await before.remove(client, manifest) for manifest in reversed(manifests)]
        for problem in filter(None, problems):
            self._say(f"not put back: {problem}", "yellow")


def _done() -> asyncio.Future[str]:
    """Return a step that has been taken."""
    step: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    step.set_result("")
    return step


def _kept(first: World, last: World) -> str:
    gone = {pod.key for pod in first.pods if pod.uid not in {now.uid for now in last.pods}}
    return f"{', '.join(sorted(gone)[:3])} went" if gone else ""


def _feel(expected: Expectation, felt: Felt | None) -> str:
    assert expected.feel is not None
    assert felt is not None
    return expected.feel(felt)


def example(name: str) -> Path | None:
    """Return the path of a scenario that comes with podwire."""
    path = SHIPPED / f"{name}.yaml"
    return path if path.is_file() else None


SHIPPED: Final = Path(__file__).resolve().parent / "shipped"
