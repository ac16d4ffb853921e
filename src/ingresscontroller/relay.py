"""An answer as it passes through: which framing the client gets, and when it is complete."""

from __future__ import annotations

from typing import Final

from ingresscontroller.forwarding import BODYLESS, response_octets
from ingresscontroller.framing import LAST_CHUNK, Body, chunk
from ingresscontroller.message import RequestHead, ResponseHead

_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_NO_CONTENT: Final = 204


class Relay:
    """One answer. A body whose end only the connection tells becomes chunks for HTTP/1.1."""

    def __init__(self, response: ResponseHead, request: RequestHead, extra: bytes) -> None:
        self._response, self._request = response, request
        self.keep_alive = request.keep_alive
        has_body = request.method != b"HEAD" and response.status not in BODYLESS
        self._body = Body(
            chunked=response.chunked and has_body, length=response.length if has_body else 0
        )
        self._framing, self._chunks = extra, False
        self.last = b""
        if response.status == _NO_CONTENT:
            pass  # It has no length either (RFC 9110 §8.6).
        elif not has_body or response.length is not None:
            self._framing += _length(response.length)
        elif request.minor:
            self._framing, self._chunks = extra + _CHUNKED, True
        else:
            self.keep_alive = False
        self._has_surplus = False
        self._is_cut = False

    @property
    def complete(self) -> bool:
        """Tell whether everything was taken."""
        return self._body.complete

    @property
    def reusable(self) -> bool:
        """Tell whether the connection can carry another request."""
        return self._response.keep_alive and not self._has_surplus and not self._is_cut

    @property
    def octets(self) -> int:
        """Return how much content has passed."""
        return self._body.octets

    def head(self) -> bytes:
        """Return the head for the client."""
        return response_octets(
            self._response,
            framing=self._framing,
            keep_alive=self.keep_alive,
            minor=self._request.minor,
        )

    def take(self, data: bytes) -> bytes:
        """Return what the client gets of *data*; raises Refused."""
        was_complete = self._body.complete
        content, self._has_surplus = self._body.take_data(data)
        if not self._chunks:
            return content
        octets = chunk(content)
        if self._body.complete and not was_complete:
            octets += LAST_CHUNK
        return octets

    def end(self, *, ended: bool) -> bool:
        """Take the end of the connection; tell whether that was the body's end, too."""
        if not self._body.until_close or not ended:
            return False
        self._body.complete = self._is_cut = True
        self.last = LAST_CHUNK if self._chunks else b""
        return True


def _length(length: int | None) -> bytes:
    return b"" if length is None else b"Content-Length: %d\r\n" % length
