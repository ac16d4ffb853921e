"""Names that are asked for as others (CoreDNS: `rewrite name`); answers speak of the asked ones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from clusterdns.name import fqdn
from clusterdns.record import Record
from clusterdns.response import Reply


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rule; in a regex's replacement `{1}` is its first group."""

    how: str  # "exact", "prefix", "suffix", "substring", "regex"
    old: str
    new: str
    _pattern: re.Pattern[str] | None = field(init=False, default=None, compare=False)

    def __post_init__(self) -> None:
        if self.how == "regex":
            try:
                object.__setattr__(self, "_pattern", re.compile(self.old))
            except re.error as error:
                raise ValueError(f"{self.old!r} is no regular expression: {error}") from None

    def apply(self, name: str) -> str | None:
        """Return what *name* becomes; None: the rule does not concern it."""
        full = f"{name}."
        match self.how:
            case "exact":
                return fqdn(self.new) if name == self.old else None
            case "prefix" if full.startswith(self.old):
                return fqdn(self.new + full.removeprefix(self.old))
            case "suffix" if full.rstrip(".").endswith(self.old.rstrip(".")):
                return fqdn(name.removesuffix(self.old.rstrip(".")) + self.new.rstrip("."))
            case "substring" if self.old in full:
                return fqdn(full.replace(self.old, self.new, 1))
        if self._pattern is None or (found := self._pattern.search(full)) is None:
            return None
        groups = dict(enumerate(found.groups(default=""), 1))
        return fqdn(re.sub(r"\{(\d+)\}", lambda at: groups.get(int(at[1]), ""), self.new))


def restored(reply: Reply, asked: str, rewritten: str) -> Reply:
    """Return *reply* about *rewritten* as one about *asked*."""

    def back(record: Record) -> Record:
        return replace(record, name=asked) if record.name == rewritten else record

    return replace(reply, answers=[back(each) for each in reply.answers])
