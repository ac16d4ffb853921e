"""Nodes that join and leave a running cluster, and services outside that come and go.

A node gets the lowest free number, its certificates and configurations, and is started like all
others; the fabric is told of its address. One that leaves is killed, its faults, files and
certificates go, and its number is free again. Its objects in the API are the caller's business, and
so are the datapaths that run: their configurations tell of services outside when they start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from componentbase import clock, rpc
from componentbase.directories import remove_tree
from nodeagent.hollow.config import hollow_name
from podwire.cluster import blocks, configs, make, plan
from podwire.cluster.kept import room_for_nodes
from podwire.cluster.layout import (
    HOLLOW_MAX,
    NODES_MAX,
    Cluster,
    Layout,
    UsageError,
    hollow_number,
    node_name,
    node_number,
)
from podwire.cluster.outside import OutsideError, OutsideService
from podwire.launcher import hollow
from podwire.launcher.actions import Actions
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import Supervisor


class Membership:
    """Which nodes the cluster has."""

    def __init__(
        self, cluster: Cluster, paths: Layout, supervisor: Supervisor, notes: Notes
    ) -> None:
        self.cluster = cluster
        self._paths, self._supervisor, self._notes = paths, supervisor, notes
        self._changing = asyncio.Lock()  # Two at once would take the same numbers.

    def free_numbers(self) -> list[int]:
        """Return the numbers that no node has, lowest first."""
        taken = set(self.cluster.node_numbers)
        return [number for number in range(1, NODES_MAX + 1) if number not in taken]

    async def add(self, count: int, token: str = "") -> list[str]:
        """Make *count* nodes, due to be started; returns their names, raises RpcError.

        With a bootstrap *token* they ask for their certificates themselves.
        """
        async with self._changing:
            return await self._add(count, token)

    async def _add(self, count: int, token: str) -> list[str]:
        numbers = self.free_numbers()[:count]
        if count < 1 or len(numbers) < count:
            raise rpc.RpcError(
                "FailedPrecondition",
                f"a cluster has at most {NODES_MAX} nodes; there is room for {len(numbers)} more",
            )
        for number in numbers:
            if not blocks.node_is_free(self.cluster.block, number):
                address = self.cluster.transport_address(number)
                raise rpc.RpcError("FailedPrecondition", f"another program listens on {address}")
        grown = self.cluster.with_nodes([*self.cluster.node_numbers, *numbers])
        try:
            for number in numbers:
                self._make(grown, number, token)
                await asyncio.sleep(0)  # Many certificates must not hold up who else asks.
        except rpc.RpcError:
            for number in numbers:
                self._remove_files(node_name(number), number)
            raise
        self._change(grown)
        plans = [each for number in numbers for each in plan.node(number)]
        self._supervisor.add(plans, clock.monotonic())
        for number in numbers:
            self._notes.note("added", node_name(number))
        return [node_name(number) for number in numbers]

    async def add_hollow(self, count: int) -> list[str]:
        """Have *count* hollow nodes more; returns their names, raises RpcError."""
        async with self._changing:
            taken = set(self.cluster.hollow_numbers)
            free = [number for number in range(1, HOLLOW_MAX + 1) if number not in taken]
            room = room_for_nodes(self.cluster) - len(self.cluster.all_names)
            numbers = free[: min(count, room)]
            if count < 1 or len(numbers) < count:
                raise rpc.RpcError(
                    "FailedPrecondition",
                    f"there is room for {max(0, min(room, len(free)))} hollow nodes more: a "
                    f"cluster has at most {HOLLOW_MAX}, and each node a part of the pods' network; "
                    "one that begins with more than 256 nodes has a wider one",
                )
            grown = self.cluster.with_hollow([*taken, *numbers])
            try:
                make.make_hollow(grown, self._paths)
            except UsageError as error:
                raise rpc.RpcError("FailedPrecondition", str(error)) from None
            await self._change_hollow(grown)
            names = [hollow_name(number) for number in numbers]
            for name in names:
                self._notes.note("added", name)
            return names

    async def _change_hollow(self, cluster: Cluster) -> None:
        self._change(cluster)
        configs.write_hollow(cluster, self._paths)
        if self._supervisor.get(plan.HOLLOW) is None:
            self._supervisor.add(plan.hollow(cluster), clock.monotonic())
        elif self._supervisor.is_up(plan.HOLLOW):
            await hollow.call(self._paths, "nodes_set", {"numbers": list(cluster.hollow_numbers)})

    async def _remove_hollow(self, name: str) -> None:
        number = hollow_number(name)
        numbers = set(self.cluster.hollow_numbers)
        if number not in numbers:
            raise rpc.RpcError("NotFound", f"there is no node {name}")
        await self._change_hollow(self.cluster.with_hollow(numbers - {number}))
        self._notes.note("removed", name)

    async def remove(self, node: str, actions: Actions) -> None:
        """End *node*: kill its processes, remove its files; raises RpcError."""
        async with self._changing:
            if hollow_number(node):
                await self._remove_hollow(node)
            else:
                await self._remove(node, actions)

    async def _remove(self, node: str, actions: Actions) -> None:
        if not self._supervisor.of_node(node):
            raise rpc.RpcError("NotFound", f"there is no node {node}")
        if len(self.cluster.node_numbers) == 1:
            raise rpc.RpcError("FailedPrecondition", f"{node} is the last node of the cluster")
        async with actions.acting:
            await actions.kill_for_good(node)
            self._supervisor.remove_node(node)
        number = node_number(node)
        self._change(self.cluster.with_nodes(set(self.cluster.node_numbers) - {number}))
        self._remove_files(node, number)
        self._notes.note("removed", node)

    async def change_outside(
        self, change: Callable[[tuple[OutsideService, ...]], tuple[OutsideService, ...]]
    ) -> tuple[OutsideService, ...]:
        """Map other services outside; returns them all, raises RpcError."""
        async with self._changing:
            try:
                services = change(self.cluster.outside)
            except OutsideError as error:
                raise rpc.RpcError("FailedPrecondition", str(error)) from None
            self._change(msgspec.structs.replace(self.cluster, outside=services))
            for number in self.cluster.node_numbers:
                configs.write_node(self.cluster, self._paths, number)
            return services

    def _change(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._paths.write_cluster(cluster)
        configs.write_fabric(cluster, self._paths)

    def _remove_files(self, node: str, number: int) -> None:
        paths = self._paths
        remove_tree(paths.node(node))
        files = [paths.certificate(node), paths.private_key(node), paths.component_kubeconfig(node)]
        files += [paths.bootstrap_kubeconfig(node), paths.bootstrap_token(node)]
        files += [paths.config(process.file_name) for process in plan.node(number)]
        for path in files:
            path.unlink(missing_ok=True)

    def _make(self, cluster: Cluster, number: int, token: str) -> None:
        try:
            make.make_node(cluster, self._paths, number, token)
        except UsageError as error:
            raise rpc.RpcError("FailedPrecondition", str(error)) from None
        except OSError as error:
            raise rpc.RpcError("Unavailable", f"cannot make the node: {error}") from None
