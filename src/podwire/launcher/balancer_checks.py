"""Health checks of load balancers: a node that hangs is left out, as by a cloud's (contracts §18).

What balances is the kernel, over all nodes that listen at a balancer's address. Every
`period_s` each of those is asked for kube-proxy's `/healthz` (port 10256); while one does not
answer, its listening sockets are silenced (`listeners`). Where the system does not allow that, a
node that hangs keeps its share. Nobody is asked while nobody listens. UDP is not looked after: its
sockets cannot be taken out of their group.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Final

from componentbase.timings import KUBERNETES, TIMINGS
from nodeagent.proxy.proxier_health import PORT
from podwire.cluster import layout
from podwire.cluster.layout import Cluster
from podwire.launcher import listeners
from podwire.launcher.balancing import NodeChecks
from podwire.launcher.listeners import Inode
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import Supervisor

log = logging.getLogger(__name__)

#: Google's checkIntervalSec for Kubernetes' nodes, with upstream's timings.
_PERIOD_S: Final = 8.0
_ASK: Final = b"GET /healthz HTTP/1.0\r\n\r\n"
_DATAPATH: Final = "datapath"


class BalancerChecks:
    """Looks after the nodes of one cluster."""

    def __init__(
        self, cluster: Callable[[], Cluster], supervisor: Supervisor, notes: Notes
    ) -> None:
        self._cluster, self._supervisor, self._notes = cluster, supervisor, notes
        factor = TIMINGS[cluster().timings].node_monitor_grace_s / KUBERNETES.node_monitor_grace_s
        self._period_s = _PERIOD_S * factor
        self._checks = NodeChecks()
        self._silenced: dict[str, dict[Inode, socket.socket]] = {}  # Node → its sockets.

    async def run(self) -> None:
        """Check for ever."""
        while True:
            await asyncio.sleep(self._period_s)
            await self.check()

    async def check(self) -> None:
        """Ask every node that balances, once, and act on it."""
        networks = [IPv4Network(text) for text in self._cluster().external_map.values()]
        open_now = frozenset[Inode]().union(*map(listeners.listening, networks))
        if not open_now and not self._silenced:
            return
        pids = self._datapaths()
        owned = {node: _by_inode(pid) for node, pid in pids.items()}
        balancing = [
            node
            for node, sockets in owned.items()
            if node in self._silenced or not open_now.isdisjoint(sockets)
        ]
        self._checks.keep(balancing)
        answers = await asyncio.gather(*map(self._is_healthy, balancing))
        for node, healthy in zip(balancing, answers, strict=True):
            self._checks.said(node, healthy=healthy)
        out = self._checks.unhealthy()
        for node in [each for each in self._silenced if each not in out]:
            self._let_in(node, owned.get(node, {}))
        for node in out:
            wanted = {inode: fd for inode, fd in owned[node].items() if inode in open_now}
            self._leave_out(node, pids[node], wanted)

    def _datapaths(self) -> dict[str, int]:
        return {
            each.plan.node: each.pid
            for each in self._supervisor.processes()
            if each.plan.role == _DATAPATH and each.plan.node is not None and each.pid is not None
        }

    async def _is_healthy(self, node: str) -> bool:
        address = self._cluster().transport_address(layout.node_number(node))
        try:
            async with asyncio.timeout(self._period_s):
                reader, writer = await asyncio.open_connection(address, PORT)
                try:
                    writer.write(_ASK)
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, ValueError):  # ValueError: a line without end.
            return False
        return line.split()[1:2] == [b"200"]

    def _leave_out(self, node: str, pid: int, wanted: Mapping[Inode, int]) -> None:
        if node not in self._silenced:
            self._notes.note("balancer-left", node)
            self._silenced[node] = {}
        for inode, descriptor in wanted.items():
            try:
                taken = listeners.take(pid, descriptor)
                self._silenced[node][inode] = taken
                listeners.silence(taken)
            except OSError as error:
                log.warning("%s keeps its share of connections: %s", node, error.strerror)

    def _let_in(self, node: str, owned: Mapping[Inode, int]) -> None:
        """Have the sockets that the node still has listen again; a dead one has none."""
        for inode, taken in self._silenced.pop(node).items():
            with taken, contextlib.suppress(OSError):
                if inode in owned:
                    listeners.let_listen(taken)
        if owned:
            self._notes.note("balancer-joined", node)

    def close(self) -> None:
        """Have everybody listen again."""
        for node, pid in self._datapaths().items():
            if node in self._silenced:
                self._let_in(node, _by_inode(pid))


def _by_inode(pid: int) -> dict[Inode, int]:
    return {inode: descriptor for descriptor, inode in listeners.sockets_of(pid)}
