"""How the command line asks a node's datapath."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from componentbase import rpc
from podwire.cli import CommandFailed
from podwire.cluster.layout import Layout, UsageError, node_number
from podwire.launcher.client import not_running, running_session

T = TypeVar("T")


async def connect(
    paths: Layout,
    node: str,
    on_tell: Callable[[rpc.Connection, str, rpc.Params], None] | None = None,
) -> rpc.Client:
    """Connect to the datapath of *node*; raises UsageError or CommandFailed with what to do."""
    cluster = paths.read_cluster()
    if node_number(node) not in cluster.node_numbers:
        raise UsageError(f"there is no {node}: the nodes are {cluster.nodes_text}")
    try:
        path = paths.node(node) / "netlink.sock"
        return await (
            rpc.Client.connect(path)
            if on_tell is None
            else rpc.Client.connect(path, on_tell=on_tell)
        )
    except OSError:
        if running_session(paths) is None:
            raise not_running(paths) from None
        raise CommandFailed(
            f"the datapath of {node} does not answer; is the node dead? "
            f"See: podwire status{paths.name_option}"
        ) from None


def run(paths: Layout, node: str, work: Callable[[rpc.Client], Awaitable[T]]) -> T:
    """Connect to *node*'s datapath, do *work* with the connection, return its result."""

    async def connected() -> T:
        client = await connect(paths, node)
        try:
            return await work(client)
        except rpc.RpcError as error:
            raise CommandFailed(f"{node}: {error.message}") from None
        finally:
            await client.close()

    return asyncio.run(connected())


def ask(paths: Layout, node: str, method: str, params: dict[str, Any] | None = None) -> Any:
    """Return the datapath's answer to one call."""
    return run(paths, node, lambda client: client.call(method, params or {}))
