"""The load of a scenario: loadgen runs in this process's event loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from componentbase.tasks import Tasks
from loadgen.plan import LoadPlan, PlanError
from loadgen.report import Report
from loadgen.run import run_load
from podwire.cluster.layout import Cluster, UsageError, node_number
from podwire.scenario.expectations import seconds
from podwire.scenario.felt import Felt, outages
from podwire.scenario.model import LoadEntry

#: A scenario ends earlier; loadgen wants to know how long.
_DURATION_S: Final = 3600.0


class Load:
    """Every load of one scenario."""

    def __init__(self, entries: Sequence[LoadEntry], seed: int, cluster: Cluster) -> None:
        try:
            self._plans = [
                LoadPlan(
                    url=_resolved(entry.url, cluster),
                    rate=entry.rate,
                    duration_s=_DURATION_S,
                    timeout_s=seconds(entry.timeout),
                    fresh=entry.fresh,
                    seed=seed,
                )
                for entry in entries
            ]
        except PlanError as error:
            raise UsageError(f"load: {error}") from None
        self._stop = asyncio.Event()
        self._runs: list[asyncio.Task[Report]] = []

    def start(self, tasks: Tasks) -> None:
        self._runs = [
            tasks.spawn(run_load(plan, stop=self._stop), name="load") for plan in self._plans
        ]

    async def end(self) -> Felt | None:
        """Stop sending and return what was felt."""
        self._stop.set()
        if not self._runs:
            return None
        return felt_of([await run for run in self._runs])


def felt_of(reports: Sequence[Report]) -> Felt:
    """Add up what several loads felt; latencies are the worst of them."""
    failed_at = [at for report in reports for at in _failed_at(report)]
    names = {name for report in reports for name in report.latency_s}
    return Felt(
        sent=sum(report.sent for report in reports),
        failed=sum(report.failed for report in reports),
        outages=outages(failed_at),
        latency_s={name: max(r.latency_s.get(name, 0.0) for r in reports) for name in names},
    )


def _failed_at(report: Report) -> list[float]:
    """Return when failed requests were sent, the first and the last of them exactly."""
    ends = [one.sent_at for one in (report.first_failure, report.last_failure) if one is not None]
    return ends + [second.at + 0.5 for second in report.series if second.failed and len(ends) > 1]


def _resolved(url: str, cluster: Cluster) -> str:
    """Put a node's transport address in place of its name."""
    parts = urlsplit(url)
    if not re.fullmatch(r"node-[0-9]+", parts.hostname or ""):
        return url
    address = cluster.transport_address(node_number(parts.hostname or ""))
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit(parts._replace(netloc=f"{address}{port}"))
