"""The "netlink" server: the node's tables for the nodeagent, by RPC on a Unix socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

import msgspec

from componentbase.clock import Clock, wall_ns
from componentbase.rpc import Connection, Handler, Params, RpcError, Server
from netdev.probing import Probing
from netstack import socket_table
from nodeagent.datapath import listing, tables
from nodeagent.datapath.capture import Captures
from nodeagent.datapath.conntrack_events import ConntrackEvents
from nodeagent.datapath.control import Control
from nodeagent.datapath.host_listeners import HostListeners
from nodeagent.datapath.node import Node
from nodeagent.datapath.outside_world import OutsideWorld
from nodeagent.datapath.uplinks import Uplinks
from nodeagent.datapath.veth_faults import VethFaults

EntryT = TypeVar("EntryT")


class Netlink:
    """Answers for *node*; *on_links_deleted* and *on_frontends* tell the shell what changed."""

    def __init__(
        self,
        node: Node,
        control: Control,
        uplinks: Uplinks,
        clock: Clock,
        *,
        veths: VethFaults,
        host_listeners: HostListeners,
        world: OutsideWorld,
        after: Callable[[], None],
        on_links_deleted: Callable[[list[str]], None],
        on_frontends: Callable[[], None],
        frontend_state: Callable[[str, int, str], Mapping[str, object]],
        shell_drops: Callable[[], Mapping[str, int]],
    ) -> None:
        self._node, self._control, self._clock, self._after = node, control, clock, after
        self._uplinks, self._veths, self._host_listeners = uplinks, veths, host_listeners
        self._on_links_deleted, self._on_frontends = on_links_deleted, on_frontends
        self._frontend_state, self._shell_drops = frontend_state, shell_drops
        self._world = world
        self._captures = Captures(node)
        self._conntrack_events = ConntrackEvents(node.conntrack, clock)
        self._probing = Probing(node.stack, clock, self._send_own)
        self._server: Server | None = None

    async def start(self, path: Path) -> None:
        """Serve at *path*."""
        self._server = Server(path, self._handlers(), on_close=self._forget_reader)
        await self._server.start()

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            await self._server.close()

    def _handlers(self) -> dict[str, Handler]:
        control, node, uplinks, veths = self._control, self._node, self._uplinks, self._veths
        return {
            "link_replace": self._replace(tables.Link, control.link_replace),
            "link_delete": self._delete(str, self._link_delete),
            "link_list": self._list(lambda: listing.links(node)),
            "address_replace": self._replace(tables.Address, control.address_replace),
            "address_delete": self._delete(str, control.address_delete),
            "address_list": self._list(lambda: listing.addresses(node)),
            "vtep_replace": self._replace(tables.Vtep, control.vtep_replace),
            "vtep_delete": self._delete(str, control.vtep_delete),
            "vtep_list": self._list(lambda: listing.vteps(node)),
            "route_replace": self._replace(tables.Route, control.route_replace),
            "route_delete": self._delete(str, control.route_delete),
            "route_list": self._list(lambda: listing.routes(node)),
            "egress_rule_replace": self._replace(tables.EgressRule, control.egress_rule_replace),
            "egress_rule_delete": self._delete(str, control.egress_rule_delete),
            "egress_rule_list": self._list(lambda: listing.egress_rules(node)),
            "neighbour_replace": self._replace(tables.Neighbour, control.neighbour_replace),
            "neighbour_delete": self._delete(tuple[str, str], control.neighbour_delete),
            "neighbour_list": self._list(lambda: listing.neighbours(node)),
            "fdb_replace": self._replace(tables.Fdb, control.fdb_replace),
            "fdb_delete": self._delete(tuple[str, str], control.fdb_delete),
            "fdb_list": self._list(lambda: listing.fdb(node)),
            "frontend_replace": self._replace(tables.Frontend, self._frontend_replace),
            "frontend_delete": self._delete(tuple[str, int, str], self._frontend_delete),
            "frontend_list": self._list(lambda: self._with_state(listing.frontends(node))),
            "host_port_replace": self._replace(tables.HostPort, self._host_port_replace),
            "host_port_delete": self._delete(tuple[str, int, str], self._host_port_delete),
            "host_port_list": self._list(lambda: self._with_state(listing.host_ports(node))),
            "address_set_replace": self._replace(tables.AddressSet, control.address_set_replace),
            "address_set_delete": self._delete(str, control.address_set_delete),
            "address_set_list": self._list(lambda: listing.address_sets(node)),
            "policy_replace": self._replace(tables.Policy, control.policy_replace),
            "policy_delete": self._delete(str, control.policy_delete),
            "policy_list": self._list(lambda: listing.policies(node)),
            "policy_judge": self._policy_judge,
            "policy_log": self._list(lambda: listing.policy_log(node, self._clock(), wall_ns())),
            "impairment_replace": self._replace(
                tables.Impairment, lambda entries: uplinks.impair(entries, self._clock())
            ),
            "impairment_delete": self._delete(str, uplinks.heal),
            "impairment_list": self._list(uplinks.rows),
            "link_impairment_replace": self._replace(
                tables.LinkImpairment, lambda entries: veths.impair(entries, self._clock())
            ),
            "link_impairment_delete": self._delete(
                tuple[str, str], lambda keys: veths.heal(keys, self._clock())
            ),
            "link_impairment_list": self._list(veths.rows),
            "host_listener_replace": self._replace(
                tables.HostListener, self._host_listeners.replace
            ),
            "host_listener_delete": self._delete(tuple[str, int], self._host_listeners.delete),
            "host_listener_list": self._list(self._host_listeners.rows),
            "outside_service_replace": self._replace(tables.OutsideService, self._world.replace),
            "outside_service_delete": self._delete(tuple[str, int, str], self._world.delete),
            "outside_service_list": self._list(self._world.rows),
            "conntrack_list": self._list(lambda: listing.conntrack(node, self._clock())),
            "conntrack_delete": self._conntrack_delete,
            "conntrack_watch": self._conntrack_watch,
            "socket_list": self._list(lambda: socket_table.sockets(node.stack, self._clock())),
            "counters": self._list(lambda: listing.counters(node, self._shell_drops())),
            "settings": self._settings,
            "probe": self._probe,
            "capture_open": self._capture_open,
        }

    def _replace(
        self, kind: type[EntryT], apply: Callable[[list[EntryT]], None]
    ) -> Callable[[Connection, Params], Awaitable[None]]:
        return self._apply("entries", kind, apply)

    def _delete(
        self, kind: type[EntryT], apply: Callable[[list[EntryT]], object]
    ) -> Callable[[Connection, Params], Awaitable[None]]:
        return self._apply("keys", kind, apply)

    def _apply(
        self, field: str, kind: type[EntryT], apply: Callable[[list[EntryT]], object]
    ) -> Callable[[Connection, Params], Awaitable[None]]:
        async def handler(_connection: Connection, params: Params) -> None:
            with _Refusals():
                apply(msgspec.convert(params[field], list[kind]))  # type: ignore[valid-type]
            self._after()

        return handler

    def _list(
        self, rows: Callable[[], object]
    ) -> Callable[[Connection, Params], Awaitable[object]]:
        async def handler(_connection: Connection, _params: Params) -> object:
            return rows()

        return handler

    def _link_delete(self, names: list[str]) -> None:
        self._on_links_deleted(names)
        self._control.link_delete(names)
        self._on_frontends()  # Ports of pods in the node's network may be free again.

    def _frontend_replace(self, entries: list[tables.Frontend]) -> None:
        self._control.frontend_replace(entries)
        self._on_frontends()

    def _frontend_delete(self, keys: list[tuple[str, int, str]]) -> None:
        self._control.frontend_delete(keys)
        self._on_frontends()

    def _host_port_replace(self, entries: list[tables.HostPort]) -> None:
        self._control.host_port_replace(entries)
        self._on_frontends()

    def _host_port_delete(self, keys: list[tuple[str, int, str]]) -> None:
        self._control.host_port_delete(keys)
        self._on_frontends()

    def _with_state(self, rows: list[listing.Row]) -> list[listing.Row]:
        """Say of each row that listens whether it could."""
        for row in rows:
            if row.get("listen", True):
                key = str(row["address"]), int(str(row["port"])), str(row["protocol"])
                row.update(self._frontend_state(*key))
        return rows

    async def _settings(self, _connection: Connection, params: Params) -> None:
        with _Refusals():
            self._control.settings(msgspec.convert(params, tables.Settings))

    async def _conntrack_delete(self, _connection: Connection, params: Params) -> list[listing.Row]:
        with _Refusals():
            deleted = self._control.conntrack_delete(
                msgspec.convert(params["flows"], list[tables.Flow])
            )
        return [listing.connection(each, self._clock()) for each in deleted]

    async def _policy_judge(self, _connection: Connection, params: Params) -> list[listing.Row]:
        with _Refusals():
            rulings = self._node.network_policies.ask(
                str(params["direction"]),
                int(ip_address(params["source"])),
                int(ip_address(params["destination"])),
                int(params["protocol"]),
                int(params["port"]),
            )
        return [{"action": each.action, "by": each.by} for each in rulings]

    async def _conntrack_watch(self, connection: Connection, _params: Params) -> None:
        self._conntrack_events.open(connection)

    def _forget_reader(self, connection: Connection) -> None:
        self._captures.close(connection)
        self._conntrack_events.close(connection)

    async def _probe(self, _connection: Connection, params: Params) -> listing.Row:
        with _Refusals():
            return await self._probing.probe(params)

    def _send_own(self) -> None:
        self._node.stack_woken = True
        self._after()

    async def _capture_open(self, connection: Connection, params: Params) -> None:
        with _Refusals():
            self._captures.open(
                connection,
                params["interface"],
                int(params.get("snaplen", 0)),
                str(params.get("filter", "")),
                dropped=bool(params.get("dropped", False)),
            )


class _Refusals:
    """Turns what the parsers say of a request into an answer."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, (ValueError, KeyError, TypeError, msgspec.MsgspecError)):
            raise RpcError("InvalidArgument", str(error) or type(error).__name__) from error
        if isinstance(error, OSError):
            raise RpcError("Unavailable", str(error)) from error
