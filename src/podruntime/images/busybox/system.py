"""Applets about the process and the machine: sleep, date, env, hostname, id, …"""

from __future__ import annotations

import asyncio
import datetime
import time
from typing import Final

from componentbase.clock import wall
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import NOT_FOUND, Process, Program, find_program

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WATCH_MIN_S: Final = 0.1
_ISO: Final = {
    "date": "%Y-%m-%d",
    "hours": "%Y-%m-%dT%H+00:00",
    "minutes": "%Y-%m-%dT%H:%M+00:00",
    "seconds": "%Y-%m-%dT%H:%M:%S+00:00",
}
_TIMED_OUT: Final = 143  # busybox's timeout sends SIGTERM and shows its victim's status.


def seconds(text: str) -> float:
    """Return `1.5`, `2m`, `1d` in seconds; raises BadUsage."""
    if text in ("infinity", "inf"):
        return float("inf")
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        value = float(number) * _UNITS[unit]
    except ValueError:
        raise BadUsage(f"invalid number '{text}'") from None
    if not value >= 0:
        raise BadUsage(f"invalid number '{text}'")
    return value


@applet
async def sleep(process: Process) -> int:
    """Wait."""
    if not process.arguments:
        raise BadUsage("missing operand")
    total = sum(seconds(word) for word in process.arguments)
    if total == float("inf"):
        await asyncio.Event().wait()
    await asyncio.sleep(total)
    return 0


@applet
async def usleep(process: Process) -> int:
    """Wait for so many microseconds."""
    await asyncio.sleep(seconds((process.arguments or ["0"])[0]) / 1e6)
    return 0


@applet
async def watch(process: Process) -> int:
    """Run a program again and again."""
    words = list(process.arguments)
    every_s = 2.0
    if words[:1] == ["-n"] and len(words) > 1:
        every_s, words = max(seconds(words[1]), _WATCH_MIN_S), words[2:]
    elif words[:1] and words[0].startswith("-n"):
        every_s, words = max(seconds(words[0][2:]), _WATCH_MIN_S), words[1:]
    if not words:
        raise BadUsage("usage: watch [-n SEC] PROG ARGS")
    while True:
        process.print(f"Every {every_s:.1f}s: {' '.join(words)}\n")
        await _run(process, ["sh", "-c", " ".join(words)])
        await process.stdout.drain()
        await asyncio.sleep(every_s)


async def true(_process: Process) -> int:
    """Succeed."""
    return 0


async def false(_process: Process) -> int:
    """Fail."""
    return 1


@applet
async def date(process: Process) -> int:
    """Write the time, in UTC."""
    words = [word for word in process.arguments if not word.startswith("-I")]
    arguments = parse(words, "uRd:", {"date=": "d", "utc": "u"})
    form = next((word[1:] for word in arguments.operands if word[:1] == "+"), "%a %b %e %T UTC %Y")
    for word in process.arguments:
        if word.startswith("-I"):
            form = _ISO.get(word[2:] or "date", _ISO["seconds"])
    now = _moment(arguments.value("d")) if "d" in arguments else wall()
    form = form.replace("%N", f"{int(now * 1e9) % 1_000_000_000:09d}").replace("%s", str(int(now)))
    process.print(time.strftime(form, time.gmtime(now)))
    return 0


def _moment(text: str) -> float:
    """Return when `date -d` means; raises BadUsage."""
    if text in ("now", "today", ""):
        return wall()
    try:
        if text.startswith("@"):
            return float(text[1:])
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
    except (ValueError, OverflowError):
        raise BadUsage(f"invalid date '{text}'") from None


async def hostname(process: Process) -> int:
    """Write the pod's name, with -i its addresses, with -f the whole name that /etc/hosts knows."""
    words = process.arguments[:1]
    if words in (["-i"], ["-I"]):
        process.print(" ".join(str(each.ip) for each in process.network.interfaces))
    elif words in (["-f"], ["--fqdn"]):
        lines = [line.split() for line in process.files.text("/etc/hosts").splitlines()]
        named = (line[1] for line in lines if process.hostname in line[1:])
        process.print(next(named, process.hostname))
    else:
        process.print(process.hostname)
    return 0


async def env(process: Process) -> int:
    """Write the environment, or run a program in a changed one."""
    words = list(process.arguments)
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        process.env[name] = value
    if words:
        return await _run(process, words)
    for name, value in process.env.items():
        process.print(f"{name}={value}")
    return 0


