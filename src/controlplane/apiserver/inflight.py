"""How many requests may be worked on at once (upstream: --max-requests-inflight and its mutating
twin, filters/maxinflight).

Reads and writes are counted apart, so that neither starves the other; watches, logs and streams,
which last, are not counted. Upstream never refuses system:masters; here they get as much room
again, so that an administrator is answered and nothing is without bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from controlplane.apiserver.authn import MASTERS, User
from controlplane.apiserver.request_info import RequestInfo, is_stream
from kubeapi.status import too_many_requests

READS_MAX: Final = 400
WRITES_MAX: Final = 200
_MASTERS_FACTOR: Final = 2
_RETRY_AFTER_S: Final = 1
_READS: Final = ("get", "list")


def is_long_running(info: RequestInfo) -> bool:
    """Tell whether the request lasts as long as the client likes."""
    return info.verb == "watch" or info.subresource == "log" or is_stream(info)


class InFlight:
    """Counts what is worked on."""

    def __init__(self, *, reads_max: int = READS_MAX, writes_max: int = WRITES_MAX) -> None:
        self._maxima = {True: reads_max, False: writes_max}
        self._now = {True: 0, False: 0}

    @property
    def reads(self) -> int:
        return self._now[True]

    @property
    def writes(self) -> int:
        return self._now[False]

    @contextmanager
    def request(self, info: RequestInfo, user: User) -> Iterator[None]:
        """Count a request while it lasts; raises StatusError 429 when there is no room."""
        if is_long_running(info):
            yield
            return
        reading = info.verb in _READS
        room = self._maxima[reading] * (_MASTERS_FACTOR if MASTERS in user.groups else 1)
        if self._now[reading] >= room:
            raise too_many_requests(
                "Too many requests, please try again later.", retry_after_s=_RETRY_AFTER_S
            )
        self._now[reading] += 1
        try:
            yield
        finally:
            self._now[reading] -= 1
