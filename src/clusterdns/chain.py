"""How a question is answered: the plugins in their order (CoreDNS: plugin.cfg).

    rewrite → hosts → kubernetes → forward

The server block is the one whose zone is the longest that fits. `decide` returns the reply, or what
must be asked of another resolver first; `finish` makes the reply of what that said. An alias that
leads out of a zone is followed by asking ourselves, as CoreDNS does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from clusterdns.index import Index
from clusterdns.kubernetes import Kubernetes
from clusterdns.query import IN, NOERROR, REFUSED, SERVFAIL, Query
from clusterdns.record import Record
from clusterdns.response import Reply
from clusterdns.rewrite import Rewrite, restored
from clusterdns.settings import ServerBlock
from clusterdns.upstream import ForwardSettings

_ALIASES_MAX: Final = 7
_REFUSED: Final = Reply(rcode=REFUSED)


@dataclass(frozen=True, slots=True)
class Ask:
    """What must be asked of others, and what stands before their answer."""

    forward: ForwardSettings
    name: str
    kind: int
    #: What was asked first, and what a rewrite made of it; "": no rewrite.
    asked: str
    rewritten: str = ""
    aliases: tuple[Record, ...] = ()

    def finish(self, said: Reply | None) -> Reply:
        """Return the reply, of what was *said* or of silence."""
        if said is None:
            said = Reply(rcode=SERVFAIL)
        if self.aliases:  # The zone speaks with authority of its alias; the rest is as heard.
            answers = (*self.aliases, *said.answers)
            said = Reply(rcode=NOERROR, answers=answers, authoritative=True)
        return restored(said, self.asked, self.rewritten) if self.rewritten else said


class Chain:
    """All server blocks of a Corefile on one port."""

    def __init__(self, blocks: Sequence[ServerBlock], index: Index, own_address: str = "") -> None:
        self.blocks = tuple(blocks)
        self._zones = {zone: block for block in blocks for zone in block.zones}
        self._kubernetes = {
            block.zones: Kubernetes(block.kubernetes, index, own_address)
            for block in blocks
            if block.kubernetes is not None
        }

    def block_of(self, name: str) -> ServerBlock | None:
        """Return the server block that is asked about *name*."""
        while name not in self._zones:
            if not name:
                return None
            _, _, name = name.partition(".")
        return self._zones[name]

    def decide(self, query: Query) -> Reply | Ask:
        """Return the reply to *query*, or what must be asked first."""
        if query.verdict != NOERROR:
            return Reply(rcode=query.verdict)
        if query.klass != IN:
            return _REFUSED
        return self._follow(query.name, query.kind)

    def _follow(self, name: str, kind: int) -> Reply | Ask:
        asked, rewritten = name, ""
        aliases: tuple[Record, ...] = ()
        for _ in range(_ALIASES_MAX):
            block = self.block_of(name)
            if block is None:
                return _aliases_only(aliases)
            new = _rewrite(block.rewrites, name)
            if new is not None and not aliases:
                name = rewritten = new
            step = self._step(block, name, kind)
            if isinstance(step, _Alias):
                aliases, name = (*aliases, *step.records), step.target
                continue
            if isinstance(step, ForwardSettings):
                return Ask(step, name, kind, asked, rewritten, aliases)
            if aliases:
                answers = (*aliases, *step.answers)
                step = replace(
                    step, rcode=NOERROR, answers=answers, authority=(), authoritative=True
                )
            return restored(step, asked, rewritten) if rewritten else step
        return Reply(rcode=SERVFAIL)

    def _step(self, block: ServerBlock, name: str, kind: int) -> Reply | _Alias | ForwardSettings:
        """Let the plugins of *block* answer, the first that will."""
        if block.hosts is not None and (found := block.hosts.answer(name, kind)) is not None:
            return found
        kubernetes = self._kubernetes.get(block.zones)
        outcome = None if kubernetes is None else kubernetes.answer(name, kind)
        if outcome is not None and kubernetes is not None:
            absent = outcome.reply.rcode != NOERROR
            if not (absent and kubernetes.settings.falls_through(name)):
                if outcome.alias:
                    return _Alias(tuple(outcome.reply.answers), outcome.alias)
                return outcome.reply
        for forward in block.forwards:
            if forward.concerns(name):
                return forward
        return _REFUSED


@dataclass(frozen=True, slots=True)
class _Alias:
    """Records that lead to a name that somebody else must answer for."""

    records: tuple[Record, ...]
    target: str


def _aliases_only(aliases: Sequence[Record]) -> Reply:
    """Return what is said where nobody answers for a name: REFUSED, or the aliases so far."""
    return Reply(answers=aliases, authoritative=True) if aliases else _REFUSED


def _rewrite(rules: Sequence[Rewrite], name: str) -> str | None:
    """Return what the first rule that concerns *name* makes of it."""
    return next((new for rule in rules if (new := rule.apply(name)) is not None), None)
