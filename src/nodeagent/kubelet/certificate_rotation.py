"""The kubelet asks for its next client certificate in time (upstream: util/certificate's manager).

When 70 to 90 % of a certificate's life are over, the next one is asked for as the first one was by
a node that joined, but with the old one; the controller manager approves what a node asks for
itself. The kubeconfig is written anew, and connections are made anew. A request that is not
answered is asked again. The serving certificate is not asked for (upstream: serverTLSBootstrap).
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from componentbase.clock import Clock
from kubeapi.client import RestClient
from kubeapi.client.kubeconfig import read_kubeconfig, write_kubeconfig
from nodeagent.kubelet import bootstrap

log = logging.getLogger(__name__)

#: Upstream: how long one request waits for its answer, and how long after that it is asked again.
_PATIENCE_S: Final = 15 * 60.0
_RETRY_S: Final = 60.0
#: A sleep is no longer than this, so that a clock that is set is seen.
_LOOK_S: Final = 3600.0
_EARLIEST, _LATEST = 0.7, 0.9
_SEQUENCE, _VERSION, _UTC_TIME = 0x30, 0xA0, 0x17


def validity(pem: str) -> tuple[float, float]:
    """Return from when until when a certificate holds, Unix seconds; raises ValueError.

    Read by hand (X.690, RFC 5280 §4.1): the library for it costs each node's agent megabytes.
    """
    octets = ssl.PEM_cert_to_DER_cert(pem)
    _, body, _ = _element(octets, 0)  # Certificate
    _, at, _ = _element(octets, body)  # tbsCertificate
    tag, _, after = _element(octets, at)
    if tag == _VERSION:
        at = after
    for _ in range(3):  # serialNumber, signature, issuer
        _, _, at = _element(octets, at)
    _, begin, _ = _element(octets, at)
    first, second, after = _element(octets, begin)
    return _time(first, octets[second:after]), _time(*_following(octets, after))


def _element(octets: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, begin and end of the value that stands *at*."""
    if at + 2 > len(octets):
        raise ValueError("the certificate is cut short")
    tag, length, begin = octets[at], octets[at + 1], at + 2
    if length >= 0x80:
        begin += length - 0x80
        length = int.from_bytes(octets[at + 2 : begin], "big")
    return tag, begin, begin + length


def _following(octets: bytes, at: int) -> tuple[int, bytes]:
    tag, begin, end = _element(octets, at)
    return tag, octets[begin:end]


def _time(tag: int, text: bytes) -> float:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode("ascii"), form).replace(tzinfo=UTC).timestamp()


def due_at(begins: float, ends: float, rng: random.Random) -> float:
    """Return when the next certificate is to be asked for: not all nodes at once."""
    return begins + (ends - begins) * rng.uniform(_EARLIEST, _LATEST)


class CertificateRotation:
    """Keeps the certificate of one node's client fresh."""

    def __init__(
        self,
        node_name: str,
        kubeconfig: Path,
        client: RestClient,
        rng: random.Random,
        *,
        wall: Clock,
        retry_s: float = _RETRY_S,
    ) -> None:
        self._node_name, self._path, self._client = node_name, kubeconfig, client
        self._rng, self._wall, self._retry_s = rng, wall, retry_s

    async def run(self) -> None:
        """Renew again and again until cancelled."""
        while pem := read_kubeconfig(self._path).certificate_pem:
            begins, ends = validity(pem)
            due = due_at(begins, ends, self._rng)
            while (left_s := due - self._wall()) > 0:
                await asyncio.sleep(min(left_s, _LOOK_S))
            while not await self._renewed():
                await asyncio.sleep(self._retry_s)
        await asyncio.Event().wait()  # Who shows no certificate has none to renew.

    async def _renewed(self) -> bool:
        """Get the next certificate and use it; tell whether that was to be had."""
        asked = bootstrap.wanted(self._node_name)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                request = bootstrap.signing_request(asked)
                certificate = await bootstrap.certificate_for(self._client, request)
            self._write(certificate, asked.key.decode())
        except (OSError, TimeoutError) as error:
            log.warning("no new certificate for now: %s", error)
            return False
        await self._client.use(read_kubeconfig(self._path))
        log.info("the new certificate is used from now on")
        return True

    def _write(self, certificate: str, key: str) -> None:
        old = read_kubeconfig(self._path)
        write_kubeconfig(
            self._path,
            server=old.server,
            ca_pem=old.ca_pem,
            certificate_pem=certificate,
            key_pem=key,
            cluster_name=bootstrap.CLUSTER_NAME,
            user_name=old.user_name,
        )
