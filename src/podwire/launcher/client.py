"""How the command line speaks to a running cluster's launcher."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from componentbase import rpc
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import session

_TIMEOUT_S: Final = 30.0


def call(
    paths: Layout,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    timeout_s: float = _TIMEOUT_S,
) -> Any:
    """Ask the launcher; raises UsageError when there is none or it says no."""
    return asyncio.run(call_async(paths, method, params, timeout_s=timeout_s))


async def call_async(
    paths: Layout,
    method: str,
    params: dict[str, Any] | None = None,
    *,
    timeout_s: float = _TIMEOUT_S,
) -> Any:
    """Ask the launcher from within an event loop."""
    paths.read_cluster()
    known = running_session(paths)
    if known is not None and session.is_stopped(known.id):
        raise UsageError(
            "the launcher is paused and answers nobody; let it go on: "
            f"podwire process resume launcher{paths.name_option}"
        )
    try:
        client = await rpc.Client.connect(paths.launcher_socket)
    except OSError:
        raise (not_running(paths) if known is None else launcher_gone(paths)) from None
    try:
        return await client.call(method, params, timeout_s=timeout_s)
    except rpc.RpcError as error:
        if error.code in ("DeadlineExceeded", "Disconnected"):
            raise UsageError(f"the launcher does not answer: {error.message}") from None
        raise UsageError(error.message) from None
    finally:
        await client.close()


def not_running(paths: Layout) -> UsageError:
    """Return what is said to who asks something of a cluster that is down."""
    return UsageError(
        f"cluster {paths.directory.name!r} is not running; start it: podwire up{paths.name_option}"
    )


def launcher_gone(paths: Layout) -> UsageError:
    """Return what is said where processes of a cluster live on without their launcher."""
    option = paths.name_option
    return UsageError(
        f"the launcher of cluster {paths.directory.name!r} is gone: the cluster goes on, but "
        f"nothing of it can be started; podwire status{option} shows what still runs, "
        f"podwire down --keep-state{option} and podwire up{option} begin anew"
    )


def running_session(paths: Layout) -> session.Session | None:
    """Return the cluster's session if any of its processes lives."""
    known = session.read(paths.session_file) or session.search(paths.directory)
    return known if known is not None and session.members(known) else None
