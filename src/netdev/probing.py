"""Probes and their answers for who asks by a call: `traceroute`, `trace` and `ping` on top.

The shell around `netstack.probe`: sends some probes at once and waits until all are answered or
the time is over. A pod's control socket and a node's "netlink" answer `probe` with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from componentbase.clock import Clock
from netstack.addresses import from_octets
from netstack.ip_host import IpHost
from netstack.probe import HOP_LIMIT_MAX, Answer, Flow, Method

#: Probes of one call, what each carries, and how long a call waits at most.
COUNT_MAX: Final = 16
PAYLOAD_OCTETS_MAX: Final = 65_000
TIMEOUT_S_MAX: Final = 60
_MARK_MAX: Final = 0xFFFF

Row = dict[str, object]
_Mark = Annotated[int, msgspec.Meta(ge=0, le=_MARK_MAX)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; contracts.md §3 says what it means."""

    address: str
    method: Method = Method.ICMP
    port: _Mark = 0
    sequence: _Mark = 1
    hop_limit: Annotated[int, msgspec.Meta(ge=1, le=HOP_LIMIT_MAX)] = 64
    count: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] = 1
    flow: _Mark = 0
    source: str = ""
    payload: Annotated[bytes, msgspec.Meta(max_length=PAYLOAD_OCTETS_MAX)] = b""
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=TIMEOUT_S_MAX)] = 1.0

    def marks(self) -> list[int]:
        """Return what tells the probes from each other, in their order."""
        first = self.sequence if self.method is Method.ICMP else self.port
        step = 0 if self.method is Method.TCP else 1
        return [(first + step * number) & _MARK_MAX for number in range(self.count)]


class Probing:
    """Probes from *host*; *flush* lets it send what it has to say."""

    def __init__(self, host: IpHost, clock: Clock, flush: Callable[[], None]) -> None:
        self._host, self._clock, self._flush = host, clock, flush

    async def probe(self, params: Mapping[str, object]) -> Row:
        """Do what *params* ask; raises ValueError (msgspec's too) or OSError."""
        asked = msgspec.convert(params, Request)
        if asked.method is Method.TCP and asked.count > 1:
            raise ValueError("SYNs of one flow go one by one: count must be 1")
        if asked.method is not Method.ICMP and not asked.port:
            raise ValueError(f"a {asked.method} probe needs a port")
        with self._host.prober.open(
            asked.method,
            ip_address(asked.address),
            number=asked.flow,
            source=ip_address(asked.source) if asked.source else None,
        ) as flow:
            return await self._exchange(flow, asked)

    async def _exchange(self, flow: Flow, asked: Request) -> Row:
        marks, came = asked.marks(), dict[int, tuple[Answer, float]]()
        complete = asyncio.Event()

        def on_answer(answer: Answer) -> None:
            if answer.mark in marks and answer.mark not in came:
                came[answer.mark] = answer, self._clock()
                if len(came) == len(marks):
                    complete.set()

        flow.on_answer = on_answer
        sent_at = self._clock()
        numbers = [flow.send(each, asked.hop_limit, asked.payload, sent_at) for each in marks]
        self._flush()
        try:
            async with asyncio.timeout(asked.timeout_s):
                await complete.wait()
        except TimeoutError:
            pass  # Silence is an answer, too.
        return {
            "flow": flow.number,
            "source": str(from_octets(flow.source)),
            "numbers": numbers,
            "answers": [_row(*came[each], sent_at) if each in came else None for each in marks],
        }


def _row(answer: Answer, received_at: float, sent_at: float) -> Row:
    return {
        "kind": str(answer.kind),
        "address": str(answer.address),
        "code": answer.code,
        "rtt_s": received_at - sent_at,
        "ttl": answer.ttl,
        "mtu": answer.mtu,
    }
