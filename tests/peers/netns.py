"""Network namespaces that a test makes for itself, and what this machine allows in them.

As root by `unshare -n`, as anybody else in a user namespace (`unshare -Urn`) where the kernel
permits it. Nothing in them reaches the machine's own network.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from socket import AF_INET
from typing import Final

from length import LIMIT_S

SERVER = Path(__file__).with_name("netns_server.py")


class Namespace:
    """A network namespace with `lo` up; beside *parent*, whose owner owns it too."""

    def __init__(self, parent: Namespace | None = None) -> None:
        ordinary = os.geteuid() != 0
        unshare = ["unshare", "-Urn"] if ordinary and parent is None else ["unshare", "-n"]
        self._server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.settimeout(LIMIT_S)
        with theirs:
            process = subprocess.Popen(
                [*(parent.enter if parent else []), *unshare, sys.executable, "-I", "-S",
                 str(SERVER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stderr=subprocess.PIPE,
            )  # fmt: skip
        self._processes: list[subprocess.Popen[bytes]] = [process]
        user = ["-U", "--preserve-credentials"] if ordinary else []
        self.pid = process.pid
        self.enter = ["nsenter", "-t", str(process.pid), *user, "-n"]
        if self._server.recv(16) != b"here":
            assert process.stderr is not None
            said = process.stderr.read().decode()
            self.close()
            raise OSError(f"no network namespace: {said.strip()}")
        # Its chatter (solicitations, MLD) is nobody's subject here.
        self.sysctl("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """End every process in it, and with the last one the namespace."""
        self._server.close()
        for process in reversed(self._processes):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def run(self, *words: str) -> str:
        """Run a command that needs nobody outside; return what it prints."""
        done = subprocess.run(
            [*self.enter, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        if done.returncode:
            raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ip(self, *commands: str) -> None:
        """Run `ip` with each of *commands*."""
        subprocess.run(
            [*self.enter, "ip", "-batch", "-"], input="\n".join(commands),
            capture_output=True, text=True, timeout=LIMIT_S, check=True,
        )  # fmt: skip

    def sysctl(self, *settings: str) -> None:
        self.run("sysctl", "-qw", *settings)

    async def call(self, *words: str) -> bytes:
        """Run a command while the event loop goes on; return what it prints."""
        process = await asyncio.create_subprocess_exec(
            *self.enter, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(LIMIT_S):
                out, said = await process.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        assert process.returncode == 0, f"{' '.join(words)}: {said.decode()}"
        return out

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a command that runs until it or the namespace is ended."""
        process = subprocess.Popen(
            [*self.enter, *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._processes.append(process)
        return process

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Return a socket of this namespace; it does not block."""
        made = socket.socket(fileno=self._ask(socket=[family, kind, protocol]))
        made.setblocking(False)
        return made

    def tcp(self, family: int = AF_INET) -> socket.socket:
        return self.socket(family, socket.SOCK_STREAM)

    def udp(self, family: int = AF_INET) -> socket.socket:
        return self.socket(family, socket.SOCK_DGRAM)

    def listen(self, address: str, port: int = 0, backlog: int = 128) -> socket.socket:
        listener = self.tcp(socket.AF_INET6 if ":" in address else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        return listener

    def tap(self, name: str) -> int:
        """Return the far end of a new TAP device of this namespace."""
        return self._ask(tap=name)

    def _ask(self, **wanted: object) -> int:
        self._server.send(json.dumps(wanted).encode())
        said, fds, _, _ = socket.recv_fds(self._server, 1024, 1)
        if not fds:
            raise OSError(said.decode())
        return fds[0]


@cache
def missing(feature: str) -> str:
    """Return what this machine lacks for *feature*; nothing when that is empty.

    `netns`, `tap`, `vxlan` (a device of the kernel's), or else a program.
    """
    tries = _TRIES.get(feature)
    if tries is None:
        return "" if shutil.which(feature) else f"{feature} is not installed"
    for tool in ("unshare", "nsenter", "ip", "bridge", "sysctl"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    try:
        namespace = Namespace()
        try:
            tries(namespace)
        finally:
            namespace.close()
    except (OSError, subprocess.SubprocessError) as error:
        return f"this machine allows no {feature}: {error}"
    return ""


_TRIES: Final[Mapping[str, Callable[[Namespace], object]]] = {
    "netns": lambda made: made.run(
        "ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"
    ),
    "tap": lambda made: os.close(made.tap("tap0")),
    "vxlan": lambda made: made.run(
        "ip", "link", "add", "vxlan0", "type", "vxlan", "id", "1", "dstport", "4789"
    ),
}
