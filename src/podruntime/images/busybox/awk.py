"""awk: the applet around `images.awk`, with its options, files and output."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from podruntime.images.awk.lexer import unescaped
from podruntime.images.awk.machine import Exit, Input, Machine, Next, number, text
from podruntime.images.awk.parser import Program, parse
from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage
from podruntime.images.busybox.arguments import parse as parse_arguments
from podruntime.images.process import Process
from podruntime.images.process import Program as Applet

_STREAMS: Final = ("/dev/stdout", "/dev/stderr", "/dev/null")


def run(program: Program, machine: Machine, inputs: Iterable[tuple[str, str]]) -> None:
    """Run *program* over *inputs*: names and texts. Raises BadUsage."""
    try:
        for statement in program.begin:
            statement(machine)
        if program.rules or program.end:
            for name, whole in inputs:
                _read(program, machine, name, whole)
    except Exit:
        pass
    try:
        for statement in program.end:
            statement(machine)
    except Exit:
        pass


def _read(program: Program, machine: Machine, name: str, whole: str) -> None:
    machine.variables["FILENAME"], machine.variables["FNR"] = name, 0.0
    for line in _records(whole, text(machine.variables["RS"])):
        machine.step()
        for counter in ("NR", "FNR"):
            machine.variables[counter] = number(machine.variables[counter]) + 1
        machine.take(line)
        try:
            for rule in program.rules:
                if rule.selects(machine):
                    rule.action(machine)
        except Next:
            continue


def _records(whole: str, separator: str) -> list[str]:
    if separator == "":  # Paragraphs.
        return [part.strip("\n") for part in whole.split("\n\n") if part.strip("\n")]
    lines = whole.split(separator[0])
    return lines[:-1] if lines[-1] == "" else lines


@applet
async def awk(process: Process) -> int:
    """Run a program over files, or stdin."""
    arguments = parse_arguments(process.arguments, "F:v:f:")
    operands = list(arguments.operands)
    sources = [
        process.files.read(process.path(name)).decode()
        for name in arguments.all_values.get("f", [])
    ]
    if not sources:
        if not operands:
            raise BadUsage("usage: awk [-F SEP] [-v VAR=VAL]... [-f PROGRAM | 'PROGRAM'] [FILE]...")
        sources = [operands.pop(0)]
    try:
        return await _awk(process, "\n".join(sources), operands, arguments)
    except RecursionError:
        raise BadUsage("cmd. line: the program nests too deep") from None


async def _awk(process: Process, source: str, operands: list[str], arguments: Arguments) -> int:
    program = parse(source)
    # POSIX: without srand() every run has the same numbers.
    machine = Machine(process.env, random.Random(0))
    for assignment in arguments.all_values.get("v", []):
        _assign(machine, assignment)
    for separator in arguments.all_values.get("F", []):
        machine.set("FS", "\t" if separator == "t" else unescaped(separator))
    inputs: list[tuple[str, str]] = []
    for name in operands:
        if "=" in name and name.partition("=")[0].isidentifier():
            _assign(machine, name)
        else:
            inputs.append((name, _decoded(process.files.read(process.path(name)))))
    if not inputs and (program.rules or program.end):
        inputs = [("", _decoded(await process.stdin.read()))]
    try:
        run(program, machine, inputs)
    finally:
        _write(process, machine)
        await process.stdout.drain()
    return machine.status


def _assign(machine: Machine, assignment: str) -> None:
    name, equals, value = assignment.partition("=")
    if not equals or not name.isidentifier():
        raise BadUsage(f"bad assignment '{assignment}'")
    machine.set(name, Input(unescaped(value)))


def _decoded(octets: bytes) -> str:
    return octets.decode(errors="surrogateescape")


def _write(process: Process, machine: Machine) -> None:
    for name, lines in machine.output.items():
        octets = "".join(lines).encode(errors="surrogateescape")
        if name in ("", "/dev/stdout"):
            process.stdout.write(octets)
        elif name == "/dev/stderr":
            process.stderr.write(octets)
        elif name not in _STREAMS:
            path = process.path(name)
            before = _content(process, path) if name in machine.appends else b""
            process.files.write(path, before + octets)


def _content(process: Process, path: str) -> bytes:
    try:
        return process.files.read(path)
    except FileNotFoundError:
        return b""


APPLETS: Final[dict[str, Applet]] = {"awk": awk}
