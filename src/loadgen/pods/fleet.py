"""Load from inside the cluster: makes the workers' pods, fetches their results, deletes them.

Pods are deleted whatever ends the run; those of a run that was killed are found by their label and
deleted by the next. All workers begin at one moment of the wall clock, told to them when they are
made. A worker that comes up too late, or whose node dies, is not hidden: the first starts the run
anew with more time, the second makes it INVALID.
"""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import psutil

from componentbase import clock
from kubeapi.client import KubeconfigError, RestClient, Unreachable
from kubeapi.objects import Object, name_of
from kubeapi.resources import NODES, PODS, SERVICES
from kubeapi.status import StatusError, is_not_found
from loadgen.cluster_notes import podwire_home
from loadgen.plan import LoadPlan, PlanError
from loadgen.pods import orders
from loadgen.pods.log import WorkerLog
from loadgen.pods.merge import MergedSeconds, merged
from loadgen.pods.orders import NAMESPACE, RUN_LABEL, Order, Owner
from loadgen.report import Progress
from loadgen.results import PlanLine, Result, Second
from loadgen.summary import counted

#: Seconds from making the pods to the first request; a slow machine gets more at the next try.
START_S: Final = 3.0
START_PER_WORKER_S: Final = 0.2
TRIES_MAX: Final = 3
#: How long after that moment every worker must have written that it began.
BEGUN_WITHIN_S: Final = 1.0
#: Logs are fetched so often, and each time a little from before the last time.
FETCH_EVERY_S: Final = 1.0
_OVERLAP_S: Final = 5
#: How long after the last request could have ended a worker may still write its report.
REPORT_WITHIN_S: Final = 10.0
_LOG_OCTETS_MAX: Final = 16 * 1024 * 1024
_CALL_S: Final = 5.0


class Listener(Protocol):
    """Is told how the run goes; see `loadgen.pods.drive`."""

    def begin(self, plan: PlanLine) -> None:
        """All workers are made, and begin when the plan says."""

    def seconds(self, changed: list[Second]) -> None:
        """These seconds of the whole changed."""

    def progress(self, progress: Progress) -> None:
        """About a second has gone by."""

    def notice(self, text: str) -> None:
        """Something happened that a person should know."""


class WorkersError(Exception):
    """The cluster did not let the workers work; the message says what it said."""


class _LateStart(Exception):
    """A worker did not come up in time: another try may succeed."""


def kubeconfig_path(given: Path | None) -> Path:
    """Return the kubeconfig to use: the one given, $KUBECONFIG, or that of the local cluster."""
    if given is not None:
        return given
    if named := os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]:
        return Path(named)
    return podwire_home() / "podwire" / "kubeconfig"


async def run_in_pods(
    plan: LoadPlan,
    workers: int,
    kubeconfig: Path | None,
    listener: Listener,
    *,
    stop: asyncio.Event,
) -> Result:
    """Do what *plan* says from *workers* pods; return their results as one.

    Raises PlanError for what cannot be done, WorkersError when the cluster says no.
    """
    shares = orders.shares(plan, workers)
    try:
        client = RestClient.from_kubeconfig(kubeconfig_path(kubeconfig), user_agent="loadgen")
    except KubeconfigError as error:
        raise PlanError(f"{error}; name one with --kubeconfig, or start a cluster") from None
    try:
        fleet = Fleet(client, plan, shares, listener)
        return await fleet.to_the_end(stop)
    except (StatusError, Unreachable) as error:
        raise WorkersError(f"the cluster's API: {error}") from None
    finally:
        await client.close()


