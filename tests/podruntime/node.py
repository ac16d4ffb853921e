"""A podruntime process with a stand-in for the datapath, as a kubelet would see them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from componentbase.rpc import Client, connect_retrying
from netdev import framing, veth_server
from netdev.veth_server import VethServer

BROADCAST = b"\xff" * 6


class Switch:
    """Learns MACs and forwards frames between the pods of one node: a bridge, without rules."""

    def __init__(self, path: Path) -> None:
        self._server = VethServer(path, self._hello)
        self._ports: dict[str, object] = {}
        self._macs: dict[bytes, object] = {}

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server.start()

    def close(self) -> None:
        self._server.close()
        for port in list(self._ports.values()):
            self._loop.remove_reader(port)
            port.close()

    def _hello(self, interface, port, _offload) -> str:
        self._ports[interface] = port
        veth_server.accept(port)
        self._loop.add_reader(port, self._readable, interface, port)
        return ""

    def _readable(self, interface, port) -> None:
        try:
            message = port.recv(framing.MESSAGE_OCTETS_MAX)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._loop.remove_reader(port)
            port.close()
            if self._ports.get(interface) is port:
                del self._ports[interface]
            return
        for frame in framing.split_batch(memoryview(message)):
            self._forward(bytes(frame), port)

    def _forward(self, frame: bytes, source) -> None:
        self._macs[frame[6:12]] = source
        target = self._macs.get(frame[:6])
        targets = [target] if target is not None else list(self._ports.values())
        for port in targets:
            if port is source or port.fileno() < 0:
                continue
            for message in framing.encode_batch([frame]):
                try:
                    port.send(message)
                except OSError:
                    continue


class Node:
    """One node's podruntime process and a CRI client for it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.veth = directory / "veth.sock"
        self.switch = Switch(self.veth)
        self.process: subprocess.Popen | None = None
        self.cri: Client | None = None
        self.events: asyncio.Queue[dict] = asyncio.Queue()

    async def __aenter__(self) -> Node:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.switch.start()
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            for sandbox in await self.cri.call("ListPodSandbox"):
                await self.call("RemovePodSandbox", pod_sandbox_id=sandbox["id"])
        finally:
            await self.cri.close()
            self.process.terminate()
            assert self.process.wait(10) == 0
            self.switch.close()

    async def start(self) -> None:
        """Start podruntime and connect to it."""
        config = self.directory / "podruntime.json"
        log = self.directory / "podruntime.log"
        config.write_text(
            json.dumps(
                {"node_name": "node-1", "directory": str(self.directory), "log_file": str(log)}
            )
        )
        self.process = _spawn(config)
        self.cri = await connect_retrying(
            self.directory / "cri.sock", on_tell=lambda _c, _m, event: self.events.put_nowait(event)
        )
        await self.call("GetContainerEvents")

    async def kill(self) -> None:
        """SIGKILL podruntime."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        await self.cri.close()

    async def call(self, method: str, **params):
        """Call CRI."""
        return await self.cri.call(method, params)

    async def run_pod(self, number: int, name: str = "", *, families="4", **config) -> str:
        """Run a sandbox with the address 10.244.1.NUMBER (or fd00::NUMBER); return its id."""
        name = name or f"pod-{number}"
        answer = await self.call(
            "RunPodSandbox",
            config={
                "metadata": {"name": name, "uid": f"uid-{number}", "namespace": "default"},
                "hostname": name,
                "labels": {"app": "test"},
                "log_directory": str(self.directory / "logs"),
                "network": {
                    "interface": f"veth{number}",
                    "mac": f"0a:58:0a:f4:01:{number:02x}",
                    **_addresses(number, families),
                    "mtu": 1450,
                    "veth_socket": str(self.veth),
                },
                **config,
            },
        )
        assert os.path.exists(f"/proc/{answer['pid']}")
        return answer["pod_sandbox_id"]

    def log_path(self, sandbox: str, name: str) -> Path:
        """Return where a container of a sandbox logs."""
        return self.directory / "logs" / sandbox[:8] / f"{name}.log"

    async def create(self, sandbox: str, image: str, name: str = "main", **config) -> str:
        """Create a container and return its id."""
        answer = await self.call(
            "CreateContainer",
            pod_sandbox_id=sandbox,
            config={
                "metadata": {"name": name},
                "image": image,
                "log_path": str(self.log_path(sandbox, name)),
                **config,
            },
        )
        return answer["container_id"]

    async def run(self, sandbox: str, image: str, name: str = "main", **config) -> str:
        """Create and start a container and return its id."""
        container = await self.create(sandbox, image, name, **config)
        await self.call("StartContainer", container_id=container)
        return container

    async def status(self, container: str) -> dict:
        """Return a container's status."""
        return await self.call("ContainerStatus", container_id=container)

    async def wait_exited(self, container: str, timeout_s: float = 10) -> dict:
        """Wait for the end of a container and return its status."""
        async with asyncio.timeout(timeout_s):
            while (status := await self.status(container))["state"] != "CONTAINER_EXITED":
                await self.events.get()
        return status

    async def sh(self, container: str, script: str) -> tuple[int, str]:
        """Run a script in a container and return its status and its output."""
        answer = await self.call("ExecSync", container_id=container, cmd=["sh", "-c", script])
        return answer["exit_code"], answer["stdout"] + answer["stderr"]

    def log(self, sandbox: str, name: str = "main") -> list[str]:
        """Return a container's log lines without their time."""
        text = self.log_path(sandbox, name).read_text()
        return [line.partition(" ")[2] for line in text.splitlines()]


def _addresses(number: int, families: str) -> dict:
    found = {"address": "", "gateway": ""}
    if "4" in families:
        found |= {"address": f"10.244.1.{number}/24", "gateway": "10.244.1.1"}
    if "6" in families:
        found |= {"address6": f"fd00::{number:x}/64", "gateway6": "fd00::ff"}
    return found


def _spawn(config: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "podruntime", str(config)])
