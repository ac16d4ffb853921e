"""Counters in Prometheus' text format, under ingress-nginx' names as far as it has them."""

from __future__ import annotations

from collections import Counter
from typing import Final

_PREFIX: Final = "nginx_ingress_controller"


class Metrics:
    """What has happened since the start. Labels are of Ingresses and statuses: bounded by those."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # (Ingress or "", status)
        self.refused: Counter[str] = Counter()  # By why no answer, or a plain error, was given.
        self.retries = 0
        self.reloads = 0

    def text(self, connections: int, idle: int) -> str:
        """Return the page; *idle* is how many connections to endpoints wait for use."""
        lines = [f"# TYPE {_PREFIX}_requests counter"]
        for (ingress, status), count in sorted(self.requests.items()):
            namespace, _, name = ingress.partition("/")
            labels = f'ingress="{name}",namespace="{namespace}",status="{status}"'
            lines.append(f"{_PREFIX}_requests{{{labels}}} {count}")
        lines.append("# TYPE podwire_ingress_refused_total counter")
        for reason, count in sorted(self.refused.items()):
            lines.append(f'podwire_ingress_refused_total{{reason="{reason}"}} {count}')
        for name, kind, value in (
            (f"{_PREFIX}_nginx_process_connections", "gauge", connections),
            (f"{_PREFIX}_success", "counter", self.reloads),
            ("podwire_ingress_retries_total", "counter", self.retries),
            ("podwire_ingress_idle_connections", "gauge", idle),
        ):
            lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
        return "\n".join(lines) + "\n"
