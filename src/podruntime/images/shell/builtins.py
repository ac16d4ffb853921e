"""Commands that only a shell itself can carry out, and `sh` as a program."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from podruntime.images.process import Process, find_program
from podruntime.images.shell.interpreter import Builtin, LoopControl, Return, Shell, ShellExit
from podruntime.images.shell.session import Session, run_lines

_TERM_NAMES: Final = {"TERM", "SIGTERM", "15"}


async def _colon(_shell: Shell, _process: Process) -> int:
    return 0


async def _exit(shell: Shell, process: Process) -> int:
    raise ShellExit(_number(process.arguments, shell.status) & 0xFF)


async def _return(shell: Shell, process: Process) -> int:
    raise Return(_number(process.arguments, shell.status))


async def _break(_shell: Shell, process: Process) -> int:
    raise LoopControl(_number(process.arguments, 1), again=False)


async def _continue(_shell: Shell, process: Process) -> int:
    raise LoopControl(_number(process.arguments, 1), again=True)


def _number(arguments: list[str], default: int) -> int:
    return int(arguments[0]) if arguments and arguments[0].isdigit() else default


async def _cd(shell: Shell, process: Process) -> int:
    target = process.path(process.arguments[0] if process.arguments else "/root")
    if not process.files.is_directory(target):
        shell.complain(f"cd: can't cd to {process.arguments[0]}: No such file or directory")
        return 2
    shell.process.cwd = target
    return 0


async def _pwd(shell: Shell, process: Process) -> int:
    process.print(shell.process.cwd)
    return 0


async def _export(shell: Shell, process: Process) -> int:
    for word in process.arguments:
        name, equals, value = word.partition("=")
        if equals:
            shell.set(name, value)
        shell.exported[name] = None
    return 0


async def _unset(shell: Shell, process: Process) -> int:
    for name in process.arguments:
        shell.variables.pop(name, None)
        shell.exported.pop(name, None)
        shell.functions.pop(name, None)
    return 0


async def _local(shell: Shell, process: Process) -> int:
    """Assign; unlike in ash the variable stays after the function."""
    for word in process.arguments:
        name, _, value = word.partition("=")
        shell.set(name, value)
    return 0


async def _set(shell: Shell, process: Process) -> int:
    words = list(process.arguments)
    while words and words[0][:1] in ("-", "+") and words[0] != "--":
        flag = words.pop(0)
        if flag[1:] == "o" and words:
            shell.set_named_option(words.pop(0), on=flag[0] == "-")
            continue
        for option in flag[1:]:
            shell.options[option] = flag[0] == "-"
    if words:
        shell.arguments = words[1:] if words[0] == "--" else words
    return 0


async def _shift(shell: Shell, process: Process) -> int:
    count = _number(process.arguments, 1)
    if count > len(shell.arguments):
        return 1
    del shell.arguments[:count]
    return 0


async def _eval(shell: Shell, process: Process) -> int:
    from podruntime.images.shell.parser import parse

    return await shell.run(parse(" ".join(process.arguments)))


async def _exec(shell: Shell, process: Process) -> int:
    if not process.arguments:
        return 0
    program = find_program(process.programs, process.arguments[0])
    if program is None:
        shell.complain(f"exec: {process.arguments[0]}: not found")
        raise ShellExit(127)
    child = process.child(process.arguments)
    child.env = {k: shell.variables[k] for k in shell.exported if k in shell.variables}
    shell.hand_over(child)
    raise ShellExit(await program(child))


async def _source(shell: Shell, process: Process) -> int:
    from podruntime.images.shell.parser import parse

    if not process.arguments:
        return 2
    path = process.path(process.arguments[0])
    if not process.files.is_file(path):
        shell.complain(f".: can't open '{process.arguments[0]}'")
        return 2
    return await shell.run(parse(process.files.text(path)))


async def _read(shell: Shell, process: Process) -> int:
    names = [word for word in process.arguments if not word.startswith("-")] or ["REPLY"]
    line = await process.stdin.readline()
    words = line.decode(errors="replace").rstrip("\n").split(None, len(names) - 1)
    for index, name in enumerate(names):
        shell.set(name, words[index].rstrip() if index < len(words) else "")
    return 0 if line.endswith(b"\n") else 1


async def _trap(shell: Shell, process: Process) -> int:
    if len(process.arguments) < 2:
        return 0
    script, *signals = process.arguments
    for name in signals:
        key = "TERM" if name in _TERM_NAMES else name.removeprefix("SIG")
        shell.traps["EXIT" if key == "0" else key] = "" if script == "-" else script
        if key == "TERM":
            shell.handle_terminate()
    return 0


async def _wait(shell: Shell, _process: Process) -> int:
    """Wait for what runs in the background; a trapped SIGTERM ends the wait (128 + 15)."""
    jobs, shell.jobs = [job for job in shell.jobs if not job.done()], []
    if not jobs:
        return 0
    stop = shell.background.spawn(shell.terminated.wait(), name="wait")
    everything = shell.background.spawn(_all(jobs), name="wait")
    await asyncio.wait([stop, everything], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    everything.cancel()
    if shell.terminated.is_set():
        shell.jobs = jobs
        return 143
    return 0


async def _all(jobs: list[asyncio.Task[int]]) -> bool:
    await asyncio.wait(jobs)
    return True


async def _command(shell: Shell, process: Process) -> int:
    if process.arguments[:1] == ["-v"]:
        found = [_described(shell, process, name) for name in process.arguments[1:]]
        for line in filter(None, found):
            process.print(line)
        return 0 if all(found) else 127
    program = find_program(process.programs, process.arguments[0]) if process.arguments else None
    return 127 if program is None else await program(process.child(process.arguments))


def _described(shell: Shell, process: Process, name: str) -> str:
    """Return what `command -v` says of *name*, "" when nothing is called so."""
    if name in BUILTINS or name in shell.functions:
        return name
    return "" if find_program(process.programs, name) is None else f"/bin/{name}"


async def _type(shell: Shell, process: Process) -> int:
    status = 0
    for name in process.arguments:
        where = _described(shell, process, name)
        if not where:
            process.print(f"{name}: not found")
            status = 127
        elif where != name:
            process.print(f"{name} is {where}")
        else:
            kind = "function" if name in shell.functions else "builtin"
            process.print(f"{name} is a shell {kind}")
    return status


async def _kill(shell: Shell, process: Process) -> int:
    """A background job dies of what it is sent; everybody else is the applet's."""
    from podruntime.images.busybox import signals
    from podruntime.images.busybox.arguments import BadUsage

    status = 0
    try:
        number, names = signals.split(process.arguments)
    except BadUsage as error:
        shell.complain(f"kill: {error}")
        return 2
    for name in names:
        job = int(name) - 2 if name.isdecimal() else -1  # `$!` of the first is 2.
        if 0 <= job < len(shell.jobs):
            if number:
                shell.jobs[job].cancel()
        else:
            argv = ["kill", "-s", str(number), name]
            status = await signals.kill(replace(process, argv=argv)) or status
    return status


