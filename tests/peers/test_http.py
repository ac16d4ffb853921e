"""Servers and clients that everybody has, against ours: curl, Python's http.server, nginx."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest
from station import OURS, Station, Stream
from wireshark import FULL_WINDOWS, REPAIRS, RESETS

from netdev.impairment import Impairment

LOSSY = Impairment(delay_s=0.002, loss=0.01, reorder=0.01, duplicate=0.01)
FILES = {
    f"/{size}": random.Random(size).randbytes(size) for size in (0, 1, 1448, 100_000, 2_000_000)
}
PORT = 8000
NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/log; user root;
events {{}}
http {{
  access_log off; sendfile on;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{ listen {port}; root {directory}/files; }}
}}
"""


async def serve_files(stream: Stream) -> None:
    """Speak HTTP/1.1 with keep-alive, as far as GET of FILES."""
    received = bytearray()
    while data := await stream.read():
        received += data
        while b"\r\n\r\n" in received:
            head, _, rest = bytes(received).partition(b"\r\n\r\n")
            received[:] = rest
            body = FILES[head.split()[1].decode()]
            await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def get(station: Station, path: str) -> bytes:
    """Return the body that a server of the kernel's answers with."""
    stream = await station.connect(PORT)
    request = f"GET {path} HTTP/1.1\r\nHost: {station.kernel}\r\nConnection: close\r\n\r\n"
    await stream.write(request.encode())
    head, _, body = (await stream.read_all()).partition(b"\r\n\r\n")
    stream.close()
    assert head.split()[1] == b"200", head
    return body


async def answers(station: Station) -> None:
    """Wait until a server of the kernel's is there."""
    async with asyncio.timeout(20):
        while True:
            try:
                (await station.connect(PORT)).abort()
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("wire", [None, LOSSY], ids=["clean", "bad wire"])
@pytest.mark.asyncio
async def test_curl_fetches_from_our_server(needs, tap_namespace, judge, wire):
    needs("curl")
    async with Station(tap_namespace, patient=wire is None) as station:
        station.impair(wire)
        station.serve(80, serve_files)
        urls = [f"http://{OURS}{path}" for path in FILES]
        fetched = await tap_namespace.call("curl", "-sS", *urls)
        assert fetched == b"".join(FILES.values())
        opened = {each.ports for each in station.segments("in")}
        assert len(opened) == 1, "one connection was kept alive"
        at_once = await tap_namespace.call(
            "curl", "-sS", "--parallel", "--parallel-immediate", *urls
        )
        assert len(at_once) == len(fetched)
        await station.silence()
        judge(station, FULL_WINDOWS, RESETS, REPAIRS if wire else ())


@pytest.mark.parametrize("wire", [None, LOSSY], ids=["clean", "bad wire"])
@pytest.mark.parametrize("server", ["python3", "nginx"])
@pytest.mark.asyncio
async def test_we_fetch_from_a_server(needs, tap_namespace, judge, tmp_path, server, wire):
    needs(server)
    (tmp_path / "files").mkdir()
    for path, body in FILES.items():
        (tmp_path / "files" / path[1:]).write_bytes(body)
    if server == "nginx":
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(NGINX.format(directory=tmp_path, port=PORT))
        tap_namespace.start("nginx", "-c", str(configuration), "-e", str(tmp_path / "log"))
    else:
        tap_namespace.start(server, "-m", "http.server", str(PORT), cwd=tmp_path / "files")
    async with Station(tap_namespace, patient=wire is None) as station:
        await answers(station)
        station.impair(wire)
        bodies = await asyncio.gather(*(get(station, path) for path in FILES))
        for body, wanted in zip(bodies, FILES.values(), strict=True):
            assert hashlib.sha256(body).digest() == hashlib.sha256(wanted).digest()
        await station.silence()
        judge(station, FULL_WINDOWS, RESETS, REPAIRS if wire else ())
