"""Begins a plugin or a runtime as a process of its own for each line that it reads, without delay.

A line is JSON: the directory of the node, what is begun, and after how many seconds it is killed
(0: never). Each process is forked off this one, which has everything imported, and is sent SIGKILL
in the midst of its work. The answer is a line with its exit status.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path

from nodeagent.cni import plugin
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import CniError
from nodeagent.cni.network import CniNetwork
from nodeagent.tables import Tables


def main() -> None:
    """Work until the end of standard input."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid and "life" in order:
            asyncio.run(_live(Path(order["node"]), order["life"]))
        if not pid:
            _become(order)
        if order["kill_after_s"]:
            time.sleep(order["kill_after_s"])
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order) -> None:
    os.environ.update(order["environment"])
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    sys.stdin = io.TextIOWrapper(io.BytesIO(json.dumps(order["config"]).encode()))
    os._exit(plugin.main([order["plugin"], order["node"]]))


async def _live(node: Path, name: str) -> None:
    """ADD and DEL pods, two thirds of them at once, as a nodeagent does."""
    network = CniNetwork(node, Tables(), mtu=1450, path="/nowhere")
    known = [path.name for path in (node / "cni" / "results").iterdir()]
    await network.take_over([])
    await network.collect([each.removeprefix("net-").removesuffix("-eth0") for each in known])
    for number in itertools.count():
        pod = f"{name}-{number}"
        try:
            await network.add(Wanted(container_id=pod, namespace="n", name=pod))
        except CniError:
            await network.delete(f"{name}-{number - 1}")
        if number % 3:
            await network.delete(pod)


if __name__ == "__main__":
    main()
