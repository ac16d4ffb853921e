"""What became of one request, and the words for what went wrong."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from loadgen.http1 import BadResponse, Response

#: Response headers that name the backend, in the order in which they are tried.
BACKEND_HEADERS: Final = ("x-backend", "x-hostname")
_HOSTNAME: Final = re.compile(rb"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\s*")

OK: Final = ""
TIMEOUT: Final = "timeout"
CONNECT_TIMEOUT: Final = "connect timeout"
CLOSED: Final = "closed without answer"

_BY_ERRNO: Final[Mapping[int, str]] = {
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.EMFILE: "too many open files (ulimit -n)",
    errno.EADDRNOTAVAIL: "no local port left",
    errno.ETIMEDOUT: CONNECT_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request; moments are seconds since the start of the run."""

    intended_at: float
    sent_at: float
    finished_at: float
    error: str = OK
    backend: str = ""

    @property
    def latency_s(self) -> float:
        """Seconds from the moment at which the request should have been sent."""
        return self.finished_at - self.intended_at


def error_kind(error: BaseException) -> str:
    """Return the few words under which *error* is counted."""
    match error:
        case ssl.SSLError():
            return "TLS"
        case BadResponse():
            return "bad response"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "connection reset"
        case socket.gaierror():
            return "name not found"
        case OSError():
            known = _BY_ERRNO.get(error.errno or 0)
            return known or (error.strerror or type(error).__name__).lower()
    return type(error).__name__


def status_kind(response: Response) -> str:
    """Return OK, or the status under which a response that is no success is counted."""
    return OK if response.status < 400 else f"HTTP {response.status}"


def backend_of(response: Response, header: str) -> str:
    """Return who answered: by *header* or the usual ones, or by a body that is a host name."""
    for name in (header.lower(),) if header else BACKEND_HEADERS:
        if value := response.headers.get(name):
            return value
    if not header and response.length < 254 and _HOSTNAME.fullmatch(response.body):
        return response.body.strip().decode("ascii")
    return ""
