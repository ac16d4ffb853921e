"""How a call ended: gRPC's codes by their Go names, and the headers that tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

OK: Final = 0
UNKNOWN: Final = 2
NOT_FOUND: Final = 5
UNIMPLEMENTED: Final = 12
INTERNAL: Final = 13
UNAVAILABLE: Final = 14

_CODES: Final = (
    "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied "
    "ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable "
    "DataLoss Unauthenticated"
)
_NAMES: Final = _CODES.split()
#: What a proxy's HTTP status means (http-grpc-status-mapping.md).
_BY_HTTP: Final = {"400": INTERNAL, "401": 16, "403": 7, "404": UNIMPLEMENTED} | dict.fromkeys(
    ("429", "502", "503", "504"), UNAVAILABLE
)


@dataclass(frozen=True, slots=True)
class Status:
    """The end of a call."""

    code: int
    message: str = ""

    def __str__(self) -> str:
        name = _NAMES[self.code] if self.code < len(_NAMES) else f"Code({self.code})"
        return f"rpc error: code = {name} desc = {self.message}"

    def headers(self) -> list[tuple[str, str]]:
        """Return the trailers that say it."""
        told = [("grpc-status", str(self.code))]
        if self.message:
            told.append(
                ("grpc-message", quote(self.message, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}"))
            )
        return told


def status_of(headers: Mapping[str, str]) -> Status | None:
    """Return the status that *headers* tell, None when they tell none."""
    http = headers.get(":status", "200")
    if http != "200":
        text = f"unexpected HTTP status code received from server: {http}"
        return Status(_BY_HTTP.get(http, UNKNOWN), text)
    code = headers.get("grpc-status")
    if code is None:
        return None
    if not (code.isascii() and code.isdigit() and len(code) <= len("16")):
        return Status(UNKNOWN, f"malformed grpc-status: {code!r}")
    return Status(int(code), unquote(headers.get("grpc-message", "")))
