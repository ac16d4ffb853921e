"""One node's podruntime: what an idle pod costs, and how fast pods start.

Pods are real processes behind a veth that swallows frames. *Private* is what a pod wrote to; PSS
adds its share of the zygote's image. What dirties memory is found by comparing the two figures
after each step; componentbase.memory says what was done about it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.row import Row
from componentbase.rpc import Client, connect_retrying
from netdev import veth_server
from netdev.framing import MESSAGE_OCTETS_MAX
from netdev.veth_server import VethServer

_PODS: Final = 100
_PSS_MB: Final = 5.0
_SETTLE_S: Final = 1.0


class _Sink:
    """The datapath's end of every veth: lets pods up and ignores what they send."""

    def __init__(self, path: Path) -> None:
        self._veths: list[socket.socket] = []
        self._loop = asyncio.get_running_loop()
        self._server = VethServer(path, self._hello)
        self._server.start()

    def _hello(self, _interface: str, veth: socket.socket, _offload: bool) -> str:
        self._veths.append(veth)
        veth_server.accept(veth)
        self._loop.add_reader(veth, self._drop, veth)
        return ""

    def _drop(self, veth: socket.socket) -> None:
        if not veth.recv(MESSAGE_OCTETS_MAX):
            self._loop.remove_reader(veth)

    def close(self) -> None:
        """Cut every veth."""
        self._server.close()
        for veth in self._veths:
            self._loop.remove_reader(veth)
            veth.close()


def run() -> Iterator[Row]:
    """Measure and yield the rows."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        config = directory / "podruntime.json"
        log = directory / "podruntime.log"
        config.write_text(
            json.dumps({"node_name": "node-1", "directory": folder, "log_file": str(log)})
        )
        process = subprocess.Popen([sys.executable, "-m", "podruntime", str(config)])
        try:
            yield from asyncio.run(_measure(directory))
        finally:
            process.terminate()
            process.wait()


async def _measure(directory: Path) -> list[Row]:
    sink = _Sink(directory / "veth.sock")
    client = await connect_retrying(directory / "cri.sock")
    try:
        await _start(client, directory, 0)  # The zygote is ready when the first pod is.
        began = time.monotonic()
        await asyncio.gather(*(_start(client, directory, n) for n in range(1, _PODS)))
        rate = (_PODS - 1) / (time.monotonic() - began)
        pids = [each["pid"] for each in await client.call("ListPodSandbox")]
        sandbox = [_kib(pid) for pid in pids]
        for each in await client.call("ListPodSandbox"):
            await _pause(client, each["id"])
        await asyncio.sleep(_SETTLE_S)
        return _rows(rate, sandbox, [_kib(pid) for pid in pids])
    finally:
        for each in await client.call("ListPodSandbox"):
            await client.call("RemovePodSandbox", {"pod_sandbox_id": each["id"]})
        await client.close()
        sink.close()


def _rows(rate: float, sandbox: list[dict[str, float]], pod: list[dict[str, float]]) -> list[Row]:
    pss = _mean(pod, "Pss:")
    steps = (
        f"private: {_mean(sandbox, 'Private_Dirty:'):.1f} MB as a sandbox,"
        f" {_mean(pod, 'Private_Dirty:'):.1f} MB with its container"
    )
    return [
        Row(f"PSS of an idle pod (mean of {_PODS} on one node)", f"{pss:.2f} MB", "≤ 5 MB",
            pss <= _PSS_MB, steps),
        Row("RunPodSandbox, all at once", f"{rate:.0f} pods/s"),
    ]  # fmt: skip


def _mean(pods: list[dict[str, float]], name: str) -> float:
    return statistics.mean(each[name] for each in pods) * 1024 / 1e6


def _kib(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {words[0]: float(words[1]) for words in map(str.split, lines)}


async def _start(client: Client, directory: Path, number: int) -> None:
    network = {
        "interface": f"veth{number}",
        "mac": f"0a:58:0a:f4:01:{number:02x}",
        "address": f"10.244.1.{number + 2}/24",
        "gateway": "10.244.1.1",
        "mtu": 1450,
        "veth_socket": str(directory / "veth.sock"),
    }
    metadata = {"name": f"pod-{number}", "uid": str(number), "namespace": "default"}
    await client.call("RunPodSandbox", {"config": {"metadata": metadata, "network": network}})


async def _pause(client: Client, sandbox: str) -> None:
    config: dict[str, Any] = {"metadata": {"name": "pause"}, "image": "registry.k8s.io/pause:3.10"}
    params = {"pod_sandbox_id": sandbox, "config": config}
    await client.call("StartContainer", await client.call("CreateContainer", params))
