"""A peer in this process: calls are answered by a function, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from componentbase.rpc import Params, RpcError
from nodeagent.peer import Greeting, Peer

#: Answers (method, parameters); raises RpcError.
Answer = Callable[[str, Params], object]


class LocalPeer(Peer):
    """As if *answer* were at the other end of a socket."""

    def __init__(self, answer: Answer, *, name: str) -> None:
        super().__init__(Path(name), name=name)
        self._answer, self._greeted = answer, False

    @property
    def connected(self) -> bool:
        return self._greeted

    async def call(
        self, method: str, params: Params | None = None, *, timeout_s: float = 30
    ) -> object:
        if not self._greeted:
            raise RpcError("Unavailable", f"{self._name} is not reachable")
        return self._answer(method, params or {})

    async def run(self, greet: Greeting) -> None:
        self._greeted = True
        await greet(self)
        self.on_state(True)
        await asyncio.Event().wait()

    def tell(self, method: str, params: Params) -> None:
        """Say something unasked, as a server does."""
        self.on_tell(method, params)
