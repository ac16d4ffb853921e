"""Programs of images that Kubernetes' own pages use once: autoscaling, probes, Jobs, Services.

`hpa-example` computes a million square roots for each request, `perl` prints digits of π and knows
no other script, `liveness` is well for ten seconds, `goproxy` is a plain HTTP proxy, `hello-go-gke`
and `hello-frontend` are a backend and what stands before it.
"""

from __future__ import annotations

import asyncio
import math
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from componentbase.clock import monotonic
from podruntime.images import nginx
from podruntime.images.busybox import APPLETS
from podruntime.images.http_client import BadUrl, Url, fetch
from podruntime.images.http_message import MalformedMessage
from podruntime.images.http_server import Handler, HttpServer, Request, Response, serve_forever
from podruntime.images.image import Image
from podruntime.images.process import Process

_ROOTS: Final = 1_000_000
#: So many at once; then the other containers of the pod have a turn.
_SLICE: Final = 20_000
_WELL_S: Final = 10.0
_DIGITS_MAX: Final = 100_000
_BPI: Final = re.compile(r"print bpi\((\d+)\);?")
_GO_TERMINATED: Final = 2


async def serve(process: Process, handler: Handler, port: int, *, terminated: int = 0) -> int:
    """Serve *handler* until told to end."""
    process.exit_on_terminate(terminated)
    try:
        await serve_forever(HttpServer(handler), port)
    except OSError:
        process.complain(f"listen tcp :{port}: bind: address already in use")
    return 1


async def compute(_request: Request) -> Response:
    """Answer OK! when the work is done."""
    total = 0.0001
    for _ in range(_ROOTS // _SLICE):
        for _ in range(_SLICE):
            total += math.sqrt(total)
        await asyncio.sleep(0)
    return Response(body=b"OK!", content_type="text/html")


async def _hpa_example(process: Process) -> int:
    return await serve(process, compute, 80)


class Liveness:
    """/healthz is well for a while after the start, and fails from then on."""

    def __init__(self, now: float) -> None:
        self._began = now

    def answer(self, request: Request, now: float) -> Response:
        """Answer /started and /healthz."""
        lasted_s = now - self._began
        if request.path == "/started":
            return Response(body=f"{lasted_s:.9f}s".encode())
        if request.path != "/healthz":
            return Response(404, b"404 page not found\n")
        if lasted_s > _WELL_S:
            return Response(500, f"error: {lasted_s}".encode())
        return Response(body=b"ok")


async def liveness(process: Process) -> int:
    """Serve at 8080 (agnhost liveness)."""
    site = Liveness(monotonic())
    handler: Handler = lambda request: site.answer(request, monotonic())  # noqa: E731
    return await serve(process, handler, 8080, terminated=_GO_TERMINATED)


def pi(digits: int) -> str:
    """Return π to so many digits, the one before the point among them (bignum's bpi)."""
    unity = 10 ** (digits + 10)
    scaled = 4 * (4 * _arctan_of_one_over(5, unity) - _arctan_of_one_over(239, unity))
    exact = Decimal(scaled).scaleb(-(digits + 10), Context(prec=digits + 20))
    return str(Context(prec=max(1, digits), rounding=ROUND_HALF_EVEN).plus(exact))


def _arctan_of_one_over(x: int, unity: int) -> int:
    """Return arctan(1/x) times *unity*, by Gregory's series."""
    power = total = unity // x
    divisor, sign = 1, 1
    while power:
        power //= x * x
        divisor, sign = divisor + 2, -sign
        total += sign * (power // divisor)
    return total


async def perl(process: Process) -> int:
    """`perl -Mbignum=bpi -wle 'print bpi(N)'`."""
    words = list(process.arguments)
    script = _BPI.fullmatch(words[-1].strip()) if words else None
    digits = int(script[1][:7]) if script else 0
    if script is None or "-Mbignum=bpi" not in words or not 0 < digits <= _DIGITS_MAX:
        process.complain("perl: this one knows -Mbignum=bpi -wle 'print bpi(N)' and nothing else")
        return 2
    process.exit_on_terminate(143)
    await asyncio.sleep(0)
    process.print(pi(digits))
    return 0


async def relay(request: Request) -> Response:
    """Fetch what an absolute target names; anything else is no request of a proxy's client."""
    if not request.target.startswith("http://"):
        text = b"This is a proxy server. Does not respond to non-proxy requests.\n"
        return Response(500, text)
    return await _fetched(request.target, request)


async def _fetched(url: str, request: Request) -> Response:
    try:
        answer = await fetch(Url.parse(url), method=request.method, body=request.body)
    except (OSError, BadUrl, MalformedMessage) as error:
        return Response(502, f"{error}\n".encode())
    kind = answer.head.headers.get("Content-Type") or "application/octet-stream"
    return Response(answer.status, answer.body, kind)


async def _goproxy(process: Process) -> int:
    return await serve(process, relay, 8080, terminated=_GO_TERMINATED)


async def _hello_go(process: Process) -> int:
    hello = Response(body=b'{"message":"Hello"}\n', content_type="application/json")
    return await serve(process, lambda _request: hello, 80, terminated=_GO_TERMINATED)


async def _hello_frontend(process: Process) -> int:
    """Hand everything to the Service `hello`, as the page's nginx is told to."""
    if "-s" in process.arguments:
        return await nginx.nginx(process)
    return await serve(process, lambda each: _fetched(f"http://hello{each.target}", each), 80)


HPA_EXAMPLE: Final = Image(
    programs={**APPLETS, "apache2-foreground": _hpa_example},
    cmd=("apache2-foreground",),
    size=200_000_000,
)
LIVENESS: Final = Image(programs={"server": liveness}, cmd=("/server",), size=2_000_000)
PERL: Final = Image(programs={**APPLETS, "perl": perl}, cmd=("perl",), size=336_000_000)
GOPROXY: Final = Image(programs={"goproxy": _goproxy}, entrypoint=("/goproxy",), size=5_000_000)
HELLO_GO: Final = Image(programs={"hello": _hello_go}, cmd=("/hello",), size=11_000_000)
HELLO_FRONTEND: Final = Image(
    programs={**APPLETS, "nginx": _hello_frontend}, cmd=("nginx",), size=42_000_000
)
