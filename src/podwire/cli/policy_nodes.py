"""Whether the nodes are of the opinion that the API server's objects come to.

A nodeagent needs a moment to compile a change, and a dead one does not: until then its datapath
judges by what it was told before, and `podwire policy explain` says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from componentbase import rpc
from nodeagent.policy.evaluation import Evaluation, Flow
from nodeagent.policy.explanation import Explanation, Side
from podwire.cli import CommandFailed, netlink
from podwire.cluster.layout import Layout, UsageError

#: What is to be said of the ends of each connection, by direction.
Notes = Sequence[dict[str, str]]


async def disagreements(
    paths: Layout, world: Evaluation, explanations: Sequence[Explanation]
) -> Notes:
    """Ask the node of every end; return what those say that say something else."""
    found: list[dict[str, str]] = []
    for each in explanations:
        notes = {side.direction: await _note(paths, world, each.flow, side) for side in each.sides}
        found.append({direction: note for direction, note in notes.items() if note})
    return found


async def _note(paths: Layout, world: Evaluation, flow: Flow, side: Side) -> str:
    pod = world.pod_at(flow.source if side.direction == "egress" else flow.destination)
    if pod is None or world.is_within_node(flow):
        return ""
    try:
        client = await netlink.connect(paths, pod.node)
    except (CommandFailed, UsageError) as error:
        return f"{pod.node} cannot be asked: {error}"
    try:
        rulings = await client.call(
            "policy_judge",
            {
                "direction": side.direction,
                "source": flow.source,
                "destination": flow.destination,
                "protocol": flow.number,
                "port": flow.port,
            },
        )
    except rpc.RpcError as error:
        return f"{pod.node} cannot be asked: {error.message}"
    finally:
        await client.close()
    said, expected = [each["by"] for each in rulings], [each.by for each in side.rulings]
    if said == expected:
        return ""
    verdict = f"{rulings[-1]['action']} by {said[-1]}" if rulings else "nothing"
    return f"{pod.node} has not been told yet: its datapath says {verdict}"
