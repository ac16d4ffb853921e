"""Every store that must pass the conformance tests, opened on a directory of the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.interface import Store

Open = Callable[[], Awaitable[Store]]


async def open_embedded(directory: Path) -> Store:
    return await EmbeddedStore.open(directory / "podwire.db")


#: A further implementation is one more line.
STORES: dict[str, Callable[[Path], Awaitable[Store]]] = {"embedded": open_embedded}


@pytest_asyncio.fixture(params=list(STORES))
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Closes the store that was opened last, and opens what it left."""
    opened: list[Store] = []

    async def again() -> Store:
        if opened:
            await opened.pop().close()
        opened.append(await STORES[request.param](tmp_path))
        return opened[0]

    yield again
    if opened:
        await opened.pop().close()


@pytest_asyncio.fixture
async def store(reopen: Open) -> Store:
    return await reopen()
