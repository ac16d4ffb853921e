"""What redis-server keeps and what its commands do to it; no I/O."""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from podruntime.images import resp
from podruntime.images.resp import Error, Status

VERSION: Final = "6.2.14"
VALUES_OCTETS_MAX: Final = 32 * 1024 * 1024
_OK: Final = Status("OK")
_WRONG_TYPE: Final = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
_FULL: Final = Error("OOM command not allowed when used memory > 'maxmemory'.")
_WRONG_NUMBER: Final = Error("ERR value is not an integer or out of range")

Value = Status | Error | int | bytes | list[bytes] | None
Command = Callable[["Database", Sequence[bytes]], Value]


class Database:
    """Keys and values."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.lists: dict[bytes, deque[bytes]] = {}
        self.octets = 0
        self.leader: tuple[str, int] | None = None
        self.followers = 0

    def do(self, arguments: Sequence[bytes], *, from_leader: bool = False) -> Value:
        """Execute one command."""
        name = arguments[0].upper()
        if name not in _COMMANDS:
            return Error(f"ERR unknown command '{arguments[0].decode('latin-1')[:128]}'")
        least, most, execute = _COMMANDS[name]
        if not least <= len(arguments) - 1 <= most:
            lower = name.decode().lower()
            return Error(f"ERR wrong number of arguments for '{lower}' command")
        if name in WRITES and self.leader is not None and not from_leader:
            return Error("READONLY You can't write against a read only replica.")
        others = self.lists if name in _OF_TEXTS else self.values if name in _OF_LISTS else {}
        if others and arguments[1] in others:
            return _WRONG_TYPE
        return execute(self, arguments[1:])

    def put(self, key: bytes, value: bytes) -> Value:
        """Set a key unless the memory is full."""
        if key in self.lists:
            self.drop(key)
        octets = self.octets + len(value) - len(self.values.get(key, b""))
        octets += 0 if key in self.values else len(key)
        if octets > VALUES_OCTETS_MAX:
            return _FULL
        self.values[key], self.octets = value, octets
        return _OK

    def drop(self, key: bytes) -> bool:
        """Delete a key; return whether it was there."""
        value, elements = self.values.pop(key, None), self.lists.pop(key, None)
        if value is None and elements is None:
            return False
        self.octets -= len(key) + len(value or b"") + sum(map(len, elements or ()))
        return True

    def push(self, key: bytes, elements: Sequence[bytes], *, left: bool) -> Value:
        """Add to an end of a list, which may have to be made."""
        octets = self.octets + sum(map(len, elements)) + (0 if key in self.lists else len(key))
        if octets > VALUES_OCTETS_MAX:
            return _FULL
        held, self.octets = self.lists.setdefault(key, deque()), octets
        (held.extendleft if left else held.extend)(elements)
        return len(held)

    def pop(self, key: bytes, *, left: bool) -> Value:
        """Take from an end of a list; a list without elements is none."""
        held = self.lists.get(key)
        if held is None:
            return None
        element = held.popleft() if left else held.pop()
        self.octets -= len(element)
        if not held:
            self.drop(key)
        return element

    def names(self) -> list[bytes]:
        """Return all keys."""
        return [*self.values, *self.lists]

    def snapshot(self) -> bytes:
        """Return the commands that make an empty database equal to this one."""
        sets = (resp.command(b"SET", key, value) for key, value in self.values.items())
        pushes = (
            resp.command(b"RPUSH", key, element)
            for key, held in self.lists.items()
            for element in held
        )
        return resp.command(b"FLUSHALL") + b"".join((*sets, *pushes))


def _ping(_data: Database, words: Sequence[bytes]) -> Value:
    return words[0] if words else Status("PONG")


def _increment(data: Database, key: bytes, by: int) -> Value:
    try:
        value = int(data.values.get(key, b"0")) + by
    except ValueError:
        return _WRONG_NUMBER
    full = data.put(key, b"%d" % value)
    return full if isinstance(full, Error) else value


def _increment_by(data: Database, words: Sequence[bytes]) -> Value:
    try:
        return _increment(data, words[0], int(words[1]))
    except ValueError:
        return _WRONG_NUMBER


def _append(data: Database, words: Sequence[bytes]) -> Value:
    value = data.values.get(words[0], b"") + words[1]
    full = data.put(words[0], value)
    return full if isinstance(full, Error) else len(value)


def _delete(data: Database, words: Sequence[bytes]) -> Value:
    return sum(data.drop(key) for key in words)


def _exists(data: Database, words: Sequence[bytes]) -> Value:
    return sum(key in data.values or key in data.lists for key in words)


def _keys(data: Database, words: Sequence[bytes]) -> Value:
    pattern = words[0].decode("latin-1")
    return [key for key in data.names() if fnmatch.fnmatchcase(key.decode("latin-1"), pattern)]


def _flush(data: Database, _words: Sequence[bytes]) -> Value:
    data.values.clear()
    data.lists.clear()
    data.octets = 0
    return _OK


def _push(data: Database, words: Sequence[bytes], *, left: bool) -> Value:
    return data.push(words[0], words[1:], left=left)


def _range(data: Database, words: Sequence[bytes]) -> Value:
    """Return the elements from one place to another, both included; negative: from the end."""
    held = list(data.lists.get(words[0], ()))
    try:
        begin, end = int(words[1]), int(words[2])
    except ValueError:
        return _WRONG_NUMBER
    begin = max(0, begin + len(held)) if begin < 0 else begin
    end = end + len(held) if end < 0 else end
    return held[begin : end + 1] if end >= 0 else []


def _replica_of(data: Database, words: Sequence[bytes]) -> Value:
    host, port = (word.decode("latin-1") for word in words)
    if (host.lower(), port.lower()) == ("no", "one"):
        data.leader = None
    elif port.isdigit() and 0 < int(port) < 65536:
        data.leader = host, int(port)
    else:
        return Error("ERR Invalid master port")
    return _OK


def _info(data: Database, _words: Sequence[bytes]) -> Value:
    lines = ["# Server", f"redis_version:{VERSION}", "redis_mode:standalone", "# Replication"]
    if data.leader is None:
        lines += ["role:master", f"connected_slaves:{data.followers}"]
    else:
        lines += ["role:slave", f"master_host:{data.leader[0]}", f"master_port:{data.leader[1]}"]
    lines += ["# Keyspace", *([f"db0:keys={len(data.names())}"] if data.names() else [])]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _fine(_data: Database, _words: Sequence[bytes]) -> Value:
    return _OK


#: By name: how few and how many arguments, and what it does.
_COMMANDS: Final[Mapping[bytes, tuple[int, int, Command]]] = {
    b"APPEND": (2, 2, _append),
    b"CLIENT": (1, 9, _fine),
    b"COMMAND": (0, 9, lambda _data, _words: []),
    b"DBSIZE": (0, 0, lambda data, _words: len(data.names())),
    b"DECR": (1, 1, lambda data, words: _increment(data, words[0], -1)),
    b"DEL": (1, resp.ARGUMENTS_MAX, _delete),
    b"ECHO": (1, 1, _ping),
    b"EXISTS": (1, resp.ARGUMENTS_MAX, _exists),
    b"FLUSHALL": (0, 1, _flush),
    b"GET": (1, 1, lambda data, words: data.values.get(words[0])),
    b"INCR": (1, 1, lambda data, words: _increment(data, words[0], 1)),
    b"INCRBY": (2, 2, _increment_by),
    b"INFO": (0, 9, _info),
    b"KEYS": (1, 1, _keys),
    b"LLEN": (1, 1, lambda data, words: len(data.lists.get(words[0], ()))),
    b"LPOP": (1, 1, lambda data, words: data.pop(words[0], left=True)),
    b"LPUSH": (2, resp.ARGUMENTS_MAX, partial(_push, left=True)),
    b"LRANGE": (3, 3, _range),
    b"PING": (0, 1, _ping),
    b"QUIT": (0, 0, _fine),
    b"REPLICAOF": (2, 2, _replica_of),
    b"RPOP": (1, 1, lambda data, words: data.pop(words[0], left=False)),
    b"RPUSH": (2, resp.ARGUMENTS_MAX, partial(_push, left=False)),
    b"SELECT": (1, 1, _fine),
    b"SET": (2, 2, lambda data, words: data.put(words[0], words[1])),
    b"SLAVEOF": (2, 2, _replica_of),
}
_OF_TEXTS: Final = frozenset({b"APPEND", b"DECR", b"GET", b"INCR", b"INCRBY"})
_OF_LISTS: Final = frozenset({b"LLEN", b"LPOP", b"LPUSH", b"LRANGE", b"RPOP", b"RPUSH"})
WRITES: Final = frozenset(
    {b"APPEND", b"DECR", b"DEL", b"FLUSHALL", b"INCR", b"INCRBY", b"LPOP", b"LPUSH", b"RPOP"}
    | {b"RPUSH", b"SET"}
)
