"""How the command line speaks to a running cluster's launcher."""

from __future__ import annotations

import asyncio
from typing import Any

from componentbase import rpc
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import session


def call(paths: Layout, method: str, params: dict[str, Any] | None = None) -> Any:
    """Ask the launcher; raises UsageError when there is none or it says no."""
    return asyncio.run(call_async(paths, method, params))


async def call_async(paths: Layout, method: str, params: dict[str, Any] | None = None) -> Any:
    """Ask the launcher from within an event loop."""
    paths.read_cluster()
    try:
        client = await rpc.Client.connect(paths.launcher_socket)
    except OSError:
        raise UsageError(
            f"the launcher of cluster {paths.directory.name!r} does not answer; "
            "podwire status shows what still runs, podwire down stops it"
        ) from None
    try:
        return await client.call(method, params)
    except rpc.RpcError as error:
        raise UsageError(error.message) from None
    finally:
        await client.close()


def running_session(paths: Layout) -> session.Session | None:
    """Return the cluster's session if any of its processes lives."""
    known = session.read(paths.session_file)
    return known if known is not None and session.members(known) else None
