"""What became of one request, and the words for what went wrong."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from loadgen.http1 import BadResponse, Response

#: Response headers that name the backend, in the order in which they are tried.
BACKEND_HEADERS: Final = ("x-backend", "x-hostname")
_HOSTNAME: Final = re.compile(rb"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\s*")

OK: Final = ""
REFUSED: Final = "refused"
RESET: Final = "reset"
#: No answer in time, be it to the connection or to the request.
TIMEOUT: Final = "timeout"
#: Answered, but after the time-out.
LATE: Final = "late"
#: Never sent: too many were under way, or waited.
DROPPED: Final = "dropped"
#: The connection ended before an answer.
CLOSED: Final = "closed"
UNREACHABLE: Final = "unreachable"
NAME: Final = "name"
TLS: Final = "tls"
BAD_RESPONSE: Final = "bad-response"
HTTP_4XX: Final = "http-4xx"
HTTP_5XX: Final = "http-5xx"
#: The load generator's own limits: a run with one of these says little about the server.
NO_FILES: Final = "too many open files (ulimit -n)"
NO_PORTS: Final = "no local port left"

#: Failures whose requests waited their whole time for an answer. They count among the latencies,
#: at the time-out or what it was beyond; the others ended sooner than a success might have.
WAITED_IN_VAIN: Final = (TIMEOUT, LATE, DROPPED)
OWN_LIMITS: Final = (NO_FILES, NO_PORTS)

_BY_ERRNO: Final[Mapping[int, str]] = {
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.ENETUNREACH: UNREACHABLE,
    errno.EMFILE: NO_FILES,
    errno.ENFILE: NO_FILES,
    errno.EADDRNOTAVAIL: NO_PORTS,
    errno.ETIMEDOUT: TIMEOUT,
}


def error_kind(error: BaseException) -> str:
    """Return the few words under which *error* is counted."""
    match error:
        case ssl.SSLError():
            return TLS
        case BadResponse():
            return BAD_RESPONSE
        case ConnectionRefusedError():
            return REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return RESET
        case socket.gaierror():
            return NAME
        case OSError():
            known = _BY_ERRNO.get(error.errno or 0)
            return known or (error.strerror or type(error).__name__).lower()
    return type(error).__name__


def status_kind(status: int) -> str:
    """Return OK, or the class of statuses under which one that is no success is counted."""
    if status < 400:
        return OK
    return HTTP_4XX if status < 500 else HTTP_5XX


def backend_of(response: Response, header: str) -> str:
    """Return who answered: by *header* or the usual ones, or by a body that is a host name."""
    for name in (header.lower(),) if header else BACKEND_HEADERS:
        if value := response.headers.get(name):
            return value
    if not header and response.length < 254 and _HOSTNAME.fullmatch(response.body):
        return response.body.strip().decode("ascii")
    return ""
