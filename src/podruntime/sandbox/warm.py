"""Make the zygote what every pod shares: whatever can be done once, before the forks.

Standard streams, environment, logging and the guard are routed for all pods at once. Then pods
live their whole lives in the zygote itself, with a gateway that pings them and a podruntime that
starts and stops a container: what Python makes on first use (type caches, specialised bytecode,
decoders) is then made once, in pages that every pod shares, instead of once in each. A pod is
smaller and starts sooner. It costs about 100 ms while podruntime starts, and nothing of it stays:
no loop, file, handler or thread.
"""

from __future__ import annotations

import asyncio
import gc
import random
import socket
from functools import partial
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

import setproctitle

from componentbase import hot_code, memory
from componentbase.clock import monotonic
from componentbase.rpc import Client, Connection, Params
from componentbase.unix import socket_path
from netdev import framing, veth_server
from netdev.veth_server import VethServer
from netstack.host import Host
from netstack.icmp import EchoReply
from podruntime.cri import NetworkConfig, PodSandboxConfig, PodSandboxMetadata
from podruntime.sandbox import files, guard, pod_socket, signals, streams
from podruntime.sandbox.loop import PodLoop
from podruntime.sandbox.pod import Pod
from podruntime.store import READY_SOCKET, SandboxDirectory, SandboxRecord

#: CPython specialises a function's bytecode after eight calls; later calls only read it.
_LIVES: Final = 12
#: A life takes 5 ms; one that does not end is a bug that must not hang the node in silence.
_LIFE_S: Final = 30.0
_CONTAINER: Final = "warm-up"
_POD_MAC, _GATEWAY_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
_POD, _GATEWAY, _MTU = "169.254.0.1/30", "169.254.0.2/30", 1450


_rehearsed = False  # In this process, or in one that it was forked from.


def rehearse(directory: Path) -> None:
    """Live whole pods in this process, which has no loop, for all that are forked from it.

    *directory* is used for pods that nobody sees, and removed. The launcher does it once for the
    zygotes of all nodes.
    """
    global _rehearsed
    for _ in range(_LIVES):
        _live(directory)
    _rehearsed = True


def gather(directory: Path) -> None:
    """Put side by side what pods call. Later lives make it fast again: call `rehearse` after it."""
    names = hot_code.called_in_fork(partial(_live, directory))
    memory.fill_gaps()
    hot_code.gather(names)


def prepare(directory: Path) -> None:
    """Make this process, which has no loop, ready to be forked into pods."""
    gc.set_threshold(*memory.COLLECTOR_THRESHOLDS)
    streams.install()
    signals.install()
    files.install()
    pod_socket.install()
    guard.install()
    _live(directory)  # Imports what is imported late.
    if not _rehearsed:
        gather(directory)
        rehearse(directory)
    _live(directory)


def _live(directory: Path) -> None:
    """Be a pod from its beginning to its end, as `pod.main` is."""
    folder = SandboxDirectory(directory / "pod")
    folder.remove()
    folder.create(SandboxRecord(id=_CONTAINER, config=_config(directory), created_at=0.0))
    record = folder.record()
    assert record is not None
    setproctitle.setproctitle(setproctitle.getproctitle())
    loop = PodLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_rehearse(Pod(record, folder, loop), folder))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        SandboxDirectory(directory).remove()


async def _rehearse(pod: Pod, folder: SandboxDirectory) -> None:
    gateway = _Gateway(folder.path.parent / "veth.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        with socket_path(folder.path.parent / READY_SOCKET) as address:
            ready.bind(address)
        async with asyncio.timeout(_LIFE_S):
            await asyncio.gather(pod.run(), _talk(folder, gateway))
    gateway.close()


async def _talk(folder: SandboxDirectory, gateway: _Gateway) -> None:
    """Ask what podruntime asks of a pod, until the pod has ended."""
    client = await Client.connect(folder.control_socket, on_tell=_ignore)
    for method, params in _calls(folder.path):
        await client.call(method, params)
    await gateway.replied.wait()
    await client.call("shutdown")
    await client.closed.wait()
    await client.close()


def _calls(directory: Path) -> tuple[tuple[str, Params], ...]:
    config = {
        "metadata": {"name": "pause"},
        "image": "registry.k8s.io/pause",
        "log_path": str(directory / "logs" / "0.log"),
        "envs": [{"key": "KUBERNETES_SERVICE_HOST", "value": "10.96.0.1"}],
        "mounts": [
            {
                "container_path": "/var/run/secrets/kubernetes.io/serviceaccount",
                "host_path": str(directory),
                "readonly": True,
            }
        ],
    }
    known = {"container_id": _CONTAINER}
    return (
        ("create", {**known, "image_ref": "", "config": config}),
        ("start", known),
        ("list", {}),
        ("stop", {**known, "timeout_s": 1.0}),
        ("remove", known),
    )


def _ignore(_connection: Connection, _method: str, _params: Params) -> None:
    return


class _Gateway:
    """The other end of the pod's veth: it asks who has the pod's address and pings it."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = Host(
            mac=bytes.fromhex(_GATEWAY_MAC.replace(":", "")),
            address=IPv4Interface(_GATEWAY),
            gateway=None,
            mtu=_MTU,
            rng=random.Random(),
        )
        self._host.on_echo_reply = self._replied
        self._veth: socket.socket | None = None
        self.replied = asyncio.Event()
        self._server = VethServer(path, self._hello)
        self._server.start()

    def _hello(self, _interface: str, veth: socket.socket, _offload: bool) -> str:
        self._veth = veth
        veth_server.accept(veth)
        pod = IPv4Interface(_POD).ip
        self._host.ping(pod, identifier=1, sequence=1, payload=b"", now=monotonic())
        self._loop.add_reader(veth, self._readable)
        self._send()
        return ""

    def _readable(self) -> None:
        assert self._veth is not None
        message = self._veth.recv(framing.MESSAGE_OCTETS_MAX)
        if not message:
            self._loop.remove_reader(self._veth)
            return
        self._host.receive_frames(framing.split_batch(memoryview(message)), monotonic())
        self._send()

    def _send(self) -> None:
        assert self._veth is not None
        for message in framing.encode_batch(self._host.frames_to_send()):
            self._veth.send(message)

    def _replied(self, _reply: EchoReply) -> None:
        self.replied.set()

    def close(self) -> None:
        """Close both sockets."""
        if self._veth is not None:
            self._loop.remove_reader(self._veth)
            self._veth.close()
        self._server.close()


def _config(directory: Path) -> PodSandboxConfig:
    return PodSandboxConfig(
        metadata=PodSandboxMetadata(name=_CONTAINER, uid="", namespace=""),
        network=NetworkConfig(
            interface="eth0",
            mac=_POD_MAC,
            address=_POD,
            gateway=_GATEWAY.partition("/")[0],
            mtu=_MTU,
            veth_socket=str(directory / "veth.sock"),
        ),
    )
