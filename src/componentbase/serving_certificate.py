"""A server's certificate may be renewed while it serves (upstream: dynamiccertificates).

The files are looked at now and then; new connections get what they hold. A pair that is half
written, or none at all, is left alone until the next look.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

#: Upstream looks once a minute, beside inotify.
_LOOK_S: Final = 5.0

_Stamp = tuple[int, int]


async def follow(
    context: ssl.SSLContext, certificate: str, private_key: str, *, look_every_s: float = _LOOK_S
) -> None:
    """Let *context*, which has loaded both files, show what they hold, until cancelled."""
    loaded = _stamp(certificate, private_key)
    while True:
        await asyncio.sleep(look_every_s)
        now = _stamp(certificate, private_key)
        if now == loaded or None in now:
            continue
        try:
            # Elsewhere first: a context that fails half-way would have nothing to show.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key)
            context.load_cert_chain(certificate, private_key)
        except OSError as error:
            log.warning("%s: %s; the old certificate is shown", certificate, error)
        else:
            log.info("%s is new: it is shown from now on", certificate)
        loaded = now


def _stamp(*files: str) -> tuple[_Stamp | None, ...]:
    """Return what changes with each new file; None for one that is away."""
    found: list[_Stamp | None] = []
    for file in files:
        try:
            stat = Path(file).stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_ino))
    return tuple(found)
