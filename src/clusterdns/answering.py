"""From a message to a message: parse, look into the caches, decide, encode.

What can be answered at once is; what others must be asked first comes back as `Pending`, for the
shell to ask and then to `finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from clusterdns import query as queries
from clusterdns import response
from clusterdns.cache import ReplyCache, WireCache
from clusterdns.chain import Ask, Chain
from clusterdns.index import Index
from clusterdns.loops import Loops
from clusterdns.metrics import Metrics
from clusterdns.query import AAAA, HINFO, TCP_OCTETS_MAX, A, NotAnswered, Query
from clusterdns.response import Reply

#: In how many orders the addresses of a name are given, in turn (CoreDNS: `loadbalance` shuffles).
_ORDERS_MAX: Final = 8
_ADDRESSES: Final = (A, AAAA)

#: Writes a line of the query log.
Log = Callable[[Query, int, int], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that waits for another resolver."""

    query: Query
    ask: Ask
    by_tcp: bool


class Answering:
    """Answers the messages that arrive at one port."""

    def __init__(
        self,
        chain: Chain,
        index: Index,
        metrics: Metrics,
        log: Log | None = None,
        loops: Loops | None = None,
    ) -> None:
        self._chain, self._index, self._metrics, self._log = chain, index, metrics, log
        self._loops = loops
        self._wire = WireCache()
        self._turn = 0
        self._replies = {
            block.zones: ReplyCache(block.cache)
            for block in chain.blocks
            if block.cache is not None
        }
        self._logging = log is not None and any(block.log for block in chain.blocks)

    def answer(self, octets: bytes, now: float, *, by_tcp: bool = False) -> bytes | Pending | None:
        """Return the answer, what must be asked for it, or None when there is nothing to say."""
        if not by_tcp and not self._logging:
            known = self._wire.get(octets, self._index.version, now)
            if known is not None:
                self._metrics.cache_hits += 1
                self._metrics.asked("udp", known.kind)
                self._metrics.said(known.rcode)
                return known.answer(octets)
        try:
            query = queries.parse(octets)
        except NotAnswered as error:
            self._metrics.drops[str(error)] += 1
            return None
        self._metrics.asked("tcp" if by_tcp else "udp", query.kind)
        if query.kind == HINFO and self._loops is not None:
            self._loops.heard(query.name)
        step = self._chain.decide(query)
        if isinstance(step, Ask):
            self._metrics.cache_misses += 1
            cache = self._cache_of(step)
            known_reply = None if cache is None else cache.get((step.name, step.kind), now)
            if known_reply is None:
                return Pending(query, step, by_tcp)
            step = step.finish(known_reply)
        return self._encode(query, step, now, by_tcp=by_tcp)

    def finish(self, pending: Pending, said: Reply | None, now: float) -> bytes:
        """Return the answer to a question, with what another resolver *said*, or its silence."""
        ask = pending.ask
        cache = self._cache_of(ask)
        if cache is not None and said is not None:
            cache.put((ask.name, ask.kind), said, now)
        return self._encode(pending.query, ask.finish(said), now, by_tcp=pending.by_tcp)

    def refuse(self, pending: Pending, rcode: int, now: float) -> bytes:
        """Return the answer to a question that nobody is asked any more."""
        return self._encode(pending.query, Reply(rcode=rcode), now, by_tcp=pending.by_tcp)

    def _cache_of(self, ask: Ask) -> ReplyCache | None:
        block = self._chain.block_of(ask.name)
        return None if block is None else self._replies.get(block.zones)

    def _encode(self, query: Query, reply: Reply, now: float, *, by_tcp: bool) -> bytes:
        self._metrics.said(reply.rcode)
        room = TCP_OCTETS_MAX if by_tcp else query.udp_octets()
        block = self._chain.block_of(query.name)
        orders = _orders(reply) if block is not None and block.loadbalance else [reply]
        if by_tcp:  # Nothing is kept, so one order is enough.
            self._turn += 1
            orders = [orders[self._turn % len(orders)]]
        messages = [response.encode(query, each, room) for each in orders]
        if self._log is not None and block is not None and block.log:
            self._log(query, reply.rcode, len(messages[0]))
        # A silence is no answer to keep; an answer to a wrong question names none.
        if not by_tcp and reply.rcode in (queries.NOERROR, queries.NXDOMAIN):
            self._wire.put(query, reply.rcode, messages, self._index.version, now)
        return messages[0]


def _orders(reply: Reply) -> Sequence[Reply]:
    """Return *reply* with its addresses in several orders; aliases stay where they are."""
    heads = [each for each in reply.answers if each.kind not in _ADDRESSES]
    tail = [each for each in reply.answers if each.kind in _ADDRESSES]
    if len(tail) < 2:
        return [reply]
    turns = range(min(len(tail), _ORDERS_MAX))
    return [replace(reply, answers=[*heads, *tail[n:], *tail[:n]]) for n in turns]
