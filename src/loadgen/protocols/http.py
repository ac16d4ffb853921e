"""HTTP/1.1 requests and who answered them."""

from __future__ import annotations

from loadgen.http1 import Response, ResponseReader, request_octets
from loadgen.outcome import backend_of, status_kind
from loadgen.plan import LoadPlan
from loadgen.protocols.codec import Answer


class HttpCodec:
    """One connection to an HTTP server."""

    def __init__(self, plan: LoadPlan) -> None:
        self._octets = request_octets(plan)
        self._header = plan.backend_header
        self._reader = ResponseReader(head_only=plan.method == "HEAD")
        # A server gives the same few answers again and again.
        self._last: tuple[Response, Answer] | None = None

    def request(self) -> bytes:
        return self._octets

    def feed(self, octets: bytes) -> Answer | None:
        response = self._reader.feed(octets)
        return None if response is None else self._answer(response)

    def end(self) -> Answer | None:
        response = self._reader.end()
        return None if response is None else self._answer(response)

    @property
    def is_idle(self) -> bool:
        return self._reader.is_idle

    def _answer(self, response: Response) -> Answer:
        if self._last is None or not _alike(self._last[0], response):
            error = status_kind(response.status)
            backend = backend_of(response, self._header)
            self._last = response, Answer(error, backend, response.keep_alive)
        return self._last[1]


def _alike(one: Response, other: Response) -> bool:
    return (
        one.headers is other.headers
        and one.body == other.body
        and one.status == other.status
        and one.length == other.length
        and one.keep_alive == other.keep_alive
    )
