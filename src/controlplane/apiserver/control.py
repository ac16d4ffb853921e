"""The out-of-band control socket, which no emulated partition can cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from componentbase.journal import Journal
from componentbase.rpc import Connection, Handler, Params, RpcError, Server
from controlplane.apiserver.api_faults import ApiFaults, InvalidFault
from controlplane.apiserver.config import Config
from kubeapi.objects import Object


class Control:
    """Answers `api_faults_replace` and `api_faults_list`."""

    def __init__(
        self, config: Config, faults: ApiFaults, journal: Journal, on_change: Callable[[], None]
    ) -> None:
        self._name = config.name
        self._faults, self._journal, self._on_change = faults, journal, on_change
        handlers = {"api_faults_replace": self._replace, "api_faults_list": self._list}
        self._server = _server(config.control_socket, handlers)

    async def start(self) -> None:
        """Listen; raises OSError."""
        if self._server is not None:
            await self._server.start()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _replace(self, _connection: Connection, params: Params) -> int:
        """Return how many entries there are now."""
        seed = params.get("seed", 0)
        if not isinstance(seed, int):
            raise RpcError("InvalidArgument", f"seed: {seed!r} is no whole number")
        try:
            changed = self._faults.replace(params.get("entries", []), seed)
        except InvalidFault as error:
            raise RpcError("InvalidArgument", str(error)) from None
        ids = [fault.id for fault, _hits in self._faults.entries()]
        if changed:
            self._journal.note("api-faults", self._name, ids=ids, seed=seed)
            self._on_change()
        return len(ids)

    async def _list(self, _connection: Connection, _params: Params) -> list[Object]:
        return [
            {**msgspec.to_builtins(fault), "hits": hits} for fault, hits in self._faults.entries()
        ]


def _server(path: str, handlers: Mapping[str, Handler]) -> Server | None:
    return Server(Path(path), handlers) if path else None
