"""Every store that must pass the conformance tests, and real etcds for that of etcd.

Tests that want an etcd skip where none is on the PATH. One without TLS serves all tests of a
process; each finds it empty, at whatever revision the one before left it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from controlplane.storage.embedded import EmbeddedStore
from controlplane.storage.etcd.members import Credentials
from controlplane.storage.etcd.store import EtcdStore
from controlplane.storage.interface import Delete, Store

#: A busy machine may take so long to start an etcd, or to give it its turn.
_PATIENCE_S = 30.0
Open = Callable[[], Awaitable[Store]]

#: An address of this process's own, so that parallel ones take no port of each other.
_ADDRESS = f"127.77.{os.getpid() >> 8 & 0xFF}.{(os.getpid() & 0xFF) or 1}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_ADDRESS, 0))
        return int(probe.getsockname()[1])


@dataclass
class EtcdMember:
    """One etcd process; it may be killed and started again."""

    name: str
    directory: Path
    tls: Credentials = field(default_factory=Credentials)
    arguments: tuple[str, ...] = ()
    client_port: int = field(default_factory=free_port)
    peer_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"{_ADDRESS}:{self.client_port}"

    @property
    def peer(self) -> str:
        return f"{self.name}=http://{_ADDRESS}:{self.peer_port}"

    def start(self, cluster: list[EtcdMember]) -> None:
        client = f"http{'s' if self.tls.ca else ''}://{self.endpoint}"
        peer = self.peer.partition("=")[2]
        command = ["etcd", "--name", self.name, "--data-dir", str(self.directory / self.name)]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", ",".join(member.peer for member in cluster)]
        command += ["--logger", "zap", "--log-level", "error", "--unsafe-no-fsync"]
        if self.tls.ca:
            command += ["--client-cert-auth", "--trusted-ca-file", self.tls.ca]
            command += ["--cert-file", self.tls.certificate, "--key-file", self.tls.private_key]
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@dataclass
class EtcdCluster:
    """Some members that know each other."""

    members: list[EtcdMember]

    @property
    def endpoints(self) -> list[str]:
        return [member.endpoint for member in self.members]

    def start(self) -> None:
        for member in self.members:
            member.start(self.members)

    def kill(self) -> None:
        for member in self.members:
            member.kill()


MakeEtcd = Callable[..., EtcdCluster]


@pytest.fixture(scope="session")
def etcd_is_installed() -> None:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (Debian, Ubuntu: apt install etcd-server)")


@pytest.fixture(scope="session")
def etcd_address() -> str:
    """Return where the members listen."""
    return _ADDRESS


@pytest.fixture
def make_etcd(etcd_is_installed: None, tmp_path: Path) -> Iterator[MakeEtcd]:
    """Start etcds of the test's own; they are killed with it."""
    made: list[EtcdCluster] = []

    def make(
        count: int = 1, *, tls: Credentials | None = None, arguments: tuple[str, ...] = ()
    ) -> EtcdCluster:
        first = 1 + sum(len(cluster.members) for cluster in made)
        members = [
            EtcdMember(f"m{number}", tmp_path, tls or Credentials(), arguments)
            for number in range(first, first + count)
        ]
        made.append(EtcdCluster(members))
        made[-1].start()
        return made[-1]

    yield make
    for cluster in made:
        cluster.kill()


@pytest.fixture(scope="session")
def shared_etcd(
    etcd_is_installed: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster([EtcdMember("shared", tmp_path_factory.mktemp("etcd"))])
    cluster.start()
    yield cluster
    cluster.kill()


async def emptied(endpoints: list[str]) -> None:
    """Delete everything that earlier tests left, whoever's it was."""
    store = await EtcdStore.open(endpoints, patience_s=_PATIENCE_S)
    found = await store.range("")
    await asyncio.gather(*(store.txn(Delete(item.key, item.mod_revision)) for item in found.items))
    await store.close()


async def open_embedded(request: pytest.FixtureRequest, directory: Path) -> Store:
    return await EmbeddedStore.open(directory / "podwire.db")


async def open_etcd(request: pytest.FixtureRequest, directory: Path) -> Store:
    endpoints = request.getfixturevalue("shared_etcd").endpoints
    if not (directory / "emptied").exists():
        await emptied(endpoints)
        (directory / "emptied").touch()
    return await EtcdStore.open(endpoints, patience_s=_PATIENCE_S)


#: A further implementation is one more line.
STORES: dict[str, Callable[[pytest.FixtureRequest, Path], Awaitable[Store]]] = {
    "embedded": open_embedded,
    "etcd": open_etcd,
}


@pytest_asyncio.fixture(params=list(STORES))
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Closes the store that was opened last, and opens what it left."""
    if request.param == "etcd":
        request.getfixturevalue("shared_etcd")
    opened: list[Store] = []

    async def again() -> Store:
        if opened:
            await opened.pop().close()
        opened.append(await STORES[request.param](request, tmp_path))
        return opened[0]

    yield again
    if opened:
        await opened.pop().close()


@pytest_asyncio.fixture
async def store(reopen: Open) -> Store:
    return await reopen()
