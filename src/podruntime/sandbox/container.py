"""One container of a pod: a task with an owner, a log and a status.

Its end is read as the kernel would report it: the returned status, `SystemExit`, an exception
(1, with the traceback in its log), SIGTERM it asked for (what it chose), SIGKILL (137).
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.clock import wall
from componentbase.rpc import RpcError
from componentbase.tasks import Tasks
from podruntime.cri import (
    CREATED,
    EXIT_KILLED,
    EXIT_START_ERROR,
    EXITED,
    RUNNING,
    ContainerConfig,
    ContainerStatus,
)
from podruntime.images.answered import ANSWERED, Answered
from podruntime.images.filesystem import FileSystem
from podruntime.images.image import Image
from podruntime.images.process import (
    Network,
    NoInput,
    Octets,
    Process,
    Streams,
    find_program,
)
from podruntime.images.process_table import INIT, ProcessTable
from podruntime.images.process_table import Task as Seen
from podruntime.sandbox.console import Console
from podruntime.sandbox.execution import KILL_EVERY_S, KILLS_MAX, SIGNALLED, Execution
from podruntime.sandbox.owner import CURRENT, Owner
from podruntime.sandbox.termination_message import message_files, termination_message

#: Told after each change: the CRI event's kind, and the new status.
OnChange = Callable[[str, ContainerStatus], None]

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: What a program in a terminal believes that it is (upstream's runtimes say so, too).
_TERM: Final = "xterm"


@dataclass(frozen=True, slots=True)
class PodContext:
    """What the containers of one pod share."""

    hostname: str
    network: Network
    etc: dict[str, str]
    tasks: Tasks
    #: Tells where a container's own files are to be.
    root: Callable[[str], str]


class Container:
    """Runs one image's program in a pod."""

    def __init__(
        self,
        status: ContainerStatus,
        config: ContainerConfig,
        image: Image,
        pod: PodContext,
        on_change: OnChange,
        *,
        processes: ProcessTable,
    ) -> None:
        self.status, self.processes = status, processes
        self._config, self._image, self._pod, self._on_change = config, image, pod, on_change
        self.console = Console(config)
        self.answered = Answered()
        self.files = _files(config, image, pod, pod.root(status.id))
        self._env = {
            "PATH": PATH,
            "HOSTNAME": pod.hostname,
            "HOME": "/root",
            **image.env,
            **{each.key: each.value for each in config.envs},
        }
        self._cwd = config.working_dir or image.working_dir
        if config.tty:
            self._env.setdefault("TERM", _TERM)
        if self.console.terminal is not None:
            self.console.terminal.session = self.signal
        self._owner = self._new_owner(self.console.streams)
        self._process: Process | None = None
        self._number = 0  # As others see it.
        self._task: asyncio.Task[int] | None = None
        self._killed_for = ""
        self.ended = asyncio.Event()

    def _new_owner(self, streams: Streams) -> Owner:
        owner = Owner(self._env, streams.stdout, streams.stderr)
        owner.stdin, owner.container_id = streams.stdin, self.status.id
        owner.files, owner.cwd = self.files, self._cwd
        return owner

    def _change(self, kind: str, **fields: object) -> None:
        self.status = msgspec.structs.replace(self.status, **fields)
        self._on_change(kind, self.status)

    def start(self) -> None:
        """Start the program; raises RpcError when the image has no such program."""
        if self.status.state != CREATED:
            raise RpcError("FailedPrecondition", f"container is in {self.status.state} state")
        argv = self._image.command(self._config.command, self._config.args)
        program = find_program(self._image.programs, argv[0]) if argv else None
        if program is None:
            message = _cannot_start(argv)
            self._finish(EXIT_START_ERROR, "StartError", message)
            raise RpcError("FailedPrecondition", message)
        process = self._new_process(argv, self.console.streams)
        process.on_signal = self._owner.signals.deliver
        self._process = process
        self._change("STARTED", state=RUNNING, started_at=wall())
        name = f"container {self.status.metadata.name}"
        self._task = self._pod.tasks.spawn(self._run(process, self._owner), name=name)
        self._task.add_done_callback(self._task_ended)
        self._number = self.processes.enter(Seen(tuple(argv), self._signalled))

    def _signalled(self, number: int) -> None:
        """Take a signal of another process: PID 1 survives one that it has no handler for."""
        process = self._process
        assert process is not None
        handled = process.on_terminate is not None
        if self._number == INIT or handled:
            process.signal(number)
        elif not self._owner.signals.deliver(number) and self._task is not None:
            process.terminated_with = SIGNALLED + number
            self._task.cancel()

    def _new_process(self, argv: list[str], streams: Streams) -> Process:
        return Process(
            argv=argv,
            env=dict(self._env),
            cwd=self._cwd,
            files=self.files,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            terminal=streams.terminal,
            hostname=self._pod.hostname,
            network=self._pod.network,
            programs=self._image.programs,
            first=self._process,
            processes=self.processes,
        )

    async def _run(self, process: Process, owner: Owner) -> int:
        CURRENT.set(owner)
        ANSWERED.set(self.answered)
        owner.loop = asyncio.get_running_loop()
        program = find_program(self._image.programs, process.argv[0])
        assert program is not None, "looked up by the caller"
        await asyncio.sleep(0)  # Let the answer to "start" leave before a program that blocks.
        try:
            return await program(process)
        except SystemExit as end:
            return _exit_status(end, process)

    def _task_ended(self, task: asyncio.Task[int]) -> None:
        assert self._process is not None
        self.processes.leave(self._number)
        code = _status_of(task, self._process)
        self._task = None  # How it ended would keep everything that its program had.
        self._finish(code, self._killed_for or ("Completed" if code == 0 else "Error"), "")

    def _finish(self, code: int, reason: str, message: str) -> None:
        self._owner.release()
        self.console.end()
        said = termination_message(
            self.files, self._config.annotations, code, self._config.log_path
        )
        self._change(
            "STOPPED",
            state=EXITED,
            finished_at=wall(),
            exit_code=code,
            reason=reason,
            message=": ".join(text for text in (message, said) if text),
        )
        self.ended.set()

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, then SIGKILL after *timeout_s*; raises RpcError when it cannot be killed."""
        task = self._task
        if task is None or task.done():
            if self.status.state == CREATED:
                self._finish(EXIT_KILLED, "Error", "")
            return
        assert self._process is not None
        if timeout_s > 0:
            self._process.signal(signal.SIGTERM)
            await self._wait_ended(timeout_s)
        for _ in range(KILLS_MAX):
            if task.done():
                return
            task.cancel()
            await self._wait_ended(KILL_EVERY_S)
        if not task.done():
            raise RpcError("Unavailable", "the container does not die; kill its pod")

    def oom_kill(self) -> None:
        """End at once: the pod has more memory than it may."""
        if self._task is not None and not self._task.done():
            self._killed_for = "OOMKilled"
            self._task.cancel()

    async def _wait_ended(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self.ended.wait()
        except TimeoutError:
            pass  # The caller looks at the task.

    def execute(self, argv: list[str], streams: Streams) -> Execution:
        """Begin *argv* beside the container's main process; raises RpcError."""
        if self.status.state != RUNNING:
            raise RpcError("FailedPrecondition", "container is not running")
        if not argv or find_program(self._image.programs, argv[0]) is None:
            raise RpcError("FailedPrecondition", _cannot_exec(argv))
        process = self._new_process(argv, streams)
        if streams.terminal is not None:
            process.env.setdefault("TERM", _TERM)
        owner = self._new_owner(streams)
        task = self._pod.tasks.spawn(self._run(process, owner), name=f"exec {argv[0]}")
        self._owner.add_task(task)
        execution = Execution(process, owner, task, _status_of)
        number = self.processes.enter(Seen(tuple(argv), execution.signal))
        task.add_done_callback(lambda _task: self.processes.leave(number))
        return execution

    async def exec(self, argv: list[str], timeout_s: float) -> tuple[int, bytes, bytes]:
        """Run *argv* to its end; return status, stdout, stderr."""
        stdout, stderr = Octets(), Octets()
        streams = Streams(stdin=NoInput(), stdout=stdout, stderr=stderr)
        execution = self.execute(argv, streams)
        try:
            await asyncio.wait([execution.task], timeout=timeout_s or None)
        finally:
            timed_out = not execution.task.done()
            execution.cancel()
        if timed_out:
            raise RpcError("DeadlineExceeded", f"command {argv!r} timed out")
        return execution.status, stdout.taken(), stderr.taken()

    def signal(self, number: int) -> None:
        """Deliver a signal to the main program."""
        if self._process is not None:
            self._process.signal(number)


