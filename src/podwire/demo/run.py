"""The demo: a cluster, an application, traffic, a power cut and the recovery, within a minute.

What is shown while it lasts are the notes of the cluster's own processes, the same lines as
`podwire events -f` shows; at the end stands their explanation, as of `podwire events --explain`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from componentbase import clock
from componentbase.tasks import Tasks
from kubeapi.client import RestClient
from kubeapi.objects import Object
from loadgen.plan import LoadPlan
from loadgen.recording import Recording
from loadgen.report import Progress, Report
from loadgen.run import run_load
from podwire.cli import CommandFailed
from podwire.cli.objects import apply_object
from podwire.cluster.layout import Cluster, Layout
from podwire.demo import moments, render
from podwire.demo.watch import Watch
from podwire.launcher import client as launcher
from podwire.timeline.condense import Line
from podwire.timeline.explain import Explanation, explain
from podwire.timeline.gantt import WIDTH_MIN, gantt
from podwire.timeline.incidents import incidents
from podwire.timeline.render import Printer

NODE: Final = "node-2"
NODE_PORT: Final = 30080
_RATE: Final = 100.0
_REQUEST_TIMEOUT_S: Final = 1.0
_CALM_BEFORE_S: Final = 4.0
_CALM_AFTER_S: Final = 3.0
_STEP_TIMEOUT_S: Final = 40.0
_TRAFFIC_MAX_S: Final = 120.0


class Demo:
    """One run against a cluster that is up."""

    def __init__(self, cluster: Cluster, paths: Layout, console: Console) -> None:
        self._cluster, self._paths, self._console = cluster, paths, console
        self._printer = Printer()
        self._watch = Watch(paths.directory / "journal", self._tell)
        self._began = clock.wall()
        self._url = f"http://{cluster.transport_address(1)}:{NODE_PORT}/hostname"

    async def run(self, manifests: Sequence[Object], replicas: int) -> bool:
        """Play the whole story; return whether the cluster recovered."""
        client = RestClient.from_kubeconfig(self._paths.kubeconfig, user_agent="podwire-demo")
        try:
            for manifest in manifests:
                self._say(await apply_object(client, manifest, "default"))
            self._watch.start()
            await self._until_ready(replicas)
            report, recovered = await self._drive_and_break(replicas)
        finally:
            await self._watch.close()
            await client.close()
        self._watch.look()
        self._conclude(report)
        return recovered

    def _say(self, text: str) -> None:
        self._console.print(f"  [dim]{clock.wall() - self._began:8.2f} s[/]  {text}")

    def _tell(self, line: Line) -> None:
        self._console.print(self._printer.line(line), soft_wrap=True)

    async def _until_ready(self, replicas: int) -> None:
        def ready() -> int:
            return len(moments.ready_pods(self._watch.notes))

        if not await self._watch.until(lambda _: ready() >= replicas, timeout_s=_STEP_TIMEOUT_S):
            raise CommandFailed(f"only {ready()} of {replicas} pods became Ready")
        self._say(f"{replicas} pods Ready on {self._cluster.nodes} nodes")
        # Ready pods get traffic a moment later; what fails before is no consequence of the kill.
        nodes = [f"node-{number}" for number in self._cluster.node_numbers]
        if not await self._watch.until(
            lambda notes: moments.programmed(notes, nodes, replicas), timeout_s=_STEP_TIMEOUT_S
        ):
            raise CommandFailed(f"not every proxy knows the {replicas} endpoints")

    async def _drive_and_break(self, replicas: int) -> tuple[Report, bool]:
        plan = LoadPlan(
            url=self._url,
            rate=_RATE,
            duration_s=_TRAFFIC_MAX_S,
            timeout_s=_REQUEST_TIMEOUT_S,
            fresh=True,
        )
        stop = asyncio.Event()
        self._say(f"traffic: {_RATE:.0f} requests/s to {self._url}")
        recording = Recording(cluster=self._paths.directory, name="loadgen")
        tasks = Tasks()
        with Live(console=self._console, transient=True, refresh_per_second=4) as live:

            def progress(now: Progress) -> None:
                live.update(_status(now))

            load = tasks.spawn(run_load(plan, progress, stop=stop, recorder=recording), name="load")
            try:
                recovered = await self._break(replicas)
                stop.set()
                return await load, recovered
            finally:
                await tasks.close()

    async def _break(self, replicas: int) -> bool:
        """Kill the node, wait for the recovery, bring the node back."""
        await asyncio.sleep(_CALM_BEFORE_S)
        dead = moments.pods_on(self._watch.notes, NODE)
        self._say(f"[bold red]{NODE} is killed[/]: SIGKILL to all its processes, {dead} pods")
        await launcher.call_async(self._paths, "node", {"action": "kill", "name": NODE})
        if not await self._saw("not-ready"):
            return False
        if not await self._watch.until(
            lambda notes: moments.replaced(notes, NODE, replicas), timeout_s=_STEP_TIMEOUT_S
        ):
            self._say(f"[bold red]no recovery was seen in {_STEP_TIMEOUT_S:.0f} s[/]")
            return False
        await asyncio.sleep(_CALM_AFTER_S)
        await launcher.call_async(self._paths, "node", {"action": "start", "name": NODE})
        if not await self._saw("ready-again"):
            return False
        await asyncio.sleep(_CALM_AFTER_S)
        return True

    async def _saw(self, what: str) -> bool:
        """Wait for a note about the node."""
        seen = await self._watch.until(
            lambda notes: moments.was(notes, what, NODE), timeout_s=_STEP_TIMEOUT_S
        )
        if not seen:
            self._say(f"[bold red]{NODE} {what} was not seen in {_STEP_TIMEOUT_S:.0f} s[/]")
        return seen

    def _conclude(self, report: Report) -> None:
        notes = self._watch.notes
        killed = next((one for one in incidents(notes) if one.node == NODE), None)
        if killed is None:
            return
        explanation = explain(notes, killed)
        seconds = [render.Second(second.ok, second.failed) for second in report.series]
        self._console.width = max(self._console.width, WIDTH_MIN)
        self._console.rule("[bold]What happened[/], and why it took so long", align="left")
        self._console.print(gantt(explanation, self._console.width))
        self._console.print()
        self._console.print(render.traffic(seconds, killed.note.at - report.started_at))
        self._console.print()
        self._console.print(render.summary(_summary(report, explanation)))


def _status(progress: Progress) -> Text:
    text = Text(f"  {progress.rate:4.0f} requests/s  ")
    text.append(f"{progress.ok} ok  ", style="green")
    text.append(f"{progress.failed} failed  ", style="red" if progress.failed else "dim")
    if progress.p99_s is not None:
        text.append(f"p99 {1000 * progress.p99_s:.0f} ms", style="dim")
    return text


def _summary(report: Report, explanation: Explanation) -> list[tuple[str, str]]:
    def after(step: str) -> str:
        at = [one.after_s for one in explanation.steps if one.moment.step == step]
        return f"{at[-1]:.1f} s after the kill" if at else "never"

    rows = [
        ("noticed (NotReady)", after("not-ready")),
        ("traffic moved (every proxy programmed)", after("programmed")),
        ("capacity back (last pod Ready)", after("pod-ready")),
    ]
    felt = moments.failures(explanation)
    if felt is not None and report.first_failure is not None and report.last_failure is not None:
        rows.append(("clients saw errors for", f"{felt[1] - felt[0]:.1f} s"))
        killed_at = explanation.incident.note.at
        before_s = felt[0] - (report.first_failure.sent_at - killed_at)
        after_s = report.last_failure.sent_at - killed_at - felt[1]
        if max(before_s, after_s) > _REQUEST_TIMEOUT_S:
            rows.append(("mind", "at other times requests failed that the kill does not explain"))
    share = 100 * report.ok / report.sent if report.sent else 0.0
    rows.append(("requests", f"{report.sent} sent, {report.ok} ok ({share:.1f} %)"))
    errors = ", ".join(f"{count} {kind}" for kind, count in report.errors.items()) or "none"
    rows.append(("errors", errors))
    if report.latency_s:
        p50, p99 = (1000 * report.latency_s[name] for name in ("p50", "p99"))
        rows.append(("latency, time-outs included", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"))
    if not report.kept_its_rate:
        rows.append(("mind", f"{report.late} requests left late: this machine was busy"))
    return rows


def example(name: str) -> Path:
    """Return the path of a manifest in `examples/`; raises CommandFailed when it is not there."""
    path = Path(__file__).resolve().parents[3] / "examples" / name
    if not path.exists():
        raise CommandFailed(f"{path} is missing: the demo runs from a checkout")
    return path
