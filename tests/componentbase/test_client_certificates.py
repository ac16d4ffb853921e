"""Handshakes with certificates of every kind, over real sockets, in both event loops."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta

import pytest
import uvloop

from componentbase import client_certificates
from componentbase.client_certificates import NotBelieved, Shown, server_context, shown_on
from podwire.cluster import pki

JANE = pki.Identity(user="jane", groups=("a", "b"))
SUBJECT = (("commonName", "jane"), ("organizationName", "a"), ("organizationName", "b"))
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the paths of certificates and keys by name."""
    home, now = tmp_path_factory.mktemp("pki"), pki.utc_now()
    ours, theirs = (pki.Authority.new("ca", now) for _ in range(2))
    pairs = {
        "ca": ours.pair,
        "server": ours.issue(pki.apiserver_identity(["127.0.0.1"]), now),
        "jane": ours.issue(JANE, now),
        "expired": ours.issue(JANE, now - timedelta(days=400)),
        "future": ours.issue(JANE, now + timedelta(days=400)),
        "another's": theirs.issue(JANE, now),
        "its own": theirs.pair,
    }
    found = {}
    for name, pair in pairs.items():
        found[name] = home / f"{name}.crt", home / f"{name}.key"
        pki.write_pair(pair, *found[name])
    return found


def shown(files, name, new_loop, version=ssl.TLSVersion.TLSv1_3):
    """Return what a server sees of a client that shows the certificate *name*."""
    server_side = server_context(*map(str, files["server"]), str(files["ca"][0]))
    client_side = ssl.create_default_context(cafile=files["ca"][0])
    client_side.maximum_version = version
    if name:
        client_side.load_cert_chain(*files[name])

    async def meet():
        seen = asyncio.get_running_loop().create_future()

        async def note(_reader, writer):
            seen.set_result(shown_on(writer.transport))
            writer.close()

        server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=server_side)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side)
            assert await reader.read() == b""  # Ended in order, not broken off.
            writer.close()
            return seen.result()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(meet())


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
def test_a_good_certificate_names_its_client(files, new_loop):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        found = shown(files, "jane", new_loop, version)
        assert sorted(found.names(0)) == sorted(SUBJECT)
        with pytest.raises(NotBelieved, match="expired"):
            found.names(found.ends_at + 1)
    assert shown(files, "", new_loop).names(0) == ()


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("another's", "unable to get local issuer|signature failure"),
        ("its own", "self.signed"),
        ("expired", "expired"),
        ("future", "not yet valid"),
    ],
)
def test_a_wrong_certificate_is_told_from_none(files, new_loop, name, why):
    assert client_certificates.hears_out()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with pytest.raises(NotBelieved, match=why):
            shown(files, name, new_loop, version).names(0)


def test_one_wrong_certificate_does_not_spoil_the_next(files):
    for name, believed in (("jane", True), ("another's", False), ("jane", True), ("", True)):
        assert (shown(files, name, asyncio.new_event_loop).refusal == "") is believed


def test_without_openssl_at_hand_the_handshake_breaks_off(files, monkeypatch):
    """What is not believed must never look like a certificate that is."""
    monkeypatch.setattr(client_certificates, "_openssl", lambda: None)
    assert shown(files, "jane", asyncio.new_event_loop).names(0)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.InvalidStateError)):
        shown(files, "another's", asyncio.new_event_loop)


def test_who_is_not_on_tls_has_shown_nothing():
    assert shown_on(None) == Shown()
    assert Shown().names(0) == ()


def test_sockets_that_would_believe_everything_are_not_made(files):
    context = server_context(*map(str, files["server"]), str(files["ca"][0]))
    with pytest.raises(TypeError, match="believe"):
        context.wrap_socket(None)
