import copy
import random

from nodeagent.tables import BATCH_MAX, KEYS, Tables


class Datapath:
    """Executes changes as contracts.md says."""

    def __init__(self) -> None:
        self.tables: dict[str, dict] = {table: {} for table in KEYS}
        self.calls: list[str] = []

    def execute(self, tables: Tables) -> None:
        for change in tables.changes():
            method, params = change.call()
            table, _, verb = method.rpartition("_")
            self.calls.append(method)
            for entry in params.get("entries", ()):
                self.tables[table][tuple(entry[f] for f in KEYS[table])] = entry
            for key in params.get("keys", ()):
                self.tables[table].pop(tuple(key) if isinstance(key, list) else (key,))
            assert verb in ("replace", "delete")
            tables.applied(change)

    def listed(self, tables: Tables) -> None:
        for table in KEYS:
            tables.observed(table, copy.deepcopy([*self.tables[table].values()]))


def route(number: int, via: int = 0):
    return {"destination": f"10.{number}.0.0/24", "device": "d", "via": f"10.0.0.{via}"}


def test_what_is_wanted_is_written_once():
    tables, datapath = Tables(), Datapath()
    tables.replace("route", route(1))
    datapath.execute(tables)
    datapath.execute(tables)
    assert datapath.calls == ["route_replace"]


def test_unclaimed_table_is_never_emptied():
    tables, datapath = Tables(), Datapath()
    datapath.tables["route"][("10.9.0.0/24",)] = route(9)
    datapath.listed(tables)
    datapath.execute(tables)
    assert datapath.calls == []
    tables.claim("route")
    datapath.execute(tables)
    assert datapath.calls == ["route_delete"]


def test_kept_datapath_sees_no_change_and_restarted_one_gets_everything():
    tables, datapath = Tables(), Datapath()
    tables.replace("route", route(1), route(2))
    datapath.execute(tables)
    for entry in datapath.tables["route"].values():
        entry["packets"] = 7  # A listing may say more than was written.
    datapath.listed(tables)
    datapath.execute(tables)
    assert datapath.calls == ["route_replace"]
    restarted = Datapath()
    restarted.listed(tables)
    restarted.execute(tables)
    assert len(restarted.tables["route"]) == 2


def test_learned_entries_are_not_ours():
    tables, datapath = Tables(), Datapath()
    tables.observed("neighbour", [{"address": "a", "device": "cni0", "state": "REACHABLE"}])
    tables.observed("fdb", [{"mac": "m", "device": "cni0", "remote": None}])
    tables.observed("link", [{"name": "eth0", "kind": "device"}])
    tables.claim(*KEYS)
    datapath.execute(tables)
    assert datapath.calls == []


def test_large_tables_go_in_batches():
    tables = Tables()
    tables.replace("route", *(route(number) for number in range(BATCH_MAX + 1)))
    assert [len(change.entries) for change in tables.changes()] == [BATCH_MAX, 1]


def test_datapath_follows_whatever_happens():
    rng = random.Random(3)
    tables, datapath = Tables(), Datapath()
    tables.claim("route")
    model: dict[tuple, dict] = {}
    for _ in range(500):
        number = rng.randint(1, 9)
        match rng.randint(0, 4):
            case 0 | 1:
                model[(route(number)["destination"],)] = entry = route(number, rng.randint(0, 3))
                tables.replace("route", entry)
            case 2:
                key = (route(number)["destination"],)
                model.pop(key, None)
                tables.delete("route", key)
            case 3:
                datapath.execute(tables)
                assert datapath.tables["route"] == model
            case _:
                datapath = Datapath() if rng.random() < 0.3 else datapath
                datapath.listed(tables)
