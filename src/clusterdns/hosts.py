"""Names that the Corefile gives addresses to, in the manner of /etc/hosts (CoreDNS: `hosts`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from clusterdns import record as records
from clusterdns.name import fqdn, is_below
from clusterdns.query import AAAA, NXDOMAIN, PTR, A
from clusterdns.response import Reply

TTL_S: Final = 3600
_REVERSE: Final = ("in-addr.arpa", "ip6.arpa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """A table of addresses with their names."""

    zones: tuple[str, ...]
    entries: tuple[tuple[str, str], ...] = ()  # Address, name.
    ttl_s: int = TTL_S
    reverse: bool = True
    fallthrough: tuple[str, ...] | None = None

    def with_entry(self, address: str, names: Sequence[str]) -> Hosts:
        """Return the table with one more line; raises ValueError when it has no address."""
        try:
            text = str(ip_address(address))
        except ValueError:
            raise ValueError(f"unknown property '{address}'") from None
        new = tuple((text, fqdn(name)) for name in names)
        return replace(self, entries=(*self.entries, *new))

    def answer(self, name: str, kind: int) -> Reply | None:
        """Answer a question; None: ask the next plugin."""
        if not any(is_below(name, zone) for zone in (*self.zones, *_REVERSE)):
            return None
        if self.reverse and any(is_below(name, zone) for zone in _REVERSE):
            return self._pointers(name, kind)
        addresses = [address for address, host in self.entries if host == name]
        if not addresses:
            through = self.fallthrough is not None and (
                not self.fallthrough or any(is_below(name, zone) for zone in self.fallthrough)
            )
            absent = Reply(rcode=NXDOMAIN, authoritative=True)
            return None if through or not self.entries else absent
        found = [records.address(name, self.ttl_s, each) for each in addresses]
        wanted = [each for each in found if each.kind == kind] if kind in (A, AAAA) else []
        return Reply(answers=wanted, authoritative=True)

    def _pointers(self, name: str, kind: int) -> Reply | None:
        found = [
            host for address, host in self.entries if ip_address(address).reverse_pointer == name
        ]
        if not found:
            return None
        answers = [records.ptr(name, self.ttl_s, host) for host in found] if kind == PTR else []
        return Reply(answers=answers, authoritative=True)