class Fleet:
    """The workers of one run."""

    def __init__(
        self,
        client: RestClient,
        plan: LoadPlan,
        shares: Sequence[LoadPlan],
        listener: Listener,
    ) -> None:
        self._client, self._plan, self._shares = client, plan, shares
        self._listener = listener
        self._whole = MergedSeconds(0.0)
        self._has_begun = False
        self._owner = _this_process()
        self._logs: list[WorkerLog] = []
        self._fetched_at: list[float] = []
        self._pods: list[Object] = []

    async def to_the_end(self, stop: asyncio.Event) -> Result:
        """Run, and leave nothing in the cluster."""
        await self._check_name()
        await self._delete_leftovers()
        allowance_s = START_S + START_PER_WORKER_S * len(self._shares)
        for attempt in range(TRIES_MAX):
            try:
                async with self._workers(clock.wall() + allowance_s * 2**attempt) as start_at:
                    await self._collect(start_at, stop)
                    return self._result(start_at, stopped=stop.is_set())
            except _LateStart as late:
                self._listener.notice(f"{late}; trying again with more time")
        raise WorkersError(
            f"in {TRIES_MAX} tries not all of {len(self._shares)} workers came up in time; "
            "use fewer, or see why: kubectl get pods"
        )

    async def _check_name(self) -> None:
        """Raise PlanError when the host is a name that nobody in the cluster can resolve."""
        host = self._plan.target.host
        if _is_address(host):
            return
        services = (await self._client.list(SERVICES)).get("items", [])
        dns = [each for each in services if name_of(each) == "kube-dns"]
        if not dns:
            hint = orders.service_hint(services, host)
            raise PlanError(f"{host}: the cluster has no DNS, so pods need an address{hint}")

    async def _delete_leftovers(self) -> None:
        found = await self._client.list(PODS, NAMESPACE, label_selector=RUN_LABEL)
        living = {
            process.pid: int(process.info["create_time"] or 0)
            for process in psutil.process_iter(["create_time"])
        }
        for pod in found.get("items", []):
            if orders.is_leftover(pod, self._owner.host, living, clock.wall()):
                self._listener.notice(
                    f"deleting {name_of(pod)}, left over by a run that was killed"
                )
                await self._delete(name_of(pod))

    @asynccontextmanager
    async def _workers(self, start_at: float) -> AsyncIterator[float]:
        """Make the pods; delete them in the end, whatever ended it."""
        try:
            await self._create(start_at)
            yield start_at
        finally:
            await asyncio.shield(self._delete_all())

    async def _create(self, start_at: float) -> None:
        listed = await self._client.list(NODES)
        nodes = orders.schedulable(listed.get("items", []))
        if not nodes:
            raise WorkersError("no node is Ready and takes pods; see kubectl get nodes")
        count = len(self._shares)
        # A name of its own for each try: pods of the last one may still be going.
        run = secrets.token_hex(4)
        self._whole = MergedSeconds(start_at)
        self._logs = [WorkerLog() for _ in range(count)]
        self._fetched_at = [clock.wall()] * count
        self._pods = []
        for index, share in enumerate(self._shares):
            begins_at = start_at + orders.stagger_s(self._plan, index, count)
            order = Order(worker=index + 1, start_at=begins_at, plan=share)
            node = nodes[index % len(nodes)]
            pod = orders.pod(order, run, self._owner, node=node)
            self._pods.append(await self._client.create(PODS, pod, NAMESPACE))

    async def _delete_all(self) -> None:
        for pod in self._pods:
            try:
                await self._delete(name_of(pod))
            except (StatusError, Unreachable) as error:
                self._listener.notice(f"{name_of(pod)} could not be deleted: {error}")

    async def _delete(self, name: str) -> None:
        try:
            await self._client.delete(PODS, name, NAMESPACE, grace_s=0)
        except StatusError as error:
            if not is_not_found(error):
                raise

    async def _collect(self, start_at: float, stop: asyncio.Event) -> None:
        """Fetch logs until every worker has reported, or could have."""
        ends_at = start_at + self._plan.total_s + self._plan.timeout_s + REPORT_WITHIN_S
        while not stop.is_set() and clock.wall() < ends_at:
            await _sleep(FETCH_EVERY_S, stop)
            now = clock.wall()
            await asyncio.gather(*(self._fetch(index) for index in range(len(self._pods))))
            if not self._has_begun and now > start_at + BEGUN_WITHIN_S:
                await self._check_started()
            if all(log.plan for log in self._logs):
                self._tell(start_at, now)
            if all(log.report for log in self._logs):
                return

    def _tell(self, start_at: float, now: float) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._listener.begin(self._plan_line(start_at))
        for worker, log in enumerate(self._logs):
            for second in log.take_new():
                self._whole.put(worker, second)
        self._listener.seconds(self._whole.take_changed())
        self._listener.progress(self._progress(now - start_at))

    async def _fetch(self, index: int) -> None:
        """Fetch what was written since the last time that it could be fetched."""
        path, now = PODS.path(NAMESPACE, name_of(self._pods[index]), "log"), clock.wall()
        back_s = math.ceil(now - self._fetched_at[index]) + _OVERLAP_S
        query = {"limitBytes": str(_LOG_OCTETS_MAX), "sinceSeconds": str(back_s)}
        try:
            octets = await self._client.raw("GET", path, query=query, timeout_s=_CALL_S)
        except (StatusError, Unreachable, TimeoutError):
            return  # Not started yet, or its node is gone. What was fetched before stays.
        self._fetched_at[index] = now
        self._logs[index].feed(octets)

    async def _check_started(self) -> None:
        """Raise _LateStart, or WorkersError, when a worker has not begun."""
        for index, log in enumerate(self._logs):
            if log.plan is None:
                raise await self._why_not_started(index)

    async def _why_not_started(self, index: int) -> Exception:
        pod = await self._client.get(PODS, name_of(self._pods[index]), NAMESPACE)
        complaint = self._logs[index].complaint
        why = complaint or orders.waiting_for(pod)
        if pod["status"].get("phase") == "Failed" and not orders.came_up_late(pod):
            return WorkersError(f"worker {index + 1} ended at once: {why}")
        return _LateStart(f"worker {index + 1}: {why}")

    def _progress(self, elapsed_s: float) -> Progress:
        parts = list(self._whole.parts())
        return Progress(
            elapsed_s=elapsed_s,
            sent=sum(part.sent for part in parts),
            ok=sum(part.ok for part in parts),
            late=sum(part.late for part in parts),
            errors=counted(part.errors for part in parts),
            backends=counted(part.backends for part in parts),
            # The second before the last: what the last fetch found is whole.
            latest=self._whole.at(int(elapsed_s) - 2),
        )

    def _plan_line(self, start_at: float) -> PlanLine:
        nodes = dict.fromkeys(sorted(orders.node_of(pod) for pod in self._pods))
        host = f"{len(self._pods)} pods on {', '.join(nodes)}"
        return PlanLine(plan=self._plan.shape(), started_at=start_at, host=host)

    def _result(self, start_at: float, *, stopped: bool) -> Result:
        found = [result for log in self._logs if (result := log.result()) is not None]
        if not self._has_begun:
            raise WorkersError("stopped before all workers began")
        return merged(self._plan_line(start_at), found, stopped=stopped)


def _this_process() -> Owner:
    created = psutil.Process().create_time()
    return Owner(socket.gethostname(), os.getpid(), int(created))


def _is_address(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        return False
    return True


async def _sleep(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass  # The usual case: nobody stops the run.
