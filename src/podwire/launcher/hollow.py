"""Acting on hollow nodes: their one process is told which of them live (contracts.md §24)."""

from __future__ import annotations

from typing import Any, Final

from componentbase import rpc
from podwire.cluster.layout import Layout
from podwire.cluster.plan import HOLLOW
from podwire.launcher.notes import Notes

#: A node that begins or ends does so in the same turn; a thousand of them take a while.
_ANSWER_S: Final = 20.0
_VERBS: Final = {"kill": ("node_stop", "killed"), "start": ("node_start", "start")}


async def call(paths: Layout, method: str, params: rpc.Params) -> Any:
    """Ask the process of the hollow nodes; raises RpcError."""
    try:
        client = await rpc.Client.connect(paths.control_socket(HOLLOW))
    except OSError:
        raise rpc.RpcError(
            "Unavailable", "the process of the hollow nodes does not answer; see podwire status"
        ) from None
    try:
        return await client.call(method, params, timeout_s=_ANSWER_S)
    finally:
        await client.close()


async def act(paths: Layout, notes: Notes, action: str, name: str) -> str:
    """Kill or start one hollow node; raises RpcError."""
    verb = _VERBS.get(action)
    if verb is None and action == "shutdown":
        raise rpc.RpcError("FailedPrecondition", f"{name} has no pods that could end: kill it")
    if verb is None:
        raise rpc.RpcError(
            "FailedPrecondition",
            f"{name} has no process of its own; podwire process {action} {HOLLOW} is for all "
            "hollow nodes together",
        )
    await call(paths, verb[0], {"name": name})
    notes.note(verb[1], name)
    return name
