"""The files that names are resolved by: resolv.conf(5) and hosts(5), read as glibc reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SERVERS_MAX: Final = 3
_NDOTS_MAX, _TIMEOUT_MAX, _ATTEMPTS_MAX = 15, 30, 5


@dataclass(frozen=True, slots=True)
class Options:
    """The `options` of a resolv.conf that have an effect here."""

    ndots: int = 1
    timeout_s: int = 5
    attempts: int = 2
    rotate: bool = False
    use_tcp: bool = False
    no_aaaa: bool = False
    edns0: bool = False


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """What resolv.conf(5) says."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        """Read a resolv.conf, ignoring what it does not know."""
        servers: list[str] = []
        searches: list[str] = []
        options: list[str] = []
        for words in (line.split() for line in text.splitlines()):
            match words:
                case ["nameserver", address, *_]:
                    servers.append(address)
                case ["search", *domains]:
                    searches = domains
                case ["domain", domain, *_]:
                    searches = [domain]  # The last of the two kinds of line counts.
                case ["options", *some]:
                    options += some
        return cls(tuple(servers[:SERVERS_MAX]), tuple(searches), _options(options))

    def candidates(self, name: str) -> list[str]:
        """Return the full names that *name* may mean, in the order to try them."""
        if name.endswith("."):
            return [name.rstrip(".")]
        searched = [f"{name}.{domain.rstrip('.')}".rstrip(".") for domain in self.searches]
        found = [name, *searched] if name.count(".") >= self.options.ndots else [*searched, name]
        return list(dict.fromkeys(found))

    def timeout_s(self, turn: int) -> float:
        """Return how long the server asked as number *turn* of a round may take (res_send)."""
        if turn == 0:
            return float(self.options.timeout_s)
        return float(max(1, (self.options.timeout_s << turn) // len(self.servers)))


def _options(words: list[str]) -> Options:
    numbers: dict[str, int] = {}
    for word in words:
        key, _, value = word.partition(":")
        if value.isdigit():
            numbers[key] = int(value)
    return Options(
        ndots=min(numbers.get("ndots", 1), _NDOTS_MAX),
        timeout_s=min(max(numbers.get("timeout", 5), 1), _TIMEOUT_MAX),
        attempts=min(max(numbers.get("attempts", 2), 1), _ATTEMPTS_MAX),
        rotate="rotate" in words,
        use_tcp="use-vc" in words,
        no_aaaa="no-aaaa" in words,
        edns0="edns0" in words,
    )


def parse_hosts(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return each line's address and names, lower-case, the canonical one first."""
    lines = (line.partition("#")[0].lower().split() for line in text.splitlines())
    return [(words[0], tuple(words[1:])) for words in lines if len(words) > 1]