BUILTINS: Final[dict[str, Builtin]] = {
    ":": _colon,
    ".": _source,
    "break": _break,
    "cd": _cd,
    "command": _command,
    "continue": _continue,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "export": _export,
    "kill": _kill,
    "local": _local,
    "pwd": _pwd,
    "read": _read,
    "readonly": _export,
    "return": _return,
    "set": _set,
    "shift": _shift,
    "source": _source,
    "trap": _trap,
    "type": _type,
    "unset": _unset,
    "wait": _wait,
}


async def sh(process: Process) -> int:
    """`sh -c SCRIPT [NAME ARGUMENT…]`, `sh FILE`, or commands as they come on stdin."""
    words = list(process.arguments)
    options, named = list[str](), list[str]()
    script: str | None
    while words and words[0][:1] in ("-", "+") and len(words[0]) > 1:
        options.append(words.pop(0)[1:])
        if options[-1] == "o" and words:
            named.append(words.pop(0))
    if any("c" in option for option in options):
        if not words:
            process.complain("sh: -c requires an argument")
            return 2
        script, name, arguments = words[0], (words[1:2] or ["sh"])[0], words[2:]
    elif words:
        path = process.path(words[0])
        if not process.files.is_file(path):
            process.complain(f"sh: can't open '{words[0]}': No such file or directory")
            return 2
        script, name, arguments = process.files.text(path), words[0], words[1:]
    else:
        script, name, arguments = None, "sh", []
    shell = Shell(process, arguments, BUILTINS)
    shell.name = name
    for option in "".join(options):
        if option in shell.options:
            shell.options[option] = True
    for option in named:
        shell.set_named_option(option, on=True)
    try:
        if script is not None:
            return await shell.run_script(script)
        if process.terminal is not None and process.stdin is process.terminal:
            return await Session(shell, process.terminal).run()
        return await run_lines(shell, process.stdin)
    finally:
        await shell.background.close()
