"""What holds in a cluster whatever dies in it: watched while it storms, and asked afterwards."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import psutil
from clusters import Lab, eventually

from kubeapi.client import RestClient, Unreachable
from kubeapi.objects import is_being_deleted, key_of
from kubeapi.resources import PODS, SERVICES
from kubeapi.status import StatusError
from podwire.launcher import session

_LOOK_EVERY_S: Final = 0.2
_CALL_S: Final = 3.0
#: Descriptors that a process may hold more than before: connections under way, a log it opened.
_DESCRIPTORS_MORE: Final = 12
#: Ports that a kernel chose.
_EPHEMERAL: Final = re.compile(r":(3[3-9]|[4-6]\d)\d{3}\b")


class Witness:
    """Looks at a cluster at work for what must never be seen."""

    def __init__(self, lab: Lab, client: RestClient) -> None:
        known = session.read(lab.paths.session_file)
        assert known is not None
        self._session, self._client = known, client
        self.looks = 0
        self.violations: list[str] = []

    async def run(self) -> None:
        while True:
            self._no_pod_runs_twice()
            await self._no_address_is_given_twice()
            self.looks += 1
            await asyncio.sleep(_LOOK_EVERY_S)

    def _no_pod_runs_twice(self) -> None:
        running = Counter(
            title
            for process in session.members(self._session)
            if (title := title_of(process)).startswith("pod ")
        )
        self._twice(running, "runs")

    async def _no_address_is_given_twice(self) -> None:
        try:
            async with asyncio.timeout(_CALL_S):
                pods = (await self._client.list(PODS, resource_version="0"))["items"]
                services = (await self._client.list(SERVICES, resource_version="0"))["items"]
        except (Unreachable, StatusError, TimeoutError):
            return  # The API server is among those that are hit.
        given = Counter(
            str(pod["status"]["podIP"])
            for pod in pods
            if (pod.get("status") or {}).get("podIP") and not is_being_deleted(pod)
        )
        self._twice(given, "is the address of pods")
        given = Counter(str(service["spec"].get("clusterIP")) for service in services)
        given.pop("None", None)
        self._twice(given, "is the address of Services")

    def _twice(self, counts: Counter[str], what: str) -> None:
        self.violations += [f"{name} {what}: {n} times" for name, n in counts.items() if n > 1]


def title_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip().removeprefix("podwire: ")
    except psutil.Error:
        return "gone"


def every_service_has_exactly_its_ready_endpoints(lab: Lab, within_s: float) -> None:
    """Compare what every datapath is programmed with to the pods that are Ready."""

    def difference() -> str:
        wanted = _ready_addresses(lab)
        for number in lab.cluster.node_numbers:
            programmed = _programmed(lab, f"node-{number}")
            if programmed != wanted:
                return f"node-{number} sends to {programmed}, Ready are {wanted}"
        return ""

    eventually(lambda: not difference(), within_s=within_s, what=difference())


def _ready_addresses(lab: Lab) -> list[str]:
    pods = json.loads(lab.podwire("get pods -l app=web -o json"))["items"]
    return sorted(
        pod["status"]["podIP"]
        for pod in pods
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])
    )


def _programmed(lab: Lab, node: str) -> list[str]:
    rows = json.loads(lab.podwire("services", node, "-o", "json"))
    shown = [
        sorted(backend["address"] for backend in row["backends"])
        for row in rows
        if row["service"].startswith("default/web:")
    ]
    assert all(one == shown[0] for one in shown), f"{node}: ClusterIP and NodePort differ"
    return shown[0] if shown else []


def descriptors(lab: Lab) -> dict[str, int]:
    """Return how many files and sockets each process holds, pods left out.

    Masters of one kind count as one: clients stay with the API server that lived, and
    who leads holds more than who waits.
    """
    known = session.read(lab.paths.session_file)
    assert known is not None
    held: Counter[str] = Counter()
    for process in session.members(known):
        title = title_of(process)
        try:
            if title != "gone" and not title.startswith("pod "):
                held[re.sub(r"^([a-z-]+)-\d+$", r"\1", title)] += process.num_fds()
        except psutil.Error:
            continue
    return held


def no_descriptors_leak(lab: Lab, before: dict[str, int], within_s: float) -> None:
    # With several masters there are more ways, and each is kept once it was needed.
    allowed = _DESCRIPTORS_MORE * len(lab.cluster.masters)

    def more() -> dict[str, Any]:
        now = descriptors(lab)
        return {
            title: (before[title], now[title])
            for title in before
            if title in now and now[title] > before[title] + allowed
        }

    deadline = time.monotonic() + within_s
    while (found := more()) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    assert not found, f"descriptors, before and now: {found}\n{connections(lab)}"


def connections(lab: Lab) -> str:
    """Return who is connected to whom, pods left out: processes, states, how many."""
    known = session.read(lab.paths.session_file)
    assert known is not None
    rows: Counter[str] = Counter()
    for process in session.members(known):
        title = title_of(process)
        if title == "gone" or title.startswith("pod "):
            continue
        with suppress(psutil.Error):
            for one in process.net_connections("inet"):
                near, far = one.laddr, one.raddr
                ends = f"{near.ip}:{near.port} {far.ip}:{far.port}" if far else f"{near.ip}"
                rows[f"{title} {one.status} {_EPHEMERAL.sub(':*', ends)}"] += 1
    return "\n".join(f"{number:4} {row}" for row, number in sorted(rows.items()))


def no_files_are_left_over(lab: Lab, within_s: float) -> None:
    """Every pod that podruntimes keep files of is a pod that the API knows."""

    def differences() -> set[str]:
        pods = json.loads(lab.podwire("get pods -A -o json"))["items"]
        return _sandboxes(lab) - {key_of(pod) for pod in pods}

    eventually(lambda: not differences(), within_s=within_s, what=f"{differences()} are left over")


def _sandboxes(lab: Lab) -> set[str]:
    found = set()
    for path in (lab.paths.directory / "nodes").glob("*/pods/*/sandbox.json"):
        metadata = json.loads(path.read_text())["config"]["metadata"]
        found.add(f"{metadata['namespace']}/{metadata['name']}")
    return found
