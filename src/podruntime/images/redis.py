"""redis: strings and lists in memory, with one leader and any number of read-only followers.

As much as the guestbook of Kubernetes' documentation and its like ask for: strings, counters,
lists, INFO, REPLICAOF, `redis-cli`. Deliberate deviations: a follower gets the leader's data as
commands, not as an RDB file, so real Redis servers cannot be mixed with these; nothing is written
to disk.
"""

from __future__ import annotations

import asyncio
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images import resp
from podruntime.images.busybox import APPLETS
from podruntime.images.image import Image
from podruntime.images.process import Process
from podruntime.images.redis_database import VERSION, WRITES, Database
from podruntime.images.resp import Error

PORT: Final = 6379
_UNSENT_MAX: Final = 16 * 1024 * 1024
_READ_OCTETS: Final = 64 * 1024
_FOLLOW_AGAIN_S: Final = 1.0


class Server:
    """Serves a Database, and follows its leader."""

    def __init__(self, data: Database) -> None:
        self._data = data
        self._followers: dict[asyncio.StreamWriter, None] = {}
        self._tasks = Tasks()
        self._copying: asyncio.Task[None] | None = None

    async def run(self, port: int) -> None:
        """Listen until cancelled; raises OSError."""
        server = await asyncio.start_server(self._serve, None, port)
        self._follow()
        try:
            async with server:
                await server.serve_forever()
        finally:
            await self._tasks.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = bytearray()
        try:
            while octets := await reader.read(_READ_OCTETS):
                buffer += octets
                while (words := resp.take_command(buffer)) is not None:
                    if words:
                        self._answer(writer, words)
                await writer.drain()
        except resp.MalformedCommand as error:
            writer.write(resp.reply(Error(f"ERR Protocol error: {error}")))
        except ConnectionError:
            pass  # The client is gone.
        finally:
            self._followers.pop(writer, None)
            self._data.followers = len(self._followers)
            writer.close()

    def _answer(self, writer: asyncio.StreamWriter, words: list[bytes]) -> None:
        name = words[0].upper()
        if name == b"SYNC":
            writer.write(self._data.snapshot())
            self._followers[writer] = None
            self._data.followers = len(self._followers)
            return
        leader = self._data.leader
        value = self._data.do(words)
        writer.write(resp.reply(value))
        if name in WRITES and not isinstance(value, Error):
            self._propagate(resp.command(*words))
        if leader != self._data.leader:
            self._follow()
        if name == b"QUIT":
            writer.close()

    def _propagate(self, command: bytes) -> None:
        for follower in list(self._followers):
            if follower.transport.get_write_buffer_size() > _UNSENT_MAX:
                follower.close()  # It comes back and begins anew.
            else:
                follower.write(command)

    def _follow(self) -> None:
        """Copy the leader that there is now, or nobody."""
        if self._copying is not None:
            self._copying.cancel()
        leader = self._data.leader
        self._copying = (
            None if leader is None else self._tasks.spawn(self._copy(leader), name="replicaof")
        )

    async def _copy(self, leader: tuple[str, int]) -> None:
        """Be a copy of *leader*; begin anew whenever the connection breaks."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(*leader)
                try:
                    writer.write(resp.command(b"SYNC"))
                    await self._take(reader)
                finally:
                    writer.close()
            except (OSError, resp.MalformedCommand):
                pass  # Tried again below: the leader may not have started yet.
            await asyncio.sleep(_FOLLOW_AGAIN_S)

    async def _take(self, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        while octets := await reader.read(_READ_OCTETS):
            buffer += octets
            while (words := resp.take_command(buffer)) is not None:
                if words and words[0].upper() in WRITES:
                    self._data.do(words, from_leader=True)
                    self._propagate(resp.command(*words))


async def redis_server(process: Process) -> int:
    """Serve; `--port N` and `--replicaof HOST PORT` (or `--slaveof`) are understood."""
    process.exit_on_terminate(0)
    data, port, words = Database(), PORT, list(process.arguments)
    while words:
        match words:
            case ["--port", number, *rest] if number.isdigit():
                port = int(number)
            case ["--replicaof" | "--slaveof", host, number, *rest] if number.isdigit():
                data.leader = host, int(number)
            case [_, *rest]:  # A configuration file, or a setting that changes nothing here.
                pass
        words = rest
    process.print(f"1:M * Running mode=standalone, port={port}.")
    process.print("1:M * Ready to accept connections")
    try:
        await Server(data).run(port)
    except OSError:
        process.print(f"1:M # Could not create server TCP listening socket *:{port}: bind:"
                      " Address already in use")  # fmt: skip
    return 1


async def ask(host: str, port: int, *words: bytes) -> tuple[bytes, bytes | None]:
    """Ask once; return the reply's kind and octets. Raises OSError or MalformedCommand."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(resp.command(*words))
        buffer = bytearray()
        while (answer := resp.take_reply(buffer)) is None:
            octets = await reader.read(_READ_OCTETS)
            if not octets:
                raise ConnectionResetError("Server closed the connection")
            buffer += octets
        return answer
    finally:
        writer.close()


async def redis_cli(process: Process) -> int:
    """Send one command: `redis-cli [-h HOST] [-p PORT] COMMAND …`."""
    host, port, words = "127.0.0.1", PORT, list(process.arguments)
    while len(words) > 1 and words[0] in ("-h", "-p"):
        host, port = (words[1], port) if words[0] == "-h" else (host, int(words[1]))
        del words[:2]
    try:
        kind, octets = await ask(host, port, *(word.encode() for word in words or ["PING"]))
    except (OSError, resp.MalformedCommand) as error:
        process.complain(f"Could not connect to Redis at {host}:{port}: {error}")
        return 1
    text = "" if octets is None else octets.decode(errors="replace")
    process.print(f"(error) {text}" if kind == b"-" else text)
    return int(kind == b"-")


async def _entrypoint(process: Process) -> int:
    """Run what follows, as docker-entrypoint.sh does: options alone are redis-server's."""
    argv = process.arguments
    if not argv or argv[0].startswith("-"):
        argv = ["redis-server", *argv]
    program = process.programs.get(argv[0].rpartition("/")[2])
    if program is None:
        process.complain(f"docker-entrypoint.sh: exec: {argv[0]}: not found")
        return 127
    process.argv = argv
    return await program(process)


async def _follower(process: Process) -> int:
    """Follow redis-leader, as run.sh of the guestbook's follower image does."""
    leader = "redis-leader"
    if process.env.get("GET_HOSTS_FROM", "dns") == "env":
        leader = process.env.get("REDIS_LEADER_SERVICE_HOST", leader)
    process.argv = ["redis-server", "--replicaof", leader, str(PORT)]
    return await redis_server(process)


_PROGRAMS: Final = {
    **APPLETS,
    "redis-server": redis_server,
    "redis-cli": redis_cli,
    "docker-entrypoint.sh": _entrypoint,
    "run.sh": _follower,
}
IMAGE: Final = Image(
    programs=_PROGRAMS,
    entrypoint=("docker-entrypoint.sh",),
    cmd=("redis-server",),
    env={"REDIS_VERSION": VERSION},
    working_dir="/data",
    size=42_000_000,
)
FOLLOWER: Final = Image(programs=_PROGRAMS, cmd=("/run.sh",), size=42_000_000)
