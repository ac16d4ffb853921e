"""What has been asked and answered, as Prometheus reads it (CoreDNS: `prometheus`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from clusterdns.query import RCODE_NAMES, TYPE_NAMES

_OTHER: Final = "other"


@dataclass(slots=True)
class Metrics:
    """Counts since the start. Types and codes without a name are `other`: labels stay few."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # Protocol, type.
    responses: Counter[str] = field(default_factory=Counter)  # Code.
    drops: Counter[str] = field(default_factory=Counter)
    cache_hits: int = 0
    cache_misses: int = 0
    forwards: Counter[str] = field(default_factory=Counter)
    reloads_failed: int = 0

    def asked(self, protocol: str, kind: int) -> None:
        """Count a question."""
        self.requests[protocol, TYPE_NAMES.get(kind, _OTHER)] += 1

    def said(self, rcode: int) -> None:
        """Count an answer."""
        self.responses[RCODE_NAMES.get(rcode, _OTHER)] += 1

    def text(self) -> str:
        """Return the page."""
        rows: list[tuple[str, str, float]] = []
        for (protocol, kind), count in sorted(self.requests.items()):
            labels = f'proto="{protocol}",type="{kind}"'
            rows.append(("coredns_dns_requests_total", labels, count))
        for rcode, count in sorted(self.responses.items()):
            rows.append(("coredns_dns_responses_total", f'rcode="{rcode}"', count))
        for reason, count in sorted(self.drops.items()):
            rows.append(("coredns_dns_drops_total", f'reason="{reason}"', count))
        for server, count in sorted(self.forwards.items()):
            rows.append(("coredns_proxy_requests_total", f'to="{server}"', count))
        rows.append(("coredns_cache_hits_total", "", self.cache_hits))
        rows.append(("coredns_cache_misses_total", "", self.cache_misses))
        rows.append(("coredns_reload_failed_total", "", self.reloads_failed))
        lines: list[str] = []
        for name, labels, value in rows:
            kind_line = f"# TYPE {name} counter"
            if kind_line not in lines:
                lines.append(kind_line)
            lines.append(f"{name}{{{labels}}} {value}" if labels else f"{name} {value}")
        return "\n".join([*lines, ""])
