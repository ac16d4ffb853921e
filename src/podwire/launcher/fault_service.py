"""The launcher's calls about faults: keep the table, tell whom it concerns (contracts §11)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from componentbase import rpc
from componentbase.journal import Detail
from componentbase.tasks import Tasks
from netdev.impaired_link import COUNTERS
from netdev.impairment import Impairment
from podwire.cluster.layout import Cluster, Layout, UsageError, node_name
from podwire.cluster.plan import FABRIC
from podwire.launcher import faults, pods
from podwire.launcher.faults import ApiFault
from podwire.launcher.link_rules import Rule, link_key, parse_rules
from podwire.launcher.messenger import ANSWER_S, Line, Messenger, ask
from podwire.launcher.notes import Notes
from podwire.launcher.supervisor import State, Supervisor

T = TypeVar("T")
_SEED_BITS: Final = 32
#: Details that a note can do without: what an impairment is when nobody says.
_USUAL: Final = msgspec.structs.asdict(Impairment())


class FaultService:
    """One cluster's faults and its processes that enforce them."""

    def __init__(
        self,
        cluster: Callable[[], Cluster],
        paths: Layout,
        supervisor: Supervisor,
        notes: Notes,
        tasks: Tasks,
    ) -> None:
        self._cluster, self._paths, self._supervisor, self._notes = (
            cluster,
            paths,
            supervisor,
            notes,
        )
        self._table, self._chance = faults.read(paths), random.SystemRandom()
        self._messenger = Messenger(tasks, self._line)

    def handlers(self) -> dict[str, rpc.Handler]:
        """Return the calls that a person's commands make."""
        return {
            "fault_set": self._set,
            "fault_heal": self._heal,
            "fault_list": self._list,
            "api_fault_set": self._set_api,
            "api_fault_heal": self._heal_api,
            "api_fault_list": self._list_api,
        }

    def started(self, process: str) -> None:
        """*process* began: what it enforces it has to be told again."""
        if self._table.concerns(process):
            self._messenger.tell(process)

    def resumed(self, process: str) -> None:
        """*process* runs again: what it did not hear it hears now."""
        self._messenger.look(process)

    def tell_fabric(self) -> None:
        """The cluster has other nodes than before."""
        self._messenger.tell(FABRIC)

    def forget_node(self, node: str) -> None:
        """*node* is no more: nor are its faults."""
        self._end_rules(self._table.heal([node]))
        self._messenger.forget(f"{node}/datapath")

    def _line(self, process: str) -> Line:
        def is_up() -> bool:
            managed = self._supervisor.get(process)
            return managed is not None and managed.state is State.RUNNING

        if process == FABRIC:
            return Line(self._paths.control_socket(process), self._tell_fabric, is_up)
        node, _, role = process.partition("/")
        if role:

            async def tell(client: rpc.Client) -> None:
                await self._tell_datapath(client, node)

            return Line(self._paths.node(node) / "netlink.sock", tell, is_up)
        return Line(self._paths.control_socket(process), self._tell_apiserver, is_up)

    async def _tell_fabric(self, client: rpc.Client) -> None:
        config = msgspec.json.decode(self._paths.config(FABRIC).read_bytes())
        wiring = {key: config[key] for key in ("hosts", "doors", "balancers")}
        await client.call("configure", wiring, timeout_s=ANSWER_S)
        entries = {"entries": self._table.of_fabric()}
        await client.call("impairments_replace", entries, timeout_s=ANSWER_S)

    async def _tell_datapath(self, client: rpc.Client, node: str) -> None:
        """Replace the whole tables; a netlink table is changed by entries."""
        remotes = self._table.of_datapath(self._cluster(), node)
        await _replace(client, "impairment", remotes, lambda entry: entry["remote"])
        links = self._table.of_links(node)
        await _replace(
            client, "link_impairment", links, lambda entry: (entry["name"], entry["direction"])
        )

    async def _tell_apiserver(self, client: rpc.Client) -> None:
        entries = {"entries": self._table.of_apiservers()}
        await client.call("api_faults_replace", entries, timeout_s=ANSWER_S)

    def _end_gone_pods(self) -> None:
        """End the rules of pods that are gone: who enforced them is told with the next news."""
        ended = self._table.end_gone_pods(lambda: {place.uid for place in pods.places(self._paths)})
        for process in self._end_rules(ended):
            self._messenger.tell(process)
        if ended:
            self._table.write(self._paths.faults_file)

    async def _deliver(self, processes: Sequence[str]) -> list[str]:
        """Keep the table and tell *processes*; return those that have not heard in time."""
        self._table.write(self._paths.faults_file)
        for process in processes:
            self._messenger.tell(process)
        return await self._messenger.settle(processes)

    async def _set(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        self._end_gone_pods()
        given = _checked(lambda: parse_rules(self._cluster(), params["rules"]))
        located = _checked(lambda: pods.located(self._paths, given))
        rules = self._table.seeded(located, self._chance.getrandbits(_SEED_BITS))
        self._table.set(rules)
        for rule in rules:
            self._notes.note("fault-set", rule.subject, **_details(rule))
        unheard = await self._deliver(faults.told(rules))
        return {"rules": msgspec.to_builtins(rules), "unheard": unheard}

    async def _heal(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        self._end_gone_pods()
        if "ways" in params:
            healed = self._table.heal_ways([(one, other) for one, other in params["ways"]])
        else:
            healed = self._table.heal([str(name) for name in params.get("hosts", [])])
        processes = self._end_rules(healed)
        return {"healed": len(healed), "unheard": await self._deliver(processes)}

    def _end_rules(self, healed: Iterable[Rule]) -> list[str]:
        healed = list(healed)
        for rule in healed:
            self._notes.note("fault-healed", rule.subject, **_details(rule))
        return faults.told(healed)

    async def _list(self, _connection: rpc.Connection, _params: rpc.Params) -> Any:
        """Return the rules, each with the counters of who enforces it."""
        self._end_gone_pods()
        counters = await self._counters()
        return [
            msgspec.to_builtins(rule) | counters.get(rule.key, {}) for rule in self._table.rules
        ]

    async def _counters(self) -> dict[tuple[str, str], dict[str, int]]:
        processes = faults.told(self._table.rules)
        answers = await asyncio.gather(*(self._ask_counters(process) for process in processes))
        return {key: row for found in answers for key, row in found.items()}

    async def _ask_counters(self, process: str) -> dict[tuple[str, str], dict[str, int]]:
        if process == FABRIC:
            rows = await ask(self._paths.control_socket(process), "impairments_list")
            return {(row["from"], row["to"]): _numbers(row) for row in rows or []}
        node, cluster = process.partition("/")[0], self._cluster()
        socket = self._paths.node(node) / "netlink.sock"
        remotes, links = await asyncio.gather(
            ask(socket, "impairment_list"), ask(socket, "link_impairment_list")
        )
        names = {
            cluster.underlay_address(number): node_name(number) for number in cluster.node_numbers
        }
        ways = {link_key(rule): rule.key for rule in self._table.rules if rule.pod}
        found = {(node, names.get(row["remote"], "")): _numbers(row) for row in remotes or []}
        for row in links or []:
            way = ways.get((row["name"], row["direction"]))
            if way is not None:
                found[way] = _numbers(row)
        return found

    async def _set_api(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        entry = params["entry"]
        fault = _checked(
            lambda: self._table.set_api(faults.parse_api_fault(self._cluster(), entry))
        )
        self._notes.note("api-fault-set", fault.id, **_api_details(fault))
        return {"id": fault.id, "unheard": await self._deliver(self._apiservers())}

    async def _heal_api(self, _connection: rpc.Connection, params: rpc.Params) -> Any:
        healed = self._table.heal_api(str(params.get("id", "")))
        if not healed and params.get("id"):
            raise rpc.RpcError("NotFound", f"there is no API fault {params['id']}")
        for fault in healed:
            self._notes.note("api-fault-healed", fault.id, **_api_details(fault))
        return {"healed": len(healed), "unheard": await self._deliver(self._apiservers())}

    async def _list_api(self, _connection: rpc.Connection, _params: rpc.Params) -> Any:
        """Return the API faults with their hits, summed over the API servers."""
        hits: dict[str, int] = {}
        sockets = [self._paths.control_socket(name) for name in self._apiservers()]
        for rows in await asyncio.gather(*(ask(socket, "api_faults_list") for socket in sockets)):
            for row in rows or []:
                hits[row["id"]] = hits.get(row["id"], 0) + row.get("hits", 0)
        return [
            msgspec.to_builtins(fault) | {"hits": hits.get(fault.id)} for fault in self._table.api
        ]

    def _apiservers(self) -> list[str]:
        return faults.told_of_api(self._cluster())


def _numbers(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in COUNTERS if name in row}


def _details(rule: Rule) -> dict[str, Detail]:
    """Return what is unusual of a rule; several shares are one text, as tc writes them."""
    return {
        name: " ".join(f"{share:g}" for share in value) if isinstance(value, tuple) else value
        for name, value in msgspec.structs.asdict(rule).items()
        if name in _USUAL and value != _USUAL[name]
    }


async def _replace(
    client: rpc.Client,
    table: str,
    wanted: Sequence[dict[str, Any]],
    key_of: Callable[[dict[str, Any]], Any],
) -> None:
    """Let a netlink table have exactly the entries *wanted*."""
    there = await client.call(f"{table}_list", timeout_s=ANSWER_S)
    keys = {key_of(entry) for entry in wanted}
    stale = [key for key in map(key_of, there) if key not in keys]
    if stale:
        await client.call(f"{table}_delete", {"keys": stale}, timeout_s=ANSWER_S)
    if wanted:
        await client.call(f"{table}_replace", {"entries": wanted}, timeout_s=ANSWER_S)


def _api_details(fault: ApiFault) -> dict[str, str | float]:
    given: dict[str, str | float] = msgspec.to_builtins(fault)
    del given["id"]
    return given


def _checked(parse: Callable[[], T]) -> T:
    """Return what *parse* returns; what a person asked for wrongly is an answer to the person."""
    try:
        return parse()
    except UsageError as error:
        raise rpc.RpcError("InvalidArgument", str(error)) from None
