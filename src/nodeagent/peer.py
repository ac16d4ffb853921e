"""A server on this machine that may go away and come back: podruntime, datapath.

The connection is opened again for ever, with back-off; each time a greeting brings both sides to
one state before calls go through. A call while there is no connection fails at once with
`Unavailable`: whoever calls is level-triggered and comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from componentbase.rpc import Client, Connection, Params, RpcError

log = logging.getLogger(__name__)

_RETRY_MIN_S: Final = 0.01
_RETRY_MAX_S: Final = 0.5

AnswerT = TypeVar("AnswerT")


class Caller(Protocol):
    """Whom a greeting speaks to."""

    async def call(self, method: str, params: Params | None = None, /) -> object:
        """Call *method*; raises RpcError."""


Greeting = Callable[[Caller], Awaitable[None]]
#: Errors that mean the connection and not the request.
CONNECTION_CODES: Final = frozenset({"Unavailable", "Disconnected", "DeadlineExceeded"})


class Peer:
    """The client side of one `componentbase.rpc` socket."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path, self._name = path, name
        self._client: Client | None = None
        self.on_tell: Callable[[str, Params], None] = lambda _method, _params: None
        self.on_state: Callable[[bool], None] = lambda _connected: None

    @property
    def connected(self) -> bool:
        """Tell whether calls go through now."""
        return self._client is not None

    @property
    def pid(self) -> int:
        """Return the server's process, 0 while there is none."""
        return 0 if self._client is None else self._client.pid

    async def call(
        self, method: str, params: Params | None = None, *, timeout_s: float = 30
    ) -> object:
        """Call *method*; raises RpcError, `Unavailable` when there is no connection."""
        if self._client is None:
            raise RpcError("Unavailable", f"{self._name} is not reachable")
        answer: object = await self._client.call(method, params, timeout_s=timeout_s)
        return answer

    async def ask(
        self, method: str, params: Params, kind: type[AnswerT], *, timeout_s: float = 30
    ) -> AnswerT:
        """Call *method* for an answer of a known kind; another one is an RpcError too."""
        answer = await self.call(method, params, timeout_s=timeout_s)
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise RpcError("Internal", f"{method}: {error}") from None

    async def run(self, greet: Greeting) -> None:
        """Keep the connection, calling *greet* on each new one before anyone else may use it."""
        delay_s = _RETRY_MIN_S
        while True:
            if await self._connect_once(greet):
                delay_s = _RETRY_MIN_S
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RETRY_MAX_S)

    async def _connect_once(self, greet: Greeting) -> bool:
        try:
            client = await Client.connect(self._path, on_tell=self._told)
        except OSError:
            return False
        try:
            await greet(client)
            if client.closed.is_set():
                return False
            self._client = client
            log.info("connected to %s", self._name)
            self.on_state(True)
            await client.closed.wait()
        except RpcError as error:
            log.warning("%s refused the greeting: %s", self._name, error)
            return False
        finally:
            was_connected, self._client = self._client is not None, None
            await client.close()
            if was_connected:
                log.warning("lost %s", self._name)
                self.on_state(False)
        return True

    def _told(self, _connection: Connection, method: str, params: Params) -> None:
        self.on_tell(method, params)
