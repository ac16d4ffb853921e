"""A disk that is really full: a small tmpfs in a mount namespace of the server's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import RunningServer

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
#: Mounted below the store's directory, where only the server and its children see it.
_MOUNT_AND_RUN = 'mount -t tmpfs -o size=3m tmpfs "$1" && shift && exec "$@"'
_LARGE = {"metadata": {"generateName": "large-"}, "data": {"text": "x" * 200_000}}


def _may_mount() -> bool:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        return False
    probe = ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /tmp"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


class SmallDisk(RunningServer):
    """A server whose store lies on a disk of 3 MiB."""

    @property
    def disk(self) -> Path:
        return self.directory / "disk"

    def config(self) -> Path:
        path = super().config()
        path.write_text(path.read_text().replace("/podwire.db", "/disk/podwire.db"))
        return path

    def spawn(self) -> subprocess.Popen[bytes]:
        self.disk.mkdir(exist_ok=True)
        server = [sys.executable, "-m", "controlplane.apiserver", str(self.config())]
        command = ["unshare", "-m", "sh", "-c", _MOUNT_AND_RUN, "sh", str(self.disk), *server]
        return subprocess.Popen(command, stderr=subprocess.PIPE)

    def inside(self, name: str) -> Path:
        """Return a file on that disk as this process reaches it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.disk}/{name}")


@pytest.fixture
def small_disk(stopped_server: RunningServer) -> Iterator[SmallDisk]:
    if not _may_mount():
        pytest.skip("needs root (or CAP_SYS_ADMIN) to mount a small disk")
    made = SmallDisk(stopped_server.authority, stopped_server.directory, stopped_server.port)
    made.start()
    yield made
    made.stop()


def test_a_full_disk_refuses_writes_reads_go_on_and_room_heals(small_disk):
    server = small_disk
    ballast = server.inside("ballast")
    ballast.write_bytes(b"x" * 1_500_000)
    made = []
    for _ in range(20):
        reply = server.request("POST", CONFIGMAPS, _LARGE)
        if reply.code != 201:
            break
        made.append(reply.json["metadata"]["name"])
    assert made
    assert (reply.code, reply.json["reason"]) == (500, "InternalError")
    assert "the disk is full" in reply.json["message"]
    assert server.request("POST", CONFIGMAPS, _LARGE).code == 500

    names = [item["metadata"]["name"] for item in server.request("GET", CONFIGMAPS).json["items"]]
    assert sorted(names) == sorted(made)  # No write that was refused shows.
    assert server.request("GET", f"{CONFIGMAPS}/{made[0]}").code == 200
    assert server.request("GET", "/readyz", user=None).code == 200

    os.unlink(ballast)
    after = server.request("POST", CONFIGMAPS, _LARGE)
    assert after.code == 201
    found = server.request("GET", CONFIGMAPS).json["items"]
    assert {after.json["metadata"]["name"], *made} == {item["metadata"]["name"] for item in found}
