"""An etcd member: found or said how to install, and told nothing that leaves its addresses."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from podwire.cluster import etcd
from podwire.cluster.layout import Cluster, Layout, UsageError

CLUSTER = Cluster(name="lab", nodes=1, block=3, uid="u", store="etcd", control_planes=3)


@pytest.mark.parametrize("program", ["etcd", "etcdctl"])
def test_a_missing_program_says_how_to_install_it(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(etcd, "PLACES", ())
    with pytest.raises(UsageError, match=r"apt install etcd-.*brew install etcd.*github\.com"):
        etcd.find(program)
    (tmp_path / program).write_text("#!/bin/sh\n")
    (tmp_path / program).chmod(0o700)
    assert etcd.find(program) == str(tmp_path / program)


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(etcd, "find", lambda program: program)
    found: list[str] = etcd.config(CLUSTER, Layout(tmp_path), 2)["arguments"]
    return found


def test_a_member_listens_on_its_own_addresses_only(arguments: list[str]) -> None:
    listens = [each for each in arguments if each.startswith("--listen")]
    assert sorted(listens) == [
        "--listen-client-urls=https://127.0.3.252:2379",
        "--listen-peer-urls=https://127.0.3.252:2380",
    ]
    assert "--client-cert-auth=true" in arguments
    assert "--peer-client-cert-auth=true" in arguments
    (members,) = [each for each in arguments if each.startswith("--initial-cluster=")]
    assert re.findall(r"etcd-\d", members) == ["etcd-1", "etcd-2", "etcd-3"]
    assert "--initial-cluster-token=u" in arguments


@pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")
def test_every_argument_is_one_that_etcd_has(arguments: list[str]) -> None:
    done = subprocess.run(["etcd", "--help"], capture_output=True, text=True, check=False)
    known = done.stdout + done.stderr
    missing = [each for each in arguments if each.split("=")[0] not in known]
    assert not missing


def test_an_api_server_is_told_doors_and_not_members(tmp_path: Path) -> None:
    told = etcd.client(CLUSTER, Layout(tmp_path), 3)
    assert told["etcd_endpoints"][0] == "127.0.131.253:23793"
    assert told["etcd_server_name"] == "etcd"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo boom >&2; exit 1", "it said: boom.*put a working etcd first"),
        ("true", "it said: nothing"),
        ("echo etcd Version: 2.3.8", "is etcd 2.3, older than 3.4"),
        ("exec sleep 60", "does not end"),
    ],
)
def test_an_etcd_that_is_none_is_found_before_anything_is_made(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "etcd"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(etcd, "_VERSION_S", 1.0)
    with pytest.raises(UsageError, match=says):
        etcd.check()


def test_an_etcd_that_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "etcd"
    fake.write_text("#!/bin/sh\necho etcd Version: 3.4.23\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    etcd.check()
