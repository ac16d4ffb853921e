"""New connections see a certificate that was renewed; a broken one is never shown."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from cryptography import x509

from componentbase.client_certificates import server_context
from componentbase.serving_certificate import follow
from componentbase.tasks import Tasks
from podwire.cluster import pki

WITHIN_S = 10.0


@pytest.mark.asyncio
async def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path):
    now = pki.utc_now()
    authority = pki.Authority.new("ca", now)
    (tmp_path / "ca.crt").write_bytes(authority.pair.certificate)
    files = tmp_path / "server.crt", tmp_path / "server.key"

    def renew():
        pair = authority.issue(pki.apiserver_identity(["127.0.0.1"]), now)
        pki.write_pair(pair, *files)
        return x509.load_pem_x509_certificate(pair.certificate).serial_number

    first = renew()
    names = [str(file) for file in files]
    context = server_context(*names, str(tmp_path / "ca.crt"))
    trusting = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def shown():
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        found = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return x509.load_der_x509_certificate(found).serial_number

    async def until(wanted):
        async with asyncio.timeout(WITHIN_S):
            while await shown() != wanted:
                await asyncio.sleep(0.01)

    tasks = Tasks()
    tasks.spawn(follow(context, *names, look_every_s=0.01), name="follow", essential=True)
    try:
        assert await shown() == first
        await until(renew())
        kept = await shown()
        files[0].write_bytes(b"no certificate")
        await asyncio.sleep(0.05)
        assert await shown() == kept
        files[1].unlink()
        await asyncio.sleep(0.05)
        assert await shown() == kept
        await until(renew())
    finally:
        await tasks.close()
        server.close()
