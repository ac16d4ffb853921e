"""The load of a scenario: loadgen runs in this process's event loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from componentbase.tasks import Tasks
from loadgen.plan import LoadPlan, PlanError
from loadgen.recording import Recording
from loadgen.results import Event, Report
from loadgen.run import run_load
from netdev.transport_map import TransportMap
from nodeagent.datapath.privileged_ports import listened_for_at
from podwire.cluster.layout import Cluster, UsageError, node_number
from podwire.scenario.expectations import seconds
from podwire.scenario.felt import Felt, outages
from podwire.scenario.model import LoadEntry

#: A scenario ends earlier; loadgen wants to know how long.
_DURATION_S: Final = 3600.0


class Load:
    """Every load of one scenario; what they feel goes into the cluster's journal, too."""

    def __init__(
        self, entries: Sequence[LoadEntry], seed: int, cluster: Cluster, directory: Path
    ) -> None:
        try:
            self._plans = [_plan(entry, seed, cluster) for entry in entries]
        except PlanError as error:
            raise UsageError(f"load: {error}") from None
        self._recordings = [
            Recording(cluster=directory, name=f"scenario-load-{number}")
            for number, _ in enumerate(self._plans, 1)
        ]
        self._stop = asyncio.Event()
        self._runs: list[asyncio.Task[Report]] = []

    async def unheard(self) -> str:
        """Return the first URL at which nobody accepts a connection yet, or ""."""
        for plan in self._plans:
            target = plan.target
            if target.is_datagram:
                continue
            try:
                _, writer = await asyncio.open_connection(target.host, target.port)
            except OSError:
                return plan.url
            writer.close()
        return ""

    def start(self, tasks: Tasks) -> None:
        self._runs = [
            tasks.spawn(run_load(plan, stop=self._stop, recorder=recording), name="load")
            for plan, recording in zip(self._plans, self._recordings, strict=True)
        ]

    async def end(self) -> Felt | None:
        """Stop sending and return what was felt."""
        self._stop.set()
        if not self._runs:
            return None
        reports = [await run for run in self._runs]
        return felt_of(reports, [event for one in self._recordings for event in one.events])


def felt_of(reports: Sequence[Report], events: Sequence[Event]) -> Felt:
    """Add up what several loads felt; latencies are the worst of them."""
    names = {name for report in reports for name in report.latency_s}
    by_load = [[event for event in events if event.subject == report.url] for report in reports]
    return Felt(
        sent=sum(report.sent for report in reports),
        failed=sum(report.failed for report in reports),
        outages=tuple(outage for of_one in by_load for outage in outages(of_one)),
        latency_s={name: max(r.latency_s.get(name, 0.0) for r in reports) for name in names},
    )


def _plan(entry: LoadEntry, seed: int, cluster: Cluster) -> LoadPlan:
    return LoadPlan(
        url=resolved(entry.url, cluster),
        rate=entry.rate,
        duration_s=_DURATION_S,
        timeout_s=seconds(entry.timeout),
        fresh=entry.fresh,
        seed=seed,
    )


def resolved(url: str, cluster: Cluster) -> str:
    """Put an address of this machine in place of a node's name, or of a load balancer's address."""
    parts = urlsplit(url)
    address = _machine_address(parts.hostname or "", cluster)
    if address is None:
        return url
    wanted = parts.port or (443 if parts.scheme == "https" else 80)
    port = listened_for_at(wanted)  # Who is not root has a load balancer's port 80 elsewhere.
    explicit = parts.port is not None or port != wanted
    return urlunsplit(parts._replace(netloc=f"{address}:{port}" if explicit else address))


def _machine_address(host: str, cluster: Cluster) -> str | None:
    """Return where this machine reaches *host*; None: it is no name of the cluster's."""
    if re.fullmatch(r"node-[0-9]+", host):
        number = node_number(host)
        if number not in cluster.node_numbers:
            raise UsageError(f"load: {host}: the nodes are {cluster.nodes_text}")
        return cluster.transport_address(number)
    try:
        address = TransportMap(cluster.external_map).transport(IPv4Address(host))
    except AddressValueError:
        return None
    return None if address is None else str(address)
