"""Certificates by name, and as Secrets change."""

from __future__ import annotations

import base64
import socket
import ssl

import pytest
from cryptography import x509
from ingress_objects import ingress, path, rule
from ingress_world import ADDRESS, World

from ingresscontroller.certificates import BadCertificate, fake_certificate, make_context, pems_of

NOW = 1_780_000_000.0


def secret(pems: tuple[bytes, bytes]):
    data = zip(("tls.crt", "tls.key"), pems, strict=True)
    return {
        "metadata": {"name": "s", "namespace": "default"},
        "data": {name: base64.b64encode(pem).decode() for name, pem in data},
    }


def shown(world: World, name: str | None) -> bytes:
    """Return the serial number of the certificate that *name* gets, as octets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((ADDRESS, world.tls_port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        found = secured.getpeercert(binary_form=True)
    assert found is not None
    return found


def der(pems: tuple[bytes, bytes]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pems[0].decode())


def test_each_name_gets_its_certificate_and_a_new_one_at_once(world: World):
    first, second, wild = (fake_certificate(NOW) for _ in range(3))
    world.secrets = {"default/s": secret(first), "default/w": secret(wild)}
    secured = ingress(
        "web", rule("a.example", path("/", "web")),
        tls=[{"hosts": ["a.example"], "secretName": "s"},
             {"hosts": ["*.b.example"], "secretName": "w"}],
    )  # fmt: skip
    world.route(secured)
    fake = shown(world, "nobody.example")
    assert shown(world, "a.example") == shown(world, "A.Example") == der(first)
    assert shown(world, "x.b.example") == der(wild)
    assert shown(world, None) == fake != der(first)
    name = x509.load_der_x509_certificate(fake).subject.rfc4514_string()
    assert "Kubernetes Ingress Controller Fake Certificate" in name
    world.secrets = {"default/s": secret(second), "default/w": secret(wild)}
    world.route(secured)
    assert shown(world, "a.example") == der(second)
    world.secrets = {}
    with pytest.raises(AssertionError):
        world.route(secured)  # It is told that there is no such Secret.
    assert shown(world, "a.example") == fake


def test_requests_by_tls_say_so(world: World):
    world.serve("web")
    world.route(ingress("web", rule("a.example", path("/", "web"))))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = world.secure_client(context)
    client.request("GET", "/", headers={"Host": "a.example"})
    answer = client.getresponse()
    told = answer.read()
    client.close()
    assert b'"x-forwarded-proto": "https"' in told
    assert b'"x-forwarded-port": "443"' in told
    assert answer.getheader("Strict-Transport-Security", "").startswith("max-age=")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tls.crt": ""},
        {"tls.crt": "?", "tls.key": ""},
    ],
)
def test_a_secret_without_both_is_bad(data):
    with pytest.raises(BadCertificate):
        pems_of({"data": data})


def test_a_certificate_without_its_key_is_bad():
    one, other = fake_certificate(NOW), fake_certificate(NOW)
    with pytest.raises(BadCertificate):
        make_context(one[0], other[1])
    with pytest.raises(BadCertificate):
        make_context(b"", b"")
