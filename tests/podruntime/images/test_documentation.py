"""Programs of single pages of the documentation."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal, getcontext

import pytest

from podruntime.images import documentation, registry
from podruntime.images.documentation import Liveness, compute, pi, relay
from podruntime.images.http_client import Url, fetch
from podruntime.images.http_message import Headers
from podruntime.images.http_server import HttpServer, Request, Response

from .processes import run


def asked(target: str) -> Request:
    return Request("GET", target, "HTTP/1.1", Headers(), b"", ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("digits", "text"),
    [(1, "3"), (3, "3.14"), (5, "3.1416"), (20, "3.1415926535897932385")],
)
def test_pi_is_rounded_to_its_digits(digits, text):
    assert pi(digits) == text


def test_two_thousand_digits_are_the_circles():
    """Machin's formula against Gauss' and Legendre's means."""
    getcontext().prec = 2020
    a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
    for _ in range(12):
        mean = (a + b) / 2
        b, t, a, p = (a * b).sqrt(), t - p * (a - mean) ** 2, mean, 2 * p
    digits = pi(2000)
    assert len(digits) == 2001
    assert str((a + b) ** 2 / (4 * t))[:1995] == digits[:1995]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["-Mbignum=bpi", "-wle", "print bpi(10)"], 0),
        (["-Mbignum=bpi", "-wle", "print bpi(0)"], 2),
        (["-Mbignum=bpi", "-wle", f"print bpi({'9' * 5000})"], 2),
        (["-e", "print bpi(10)"], 2),
        (["-e", "print 1"], 2),
        ([], 2),
    ],
)
async def test_perl_knows_one_script(words, status):
    code, said, _ = await run(["perl", *words], programs=documentation.PERL.programs)
    assert code == status
    assert said == ("3.141592654\n" if status == 0 else "")


def test_liveness_is_well_for_ten_seconds():
    site = Liveness(100.0)
    answers = [site.answer(asked("/healthz"), now).status for now in (100.0, 109.9, 110.1)]
    assert answers == [200, 200, 500]
    assert site.answer(asked("/started"), 101.5).body == b"1.500000000s"
    assert site.answer(asked("/else"), 100.0).status == 404


@pytest.mark.asyncio
async def test_the_autoscalers_example_computes_and_lets_others_run():
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.get_running_loop().create_task(others())
    assert (await compute(asked("/"))).body == b"OK!"
    task.cancel()
    assert turns >= 40


@pytest.mark.asyncio
async def test_the_proxy_relays_what_is_asked_of_a_proxy():
    server = HttpServer(lambda request: Response(203, request.target.encode(), "text/x"))
    await server.start(0, "127.0.0.1")
    port = server._server.sockets[0].getsockname()[1]
    with contextlib.suppress(asyncio.CancelledError):
        answer = await relay(asked(f"http://127.0.0.1:{port}/a?b=c"))
        assert (answer.status, answer.body, answer.content_type) == (203, b"/a?b=c", "text/x")
        assert (await relay(asked("/a"))).status == 500
        assert (await relay(asked("http:///"))).status == 502
        assert (await fetch(Url("127.0.0.1", port, "/"))).status == 203
    await server.drain()


@pytest.mark.parametrize(
    "name",
    [
        "registry.k8s.io/hpa-example",
        "perl:5.34.0",
        "registry.k8s.io/goproxy:0.1",
        "registry.k8s.io/e2e-test-images/jessie-dnsutils:1.3",
        "debian",
        "radial/busyboxplus:curl",
        "registry.k8s.io/serve_hostname",
        "gcr.io/google-samples/hello-go-gke:1.0",
        "gcr.io/google-samples/hello-frontend:1.0",
    ],
)
def test_the_pages_images_have_what_they_start(name):
    image = registry.find(name).image
    assert image.command(None, None)[0].rpartition("/")[2] in image.programs
