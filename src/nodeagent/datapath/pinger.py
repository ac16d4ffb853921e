"""`ping` from the node itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

from componentbase.clock import Clock
from netstack.addresses import IpAddress
from netstack.icmp import EchoReply
from nodeagent.datapath.node import Node

_PAYLOAD: Final = bytes(range(56))  # As ping(8) sends by default.
_COUNT_MAX: Final = 1000
_INTERVAL_S: Final = 0.2

Row = dict[str, object]


class Pinger:
    """Sends echo requests and matches the answers."""

    def __init__(self, node: Node, clock: Clock, after: Callable[[], None]) -> None:
        self._node, self._clock, self._after = node, clock, after
        self._waiting: dict[tuple[int, int], asyncio.Future[tuple[float, int]]] = {}
        self._identifier = 0
        node.stack.on_echo_reply = self._replied

    async def ping(self, address: str, count: int, timeout_s: float) -> list[Row]:
        """Ping *address* *count* times; raises ValueError for what is no address."""
        target = ip_address(address)
        if not 1 <= count <= _COUNT_MAX:
            raise ValueError(f"count must be 1..{_COUNT_MAX}")
        self._identifier = self._identifier % 0xFFFF + 1
        identifier = self._identifier
        rows: list[Row] = []
        for sequence in range(1, count + 1):
            rtt_s, ttl = await self._once(target, identifier, sequence, timeout_s)
            rows.append({"sequence": sequence, "rtt_s": rtt_s, "ttl": ttl})
            if sequence < count:
                await asyncio.sleep(_INTERVAL_S)
        return rows

    async def _once(
        self, target: IpAddress, identifier: int, sequence: int, timeout_s: float
    ) -> tuple[float | None, int | None]:
        """Return how long the answer took and what was left of its TTL; None: none came."""
        answer: asyncio.Future[tuple[float, int]] = asyncio.get_running_loop().create_future()
        self._waiting[identifier, sequence] = answer
        sent_at = self._clock()
        try:
            self._node.stack.ping(
                target, identifier=identifier, sequence=sequence, payload=_PAYLOAD, now=sent_at
            )
            self._node.stack_woken = True
            self._after()
            async with asyncio.timeout(timeout_s):
                received_at, ttl = await answer
                return received_at - sent_at, ttl
        except (TimeoutError, OSError):
            return None, None
        finally:
            del self._waiting[identifier, sequence]

    def _replied(self, reply: EchoReply) -> None:
        answer = self._waiting.get((reply.identifier, reply.sequence))
        if answer is not None and not answer.done():
            answer.set_result((self._clock(), reply.ttl))
