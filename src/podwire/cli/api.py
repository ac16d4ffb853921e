"""How the command line asks a cluster's API server, and what it says when there is no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from componentbase.clock import rfc3339, wall
from kubeapi.client import RestClient, Unreachable
from kubeapi.client.kubeconfig import KubeconfigError
from kubeapi.status import StatusError
from podwire.cli import CommandFailed
from podwire.cluster.layout import Layout, UsageError
from podwire.launcher import client

T = TypeVar("T")

#: What OpenSSL says of certificates outside of their time.
_OUT_OF_TIME: Final = ("certificate is not yet valid", "certificate has expired")


def connect(paths: Layout) -> RestClient:
    """Return a client with the cluster's kubeconfig; raises UsageError when that is damaged."""
    try:
        return RestClient.from_kubeconfig(paths.kubeconfig, user_agent="podwire")
    except KubeconfigError as error:
        raise UsageError(
            f"{' '.join(str(error).split())}; a new start writes it again: "
            f"podwire down --keep-state{paths.name_option}, podwire up{paths.name_option}"
        ) from None


def run(paths: Layout, work: Callable[[RestClient], Awaitable[T]]) -> T:
    """Connect, do *work* with the connection, return its result.

    Raises UsageError when no such cluster runs, CommandFailed when the server says no.
    """
    paths.read_cluster()

    async def connected() -> T:
        rest = connect(paths)
        try:
            return await work(rest)
        finally:
            await rest.close()

    try:
        return asyncio.run(connected())
    except StatusError as error:
        raise CommandFailed(error.message) from None
    except Unreachable as error:
        if client.running_session(paths) is None:
            raise client.not_running(paths) from None
        if any(words in str(error) for words in _OUT_OF_TIME):
            raise CommandFailed(
                f"by this machine's clock ({rfc3339(wall())}) the cluster's certificates are not "
                "valid yet, or no longer: set the clock right, or make the cluster anew"
            ) from None
        raise CommandFailed(
            f"the API server does not answer: {error}; see podwire status{paths.name_option}"
        ) from None
