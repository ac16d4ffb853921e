"""Our plugins as programs: `python -m nodeagent.cni.plugin PLUGIN NODE-DIRECTORY`.

What CNI_PATH has of ours (`cni/bin` of a node's directory) are two-line shell scripts that begin
this. The node's directory says where its datapath listens and where addresses are kept.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from kubeapi.objects import Object
from nodeagent.cni import version
from nodeagent.cni.errors import CniError
from nodeagent.cni.execute import Executor
from nodeagent.cni.invocation import from_environment
from nodeagent.cni.links import DatapathLinks
from nodeagent.cni.plugins import OURS, Plugins


def main(argv: list[str]) -> int:
    """Answer one call, as the protocol has it."""
    if len(argv) != 2 or argv[0] not in OURS:
        names = "|".join(OURS)
        print(f"usage: python -m nodeagent.cni.plugin {names} DIRECTORY", file=sys.stderr)
        return 2
    name, node = argv[0], Path(argv[1])
    stdin = sys.stdin.buffer.read()
    spoken = version.SUPPORTED[-1]
    try:
        call = from_environment(os.environ, stdin)
        spoken = call.version or spoken

        async def answer() -> Object | None:
            plugins = Plugins(node, DatapathLinks(node / "netlink.sock"), Executor())
            return await plugins.call(name, call)

        result = asyncio.run(answer())
    except CniError as error:
        _print(error.document(spoken))
        return 1
    if result is not None:
        _print(result)
    return 0


def _print(document: Object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
