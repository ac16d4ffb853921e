"""A datapath's tables, kept and never looked at (contracts.md §3).

What kube-proxy and the network want is taken over as the datapath takes it over: whole batches,
by key. There are no packets that it could be about, so `settings` mean nothing.
"""

from __future__ import annotations

from componentbase.rpc import Params, RpcError
from kubeapi.objects import Object
from nodeagent.tables import KEYS, Key, key_of


class HollowTables:
    """The tables of one node."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Key, Object]] = {}

    def answer(self, method: str, params: Params) -> object:
        """Carry out one call; raises RpcError."""
        if method == "settings":
            return None
        table, _, verb = method.rpartition("_")
        if table not in KEYS:
            raise RpcError("NotFound", f"there is no table {table!r}")
        rows = self._tables.setdefault(table, {})
        match verb:
            case "replace":
                rows.update((key_of(table, entry), entry) for entry in params["entries"])
            case "delete":
                for key in params["keys"]:
                    rows.pop(tuple(key) if isinstance(key, list) else (key,), None)
            case "list":
                return list(rows.values())
            case _:
                raise RpcError("NotFound", f"there is no method {method!r}")
        return None