def _files(config: ContainerConfig, image: Image, pod: PodContext, root: str) -> FileSystem:
    working_dir = config.working_dir or image.working_dir
    own = {**image.files, **pod.etc, **message_files(config.annotations)}
    files = FileSystem(root, own, working_dir)
    for layer in image.layers:
        files.mount(layer, layer, readonly=True, verbatim=True)
    for mount in config.mounts:
        files.mount(mount.container_path, mount.host_path, readonly=mount.readonly)
    return files


def _status_of(task: asyncio.Task[int], process: Process) -> int:
    """Return the exit status of an ended program; its traceback goes to its stderr."""
    if task.cancelled():
        return EXIT_KILLED if process.terminated_with is None else process.terminated_with
    error = task.exception()
    if error is not None:
        process.stderr.write("".join(traceback.format_exception(error)).encode())
        return 1
    return int(task.result()) & 0xFF


def _exit_status(end: SystemExit, process: Process) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    process.complain(str(end.code))
    return 1


def _cannot_start(argv: list[str]) -> str:
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed:"
        " runc create failed: unable to start container process: error during container init:"
        f" {_not_found(argv)}: unknown"
    )


def _cannot_exec(argv: list[str]) -> str:
    return (
        "failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed:"
        f" unable to start container process: {_not_found(argv)}: unknown"
    )


def _not_found(argv: list[str]) -> str:
    if not argv:
        return "no command specified"
    # With a slash a name is a path, and the kernel is asked, not $PATH.
    by_path = "/" in argv[0]
    why = "no such file or directory" if by_path else "executable file not found in $PATH"
    return f'exec: "{argv[0]}": {why}'
