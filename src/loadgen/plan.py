"""What a run asks of which server."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from loadgen.results import PlanShape, StageShape
from loadgen.stages import Arrival, Stage

__all__ = ["Arrival", "LoadPlan", "PlanError", "Target"]

RATE_MAX: Final = 100_000.0
DURATION_MAX_S: Final = 86_400.0
CONNECTIONS_MAX: Final = 10_000
QUEUE_MAX: Final = 1_000_000
#: What a datagram of IPv4 holds.
SIZE_MAX: Final = 65_507
#: Room for the number that an echo is known by.
SIZE_MIN: Final = 8

#: The schemes, with the port that each has when a URL names none; 0: it must name one.
SCHEMES: Final[Mapping[str, int]] = {"http": 80, "https": 443, "tcp": 0, "udp": 0, "dns": 53}

#: What stands in a path or query as it is; anything else is percent-encoded (RFC 3986 §2).
_URL_OCTETS: Final = "%/?:@!$&'()*+,;=[]~"
#: RFC 9110 §5.1 and §5.5.
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class PlanError(ValueError):
    """The plan makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points. Of dns, *path* is the name that is asked for, *record* its type."""

    scheme: str
    host: str
    port: int
    path: str
    record: str = ""

    @classmethod
    @functools.lru_cache(maxsize=16)  # Asked for with every connection.
    def parse(cls, url: str) -> Target:
        """Read a URL of one of the schemes; raises PlanError."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise PlanError(f"{url}: {error}") from None
        if parts.scheme not in SCHEMES:
            known = ", ".join(list(SCHEMES)[:-1])
            raise PlanError(f"{url}: the scheme must be {known} or dns")
        if not parts.hostname or not parts.hostname.isascii():
            raise PlanError(f"{url}: there is no host, or none in ASCII (write xn--… for others)")
        if parts.username is not None:
            raise PlanError(f"{url}: a user in a URL is not sent; -H 'Authorization: …' is")
        port = SCHEMES[parts.scheme] if port is None else port
        if not port:
            raise PlanError(f"{url}: there is no port; write {parts.scheme}://host:port")
        path, record = parts.path, ""
        match parts.scheme:
            case "dns":
                path, record = _question(url, path, parts.query)
            case "tcp" | "udp":
                if path not in ("", "/") or parts.query:
                    raise PlanError(f"{url}: {parts.scheme} has no path")
            case _:
                path = f"{path or '/'}?{parts.query}" if parts.query else path or "/"
                path = quote(path, safe=_URL_OCTETS)
        return cls(parts.scheme, parts.hostname, port, path, record)

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"

    @property
    def is_http(self) -> bool:
        return self.scheme in ("http", "https")

    @property
    def is_datagram(self) -> bool:
        return self.scheme in ("udp", "dns")


def _question(url: str, path: str, query: str) -> tuple[str, str]:
    name = path.strip("/").rstrip(".")
    if not name:
        raise PlanError(f"{url}: there is no name to ask for; write dns://server/name?type=A")
    options = parse_qs(query, keep_blank_values=True)
    record = options.pop("type", ["A"])[-1].upper()
    if options:
        raise PlanError(f"{url}: {next(iter(options))!r} is no option; type is")
    return name, record


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """One run: so many requests a second, for so long, at one URL."""

    url: str
    rate: float
    duration_s: float
    #: At most so many requests are under way; more wait in order, and their clock ticks.
    connections: int = 100
    #: At most so many wait; more are dropped at once.
    queue: int = 10_000
    timeout_s: float = 5.0
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    arrival: Arrival = Arrival.CONSTANT
    #: Where a ramp ends, which begins at `rate`.
    rate_end: float | None = None
    #: Instead of rate, duration and arrival, when there are any.
    stages: tuple[Stage, ...] = ()
    seed: int = 0
    #: A new connection (or socket) for every request, as a proxy that balances them needs it.
    fresh: bool = False
    #: Octets of an echo.
    size: int = 64
    #: The response header that names the backend; "" tries the usual ones, then the body.
    backend_header: str = ""
    #: Trust any certificate.
    insecure: bool = False

    def __post_init__(self) -> None:
        for name, value, most in (
            ("duration", self.total_s, DURATION_MAX_S),
            ("connections", self.connections, CONNECTIONS_MAX),
            ("timeout", self.timeout_s, DURATION_MAX_S),
        ):
            if not 0 < value <= most:
                raise PlanError(f"{name} must be above 0 and at most {most:g}, not {value:g}")
        if not 0 <= self.queue <= QUEUE_MAX:
            raise PlanError(f"queue must be at least 0 and at most {QUEUE_MAX}, not {self.queue}")
        if not SIZE_MIN <= self.size <= SIZE_MAX:
            raise PlanError(
                f"size must be at least {SIZE_MIN} and at most {SIZE_MAX} octets, not {self.size}"
            )
        self._check_rates()
        self._check_request()

    def _check_rates(self) -> None:
        if self.arrival.is_ramp != (self.rate_end is not None) and not self.stages:
            raise PlanError("a ramp needs the rate at which it ends, and nothing else does")
        for stage in self.all_stages:
            for rate in (stage.rate, stage.rate_end):
                if not 0 <= rate <= RATE_MAX:
                    raise PlanError(f"rate must be above 0 and at most {RATE_MAX:g}, not {rate:g}")
        if not self.mean_rate > 0:
            raise PlanError(f"rate must be above 0 and at most {RATE_MAX:g}, not 0")

    def _check_request(self) -> None:
        target = self.target
        if not self.method.isascii() or not self.method.isalpha():
            raise PlanError(f"{self.method!r} is no HTTP method")
        for header, text in self.headers.items():
            if not _TOKEN.fullmatch(header) or not _FIELD_VALUE.fullmatch(text):
                raise PlanError(f"{header!r}: {text!r} is no HTTP header")
        if not target.is_http and (self.method != "GET" or self.headers or self.body):
            raise PlanError(f"{target.scheme} has no method, no headers and no body")

    @property
    def target(self) -> Target:
        return Target.parse(self.url)

    @property
    def all_stages(self) -> tuple[Stage, ...]:
        if self.stages:
            return self.stages
        end = self.rate if self.rate_end is None else self.rate_end
        return (Stage(self.duration_s, self.rate, end, self.arrival),)

    @property
    def total_s(self) -> float:
        return sum(stage.duration_s for stage in self.all_stages)

    @property
    def mean_rate(self) -> float:
        return sum(stage.requests for stage in self.all_stages) / self.total_s

    @property
    def arrival_name(self) -> str:
        return "stages" if self.stages else self.arrival.value

    def shape(self) -> PlanShape:
        """Return what a result file tells of the plan."""
        target = self.target
        return PlanShape(
            url=self.url,
            protocol=target.scheme,
            method=self.method if target.is_http else "",
            rate=self.mean_rate,
            duration_s=self.total_s,
            arrival=self.arrival_name,
            stages=[
                StageShape(
                    duration_s=stage.duration_s,
                    rate=stage.rate,
                    rate_end=stage.rate_end,
                    arrival=stage.arrival.value,
                )
                for stage in self.all_stages
            ],
            connections=self.connections,
            queue=self.queue,
            timeout_s=self.timeout_s,
            seed=self.seed,
            fresh=self.fresh,
            size=self.size if target.scheme in ("tcp", "udp") else 0,
        )
