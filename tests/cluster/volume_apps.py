"""Programs of the pods in test_volumes.py."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path


async def listen() -> None:
    """Tell over a Unix socket in the shared volume what this container sees of all the others."""
    server = await asyncio.start_unix_server(_answer, "/shared/app.sock")
    async with server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(json.dumps(tree("/volumes")).encode())
    writer.close()


def tree(root: str) -> dict[str, list[object]]:
    """Return path, text and mode of the files below *root*, as a program finds them."""
    found: dict[str, list[object]] = {}
    for parent, directories, names in os.walk(root, followlinks=True):
        directories[:] = [each for each in directories if not each.startswith("..")]
        for name in names:
            path = Path(parent, name)
            found[str(path)] = [path.read_bytes().decode(errors="replace"), path.stat().st_mode]
    return found


async def ask() -> None:
    """Ask the listener once a change, and print; then say what may be written where."""
    print(json.dumps(await _asked()), flush=True)
    for path in ("/volumes/config/new", "/volumes/part/new", "/own", "/etc/own", "/scratch/own"):
        try:
            Path(path).write_text("x")
            print(f"{path} written", flush=True)
        except OSError as error:
            print(f"{path} {os.strerror(error.errno or 0)}", flush=True)
    print("machine's", Path(os.environ["OF_THE_MACHINE"]).exists(), flush=True)
    await asyncio.Event().wait()


async def _asked() -> object:
    while not Path("/shared/app.sock").is_socket():
        await asyncio.sleep(0.02)
    reader, writer = await asyncio.open_unix_connection("/shared/app.sock")
    writer.write(b"?\n")
    answer = json.loads(await reader.read())
    writer.close()
    return answer
