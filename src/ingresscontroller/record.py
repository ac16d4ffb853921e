"""The access log: a line a request, in ingress-nginx' default format."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingresscontroller.message import RequestHead

#: Lines that wait to be written; more are forgotten, and that is told.
_LINES_MAX: Final = 10_000


@dataclass(slots=True)
class Record:
    """What is told of one request besides its head."""

    address: str
    status: int = 0
    octets: int = 0
    received: int = 0
    took_s: float = 0.0
    service: str = ""
    endpoint: str = ""
    identity: str = ""


class AccessLog:
    """Collects lines; whoever owns it calls `flush` now and then."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lines: list[str] = []
        self._forgotten = 0
        self._second, self._stamp = 0, ""

    def add(self, head: RequestHead, record: Record, wall: float) -> None:
        """Note a request that has ended at *wall*, in seconds since 1970."""
        if len(self._lines) >= _LINES_MAX:
            self._forgotten += 1
            return
        second = int(wall)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(wall))
        referer = head.values.get(b"referer", b"-").decode("latin-1")
        agent = head.values.get(b"user-agent", b"-").decode("latin-1")
        request = f"{head.method.decode()} {head.target.decode()} HTTP/1.{head.minor}"
        status = f"{record.status}" if record.endpoint else "-"
        self._lines.append(
            f'{record.address} - - [{self._stamp}] "{request}" {record.status} {record.octets}'
            f' "{_quoted(referer)}" "{_quoted(agent)}" {record.received} {record.took_s:.3f}'
            f" [{record.service}] [] {record.endpoint or '-'} {record.octets} {record.took_s:.3f}"
            f" {status} {record.identity}"
        )

    def flush(self) -> None:
        """Write what has come together."""
        if self._forgotten:
            self._lines.append(f"{self._forgotten} requests more, too many to be written")
            self._forgotten = 0
        if self._lines:
            self._write("\n".join(self._lines))
            self._lines.clear()


def _quoted(text: str) -> str:
    return text.replace('"', "\\x22") if '"' in text else text