async def printenv(process: Process) -> int:
    """Write variables."""
    if not process.arguments:
        return await env(process)
    for name in process.arguments:
        if name not in process.env:
            return 1
        process.print(process.env[name])
    return 0


@applet
async def uname(process: Process) -> int:
    """Say what this is."""
    arguments = parse(process.arguments, "asnrvmpio")
    if "a" in arguments:
        process.print(f"Linux {process.hostname} 6.1.0-podwire #1 SMP x86_64 Linux")
        return 0
    facts = {
        "s": "Linux", "n": process.hostname, "r": "6.1.0-podwire", "v": "#1 SMP",
        "m": "x86_64", "p": "unknown", "i": "unknown", "o": "Linux",
    }  # fmt: skip
    process.print(" ".join(facts[flag] for flag in facts if flag in arguments) or "Linux")
    return 0


async def id_(process: Process) -> int:
    """Say who runs."""
    short = process.arguments[:1] in (["-u"], ["-g"])
    process.print("0" if short else "uid=0(root) gid=0(root) groups=0(root)")
    return 0


async def whoami(process: Process) -> int:
    """Say who runs, in a word."""
    process.print("root")
    return 0


@applet
async def timeout(process: Process) -> int:
    """Run a program for some time at most."""
    arguments = list(process.arguments)
    if arguments[:1] == ["-t"]:
        arguments.pop(0)
    if len(arguments) < 2:
        raise BadUsage("usage: timeout SECS PROG ARGS")
    try:
        async with asyncio.timeout(seconds(arguments[0])):
            return await _run(process, arguments[1:])
    except TimeoutError:
        return _TIMED_OUT


@applet
async def time_(process: Process) -> int:
    """Run a program and say how long it took."""
    started = time.monotonic()
    status = await _run(process, process.arguments)
    process.complain(f"real\t0m {time.monotonic() - started:.2f}s")
    return status


@applet
async def xargs(process: Process) -> int:
    """Run a program with the words of stdin as arguments, with -I with each line in its place."""
    text = (await process.stdin.read()).decode(errors="replace")
    at = _first_operand(process.arguments)
    arguments = parse(process.arguments[:at], "rtn:I:0")
    command, status = process.arguments[at:] or ["echo"], 0
    if "I" in arguments:
        for line in filter(None, map(str.strip, text.splitlines())):
            mark = arguments.value("I")
            status = await _run(process, [word.replace(mark, line) for word in command])
        return status
    words = text.strip("\0").split("\0") if "0" in arguments else text.split()
    size = int(arguments.number("n", len(words) or 1))
    if size < 1:
        raise BadUsage(f"invalid number '{size}'")
    for start in range(0, len(words), size):
        status = await _run(process, [*command, *words[start : start + size]])
    return status


def _first_operand(words: list[str]) -> int:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-n", "-I") else 1
    return min(at, len(words))


async def _run(process: Process, words: list[str]) -> int:
    if not words:
        return 0
    program = find_program(process.programs, words[0])
    if program is None:
        process.complain(
            f"{process.argv[0]}: can't execute '{words[0]}': No such file or directory"
        )
        return NOT_FOUND
    return await program(process.child(words))


async def which(process: Process) -> int:
    """Say where a program is."""
    status = 0
    for name in process.arguments:
        if find_program(process.programs, name) is None:
            status = 1
        else:
            process.print(f"/bin/{name.rpartition('/')[2]}")
    return status


async def nproc(process: Process) -> int:
    """Say that there is one processor: a pod is one process."""
    process.print("1")
    return 0


async def basename(process: Process) -> int:
    """Write the last part of a path."""
    name, *suffix = process.arguments or [""]
    process.print(name.rstrip("/").rpartition("/")[2].removesuffix(suffix[0] if suffix else ""))
    return 0


async def dirname(process: Process) -> int:
    """Write a path without its last part."""
    process.print((process.arguments or [""])[0].rstrip("/").rpartition("/")[0] or "/")
    return 0


APPLETS: Final[dict[str, Program]] = {
    "basename": basename,
    "date": date,
    "dirname": dirname,
    "env": env,
    "false": false,
    "hostname": hostname,
    "id": id_,
    "nproc": nproc,
    "printenv": printenv,
    "sleep": sleep,
    "time": time_,
    "timeout": timeout,
    "true": true,
    "uname": uname,
    "usleep": usleep,
    "watch": watch,
    "which": which,
    "whoami": whoami,
    "xargs": xargs,
}
