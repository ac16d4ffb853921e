"""HTTP/1.1 requests and who answered them."""

from __future__ import annotations

from typing import Final

from loadgen.http1 import Response, ResponseReader, request_octets
from loadgen.outcome import backend_of, status_kind
from loadgen.plan import LoadPlan
from loadgen.protocols.codec import Answer

#: Longer responses are read anew each time.
SEEN_MAX: Final = 4 * 1024


class HttpCodec:
    """One connection to an HTTP server."""

    def __init__(self, plan: LoadPlan) -> None:
        self._octets = request_octets(plan)
        self._header = plan.backend_header
        self._reader = ResponseReader(head_only=plan.method == "HEAD")
        # Servers give the same answer again and again (its date changes once a second): one
        # that came in one piece and begins where the one before ended means what that meant.
        self._seen, self._meant = b"", Answer()

    def request(self) -> bytes:
        return self._octets

    def feed(self, octets: bytes) -> Answer | None:
        begins = self._reader.is_idle
        if begins and octets == self._seen:
            return self._meant
        response = self._reader.feed(octets)
        if response is None:
            return None
        answer = self._answer(response)
        if begins and len(octets) <= SEEN_MAX:
            self._seen, self._meant = octets, answer
        return answer

    def end(self) -> Answer | None:
        response = self._reader.end()
        return None if response is None else self._answer(response)

    @property
    def is_idle(self) -> bool:
        return self._reader.is_idle

    def _answer(self, response: Response) -> Answer:
        backend = backend_of(response, self._header)
        return Answer(status_kind(response.status), backend, response.keep_alive)
