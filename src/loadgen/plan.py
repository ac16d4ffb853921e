"""What a run asks of which server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

RATE_MAX: Final = 100_000.0
DURATION_MAX_S: Final = 86_400.0
CONNECTIONS_MAX: Final = 10_000


class Arrival(Enum):
    """How the intended moments lie."""

    CONSTANT = "constant"
    POISSON = "poisson"


class PlanError(ValueError):
    """The plan makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read an http or https URL; raises PlanError."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise PlanError(f"{url}: {error}") from None
        if parts.scheme not in ("http", "https"):
            raise PlanError(f"{url}: the scheme must be http or https")
        if not parts.hostname:
            raise PlanError(f"{url}: there is no host")
        path = parts.path or "/"
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=port or (443 if parts.scheme == "https" else 80),
            path=f"{path}?{parts.query}" if parts.query else path,
        )

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run: so many requests a second, for so long, at one URL."""

    url: str
    rate: float
    duration_s: float
    connections: int = 100
    timeout_s: float = 5.0
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    arrival: Arrival = Arrival.CONSTANT
    seed: int = 0
    #: A new connection for every request, as a proxy that balances connections needs it.
    fresh: bool = False
    #: The response header that names the backend; "" tries the usual ones, then the body.
    backend_header: str = ""
    #: Trust any certificate.
    insecure: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (
            ("rate", self.rate, RATE_MAX),
            ("duration", self.duration_s, DURATION_MAX_S),
            ("connections", self.connections, CONNECTIONS_MAX),
            ("timeout", self.timeout_s, DURATION_MAX_S),
        ):
            if not 0 < value <= most:
                raise PlanError(f"{name} must be above 0 and at most {most:g}, not {value:g}")
        if not self.method.isascii() or not self.method.isalpha():
            raise PlanError(f"{self.method!r} is no HTTP method")
        for header, text in self.headers.items():
            if not header or any(octet in header + text for octet in "\r\n"):
                raise PlanError(f"{header!r} is no HTTP header")
        Target.parse(self.url)

    @property
    def target(self) -> Target:
        return Target.parse(self.url)
