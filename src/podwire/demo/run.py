"""The demo: a cluster, an application, traffic, a power cut and the recovery, within a minute."""

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
from componentbase.timings import TIMINGS
from kubeapi.client import RestClient
from kubeapi.objects import Object
from loadgen.plan import LoadPlan
from loadgen.report import Progress, Report
from loadgen.run import run_load
from podwire.cli import CommandFailed
from podwire.cli.objects import apply_object
from podwire.cluster.layout import Cluster, Layout
from podwire.demo import render
from podwire.demo.observer import Entry
from podwire.demo.watch import Watch
from podwire.launcher import client as launcher

NODE: Final = "node-2"
SERVICE: Final = "web"
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
        self._entries: list[Entry] = []
        self._began = clock.wall()
        self._url = f"http://{cluster.transport_address(1)}:{NODE_PORT}/hostname"

    async def run(self, manifests: Sequence[Object], replicas: int) -> bool:
        """Play the whole story; return whether the cluster recovered."""
        client = RestClient.from_kubeconfig(self._paths.kubeconfig, user_agent="podwire-demo")
        watch = Watch(
            client,
            node=NODE,
            service=SERVICE,
            replicas=replicas,
            lease_renew_s=TIMINGS[self._cluster.timings].node_lease_renew_s,
            tell=self._tell,
        )
        try:
            for manifest in manifests:
                self._say(await apply_object(client, manifest, "default"))
            await watch.start()
            await self._until_ready(watch, replicas)
            report, recovered = await self._drive_and_break(watch)
        finally:
            await watch.close()
            await client.close()
        self._conclude(report, watch)
        return recovered

    def _say(self, text: str) -> None:
        self._console.print(f"  [dim]{clock.wall() - self._began:8.2f} s[/]  {text}")

    def _tell(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._console.print(render.line(entry, self._began))

    async def _until_ready(self, watch: Watch, replicas: int) -> None:
        try:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                while watch.ready_pods() < replicas:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CommandFailed(
                f"only {watch.ready_pods()} of {replicas} pods became Ready"
            ) from None
        self._say(f"{replicas} pods Ready on {self._cluster.nodes} nodes")

    async def _drive_and_break(self, watch: Watch) -> tuple[Report, bool]:
        plan = LoadPlan(
            url=self._url,
            rate=_RATE,
            duration_s=_TRAFFIC_MAX_S,
            timeout_s=_REQUEST_TIMEOUT_S,
            fresh=True,
        )
        stop = asyncio.Event()
        self._say(f"traffic: {_RATE:.0f} requests/s to {self._url}")
        tasks = Tasks()
        with Live(console=self._console, transient=True, refresh_per_second=4) as live:
            load = tasks.spawn(
                run_load(plan, lambda progress: live.update(_status(progress)), stop=stop),
                name="load",
            )
            try:
                recovered = await self._break(watch)
                stop.set()
                return await load, recovered
            finally:
                await tasks.close()

    async def _break(self, watch: Watch) -> bool:
        """Kill the node, wait for the recovery, bring the node back."""
        await asyncio.sleep(_CALM_BEFORE_S)
        watch.killed()
        await launcher.call_async(self._paths, "node", {"action": "kill", "name": NODE})
        for moment in ("not-ready", "endpoints-out", "replaced"):
            if not await watch.until(moment, timeout_s=_STEP_TIMEOUT_S):
                self._say(f"[bold red]{moment} was not seen in {_STEP_TIMEOUT_S:.0f} s[/]")
                return False
        await asyncio.sleep(_CALM_AFTER_S)
        watch.observer.started(clock.wall())
        await launcher.call_async(self._paths, "node", {"action": "start", "name": NODE})
        if not await watch.until("node-back", timeout_s=_STEP_TIMEOUT_S):
            return False
        await asyncio.sleep(_CALM_AFTER_S)
        return True

    def _conclude(self, report: Report, watch: Watch) -> None:
        killed = watch.observer.moment("kill")
        if killed is None:
            return
        for failure, name in ((report.first_failure, "first"), (report.last_failure, "last")):
            if failure is not None:
                text = f"{name} failed request was sent ({failure.error})"
                self._entries.append(Entry(failure.sent_at, text, "magenta"))
        seconds = [render.Second(second.ok, second.failed) for second in report.series]
        self._console.rule("[bold]What happened[/], in seconds since the kill", align="left")
        self._console.print(render.timeline(self._entries, killed))
        self._console.print()
        self._console.print(render.traffic(seconds, killed - report.started_at))
        self._console.print()
        self._console.print(render.summary(_summary(report, watch, killed)))


def _status(progress: Progress) -> Text:
    text = Text(f"  {progress.rate:4.0f} requests/s  ")
    text.append(f"{progress.ok} ok  ", style="green")
    text.append(f"{progress.failed} failed  ", style="red" if progress.failed else "dim")
    if progress.p99_s is not None:
        text.append(f"p99 {1000 * progress.p99_s:.0f} ms", style="dim")
    return text


def _summary(report: Report, watch: Watch, killed: float) -> list[tuple[str, str]]:
    def after(moment: str) -> str:
        at = watch.observer.moment(moment)
        return "never" if at is None else f"{at - killed:.1f} s after the kill"

    rows = [
        ("noticed (NotReady)", after("not-ready")),
        ("traffic moved (endpoints out)", after("endpoints-out")),
        ("capacity back (pods replaced)", after("replaced")),
    ]
    if report.first_failure is not None and report.last_failure is not None:
        window_s = report.last_failure.sent_at - report.first_failure.sent_at
        rows.append(("clients saw errors for", f"{window_s:.1f} s"))
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
