"""Chaos: random processes of a cluster die and freeze while it works; afterwards it is whole.

A seed decides who is hit, how and when; it is printed, and `PODWIRE_CHAOS_SEED` gives it again
(the machine's own timing stays its own). `PODWIRE_CHAOS_S` sets how long the storm lasts.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Awaitable
from typing import Any, Final

import psutil
import pytest
from clusters import EXAMPLES, Home, Lab, eventually
from invariants import (
    Witness,
    descriptors,
    every_service_has_exactly_its_ready_endpoints,
    no_descriptors_leak,
    no_files_are_left_over,
    title_of,
)

from componentbase.tasks import Tasks
from kubeapi.client import RestClient, Unreachable
from kubeapi.resources import CONFIGMAPS, DEPLOYMENTS
from kubeapi.status import StatusError
from podwire.launcher import session

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("chaos"),
    pytest.mark.timeout(900),
]

STORM_S: Final = float(os.environ.get("PODWIRE_CHAOS_S", "12"))
SEED: Final = int(os.environ.get("PODWIRE_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
PORT: Final = 30080
REPLICAS: Final = 6
CALL_S: Final = 3.0
SETTLE_S: Final = 60.0


class Writer:
    """Writes ConfigMaps and remembers what may be stored: what was acknowledged is certain.

    A call without an answer may have been carried out, or may yet be; its name is left alone.
    """

    def __init__(self, client: RestClient, rng: random.Random) -> None:
        self._client, self._rng = client, rng
        self.possible: dict[str, set[str | None]] = {}
        self._names: list[str] = []
        self.acknowledged = self.unknown = 0

    async def run(self) -> None:
        number = 0
        while True:
            number += 1
            await self._write(number)
            await asyncio.sleep(0.01)

    async def _write(self, number: int) -> None:
        value: str | None = f"v{number}"
        if len(self._names) < 20:
            name = f"chaos-{number}"
            self._names.append(name)
            call: Awaitable[object] = self._client.create(
                CONFIGMAPS, config_map(name, value), "default"
            )
        else:
            name = self._rng.choice(self._names)
            if self._rng.random() < 0.3:
                self._names.remove(name)
                value, call = None, self._client.delete(CONFIGMAPS, name, "default")
            else:
                call = self._client.update(CONFIGMAPS, config_map(name, value))
        try:
            async with asyncio.timeout(CALL_S):
                await call
        except asyncio.CancelledError:
            self._leave_unknown(name, value)
            raise
        except (Unreachable, StatusError, TimeoutError) as error:
            if isinstance(error, StatusError) and error.code < 500:
                raise  # Only this writer touches its objects: nothing may contradict it.
            self._leave_unknown(name, value)
        else:
            self.acknowledged += 1
            self.possible[name] = {value}

    def _leave_unknown(self, name: str, value: str | None) -> None:
        self.unknown += 1
        self.possible.setdefault(name, {None}).add(value)
        if name in self._names:
            self._names.remove(name)


def config_map(name: str, value: str | None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {"value": value},
    }


class Storm:
    """Hits random processes of the cluster, never its launcher."""

    def __init__(self, lab: Lab, rng: random.Random) -> None:
        known = session.read(lab.paths.session_file)
        assert known is not None
        self._lab, self._rng, self._session = lab, rng, known
        self._frozen: dict[psutil.Process, float] = {}
        self.deeds: list[str] = []

    async def run(self) -> None:
        began = time.monotonic()
        while time.monotonic() - began < STORM_S:
            await asyncio.sleep(self._rng.uniform(0.05, 0.6))
            self._hit(time.monotonic() - began)
        for process in list(self._frozen):
            self._send(process, signal.SIGCONT)

    def _hit(self, now: float) -> None:
        for process, until in list(self._frozen.items()):
            if until < now:
                self._send(process, signal.SIGCONT)
                del self._frozen[process]
        victims = session.members(self._session)[1:]
        if not victims:
            return  # All are dead, and the launcher still warms up a zygote.
        titles = {process: title_of(process) for process in victims}
        # By title first, so that the many pods do not draw all the lightning.
        kinds = sorted({kind_of(title) for title in titles.values()})
        kind = self._rng.choice(kinds)
        hit = [process for process, title in titles.items() if kind_of(title) == kind]
        process = self._rng.choice(hit)
        number = signal.SIGSTOP if self._rng.random() < 0.3 else signal.SIGKILL
        self._send(process, number)
        self.deeds.append(f"{now:6.2f} {number.name} {titles[process]} (pid {process.pid})")
        if number is signal.SIGSTOP:
            self._frozen[process] = now + self._rng.uniform(0.2, 2.0)

    def _send(self, process: psutil.Process, number: signal.Signals) -> None:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            pass  # It went before.


def kind_of(title: str) -> str:
    """Return the title without what numbers and names tell apart."""
    if title.startswith("pod "):
        return "pod"
    if title.partition(" ")[0].endswith("etcd"):
        return "etcd"  # Not one of ours: its title is its command line.
    name = title.partition("/")[2] or title.rpartition(" ")[2]
    return re.sub(r"-[0-9]+$", "", name)


async def scale(client: RestClient, rng: random.Random) -> None:
    """Scale the Deployment up and down for ever."""
    while True:
        await asyncio.sleep(rng.uniform(0.3, 2.0))
        await set_replicas(client, rng.randint(2, 9))


async def set_replicas(client: RestClient, replicas: int) -> bool:
    patch = {"spec": {"replicas": replicas}}
    try:
        async with asyncio.timeout(CALL_S):
            await client.patch(DEPLOYMENTS, "web", patch, "default")
    except (Unreachable, StatusError, TimeoutError):
        return False
    return True


async def fetch(lab: Lab, rng: random.Random, counts: dict[bool, int]) -> None:
    """Fetch through NodePorts for ever, and count how often that works."""
    while True:
        node = rng.choice(lab.cluster.node_numbers)
        try:
            await asyncio.to_thread(lab.fetch, node, PORT, "/hostname", timeout_s=1)
            counts[True] += 1
        except (OSError, ValueError):
            counts[False] += 1
        await asyncio.sleep(0.02)


async def weather(lab: Lab, storm: Storm, rng: random.Random) -> tuple[Writer, Witness]:
    """Let the storm pass over the cluster at work."""
    client = RestClient.from_kubeconfig(lab.paths.kubeconfig, user_agent="chaos")
    writer = Writer(client, random.Random(rng.random()))
    witness = Witness(lab, client)
    fetched = {True: 0, False: 0}
    tasks = Tasks()
    writing = tasks.spawn(writer.run(), name="writer")
    watching = tasks.spawn(witness.run(), name="witness")
    tasks.spawn(scale(client, random.Random(rng.random())), name="scaler")
    tasks.spawn(fetch(lab, random.Random(rng.random()), fetched), name="fetcher")
    try:
        await storm.run()
        assert not writing.done(), writing.exception()
        assert not watching.done(), watching.exception()
        await tasks.close()
        print(
            f"{len(storm.deeds)} hits; {writer.acknowledged} writes acknowledged, "
            f"{writer.unknown} unknown; {fetched[True]} fetched, {fetched[False]} failed"
        )
        async with asyncio.timeout(SETTLE_S):
            while not await set_replicas(client, REPLICAS):
                await asyncio.sleep(0.1)
    finally:
        await tasks.close()
        await client.close()
    return writer, witness


@pytest.fixture(params=[1, 3], ids=["one-master", "three-masters"])
def stormy(home: Home, request: pytest.FixtureRequest) -> Lab:
    if request.param > 1 and shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    home.podwire("up", "--name", "chaos", "--control-planes", str(request.param))
    lab = Lab(home, "chaos")
    lab.podwire("apply", "-f", str(EXAMPLES / "web.yaml"))
    eventually(lambda: len(ready_pods(lab)) == REPLICAS, what="the application is up")
    # The cluster's DNS watches too: connections that a storm did not leave behind.
    eventually(lambda: all(map(ready, listed(lab, "pods -A"))), what="all else is up")
    return lab


def listed(lab: Lab, kind: str) -> list[dict[str, Any]]:
    text = lab.podwire("get", kind, "-o", "json", check=False)
    found: list[dict[str, Any]] = json.loads(text)["items"] if text else []
    return found


def ready(obj: dict[str, Any]) -> bool:
    conditions = {c["type"]: c["status"] for c in obj["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def ready_pods(lab: Lab) -> list[dict[str, Any]]:
    """Return the pods if each of them is Ready and none is about to go."""
    pods = listed(lab, "pods")
    settled = all(ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
    return pods if settled else []


def test_a_cluster_is_whole_after_a_storm(stormy: Lab) -> None:
    print(f"replay: PODWIRE_CHAOS_SEED={SEED} PODWIRE_CHAOS_S={STORM_S:.0f}")
    rng = random.Random(SEED)
    storm = Storm(stormy, random.Random(rng.random()))
    held = descriptors(stormy)
    try:
        writer, witness = asyncio.run(weather(stormy, storm, rng))
        assert witness.looks > 5
        assert witness.violations == []
        nothing_acknowledged_is_missing(stormy, writer)
        everything_runs_again(stormy)
        every_service_has_exactly_its_ready_endpoints(stormy, SETTLE_S)
        no_files_are_left_over(stormy, SETTLE_S)
        no_descriptors_leak(stormy, held, SETTLE_S)
        nothing_is_left_over(stormy)
        down_leaves_nothing(stormy)
    except BaseException:
        print("\n".join(storm.deeds))
        print(tables(stormy))
        raise


def nothing_acknowledged_is_missing(lab: Lab, writer: Writer) -> None:
    eventually(lambda: listed(lab, "configmaps"), within_s=SETTLE_S, what="the API server is back")
    stored = {
        one["metadata"]["name"]: one["data"]["value"]
        for one in listed(lab, "configmaps")
        if one["metadata"]["name"].startswith("chaos-")
    }
    for name, possible in writer.possible.items():
        assert stored.get(name) in possible, name


def everything_runs_again(lab: Lab) -> None:
    def nodes_ready() -> bool:
        nodes = listed(lab, "nodes")
        return len(nodes) == 3 and all(ready(n) and not n["spec"].get("taints") for n in nodes)

    eventually(nodes_ready, within_s=SETTLE_S, what="every node Ready and without taints")
    eventually(lambda: len(ready_pods(lab)) == REPLICAS, within_s=SETTLE_S, what="all pods Ready")

    def every_process_runs() -> bool:
        rows = json.loads(lab.podwire("status", "-o", "json"))
        return {row["state"] for row in rows} == {"running"}

    eventually(every_process_runs, what="every process runs; the back-off of a restart is 5 s")
    names = {pod["metadata"]["name"] for pod in ready_pods(lab)}
    for node in lab.cluster.node_numbers:
        unseen = set(names)

        def all_answer(node: int = node, unseen: set[str] = unseen) -> bool:
            unseen.discard(lab.fetch(node, PORT, "/hostname", timeout_s=2))
            return not unseen

        try:
            eventually(all_answer, within_s=20)
        except BaseException:
            print(f"node {node} does not reach {unseen} of {names}")
            raise


def nothing_is_left_over(lab: Lab) -> None:
    """No process, address or zombie of what was deleted."""
    known = session.read(lab.paths.session_file)
    assert known is not None

    def pods_and_processes() -> tuple[list[str], list[str]]:
        wanted = sorted(
            f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in ready_pods(lab)
        )
        titles = [title_of(process) for process in session.members(known)]
        return wanted, sorted(t.removeprefix("pod ") for t in titles if t.startswith("pod "))

    eventually(
        lambda: (lambda found: found[0] == found[1])(pods_and_processes()),
        what=f"a process for each pod and no other: {pods_and_processes()}",
    )
    wanted = sorted(pod["status"]["podIP"] for pod in ready_pods(lab))
    eventually(lambda: addresses(lab) == wanted, what=f"IPAM: {addresses(lab)}, pods: {wanted}")
    eventually(lambda: zombies(known) == [], what=f"no zombies: {zombies(known)}")


def addresses(lab: Lab) -> list[str]:
    """Return what the nodes' IPAM has handed out."""
    files = (lab.paths.directory / "nodes").glob("*/cni/**/*")
    return sorted(path.name for path in files if path.name.count(".") == 3)


def zombies(known: session.Session) -> list[int]:
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if (
                process.info["status"] == psutil.STATUS_ZOMBIE
                and os.getsid(process.pid) == known.id
            ):
                found.append(process.pid)
        except OSError:
            continue
    return found


def tables(lab: Lab) -> str:
    """Return what each node believes, for whoever reads a failure."""
    shown = [lab.podwire("get pods -o wide", check=False)]
    for node in lab.cluster.node_numbers:
        for command in ("links", "neigh", "fdb", "routes", "services", "conntrack"):
            said = lab.podwire(command, f"node-{node}", check=False)
            shown.append(f"--- {command} node-{node}\n{said}")
        for pod in ready_pods(lab):
            target = pod["metadata"]["name"]
            said = lab.podwire("ping", f"node-{node}", target, "-c", "1", check=False)
            shown.append(f"--- ping node-{node} {target}\n{said}")
    return "\n".join(shown)


def down_leaves_nothing(lab: Lab) -> None:
    known = session.read(lab.paths.session_file)
    assert known is not None
    lab.podwire("down")
    assert session.members(known) == []
    assert not lab.paths.directory.exists()
