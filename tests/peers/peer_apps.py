"""A program for pods: fetches, and says what it got."""

from __future__ import annotations

import hashlib

from aiohttp import ClientSession


async def digest(arguments: list[str]) -> int:
    """Print the SHA-256 of what each URL answers with."""
    async with ClientSession() as session:
        for url in arguments:
            async with session.get(url) as answer:
                print(hashlib.sha256(await answer.read()).hexdigest(), flush=True)
    return 0
