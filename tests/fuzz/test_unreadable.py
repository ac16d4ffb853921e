"""Octets that are no UTF-8, no JSON or nest beyond the stack, wherever somebody else's are decoded.

Each reader ends as it says: with the error that its caller tells the user or the peer, or with
what it has for "nothing readable". Whatever else would come out would be taken for our own fault.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from componentbase import journal, process
from controlplane.apiserver import bootstrap, claims, decoding, stored
from controlplane.apiserver.registry.pages import parse_page_request
from controlplane.jwt import InvalidToken, SigningKey
from controlplane.storage.etcd import mark
from controlplane.storage.interface import KeyValue, StorageForeign
from kubeapi.client import KubeconfigError, codec, read_kubeconfig
from kubeapi.status import StatusError
from loadgen import result_file
from loadgen.pods import worker
from loadgen.pods.log import WorkerLog
from nodeagent.network import flannel
from podruntime.store import SandboxDirectory
from podwire.cli import objects
from podwire.cluster.layout import Layout, UsageError
from podwire.compose import setup
from podwire.launcher import faults, session
from podwire.scenario import model

NO_TEXT: Final = b'{"a":"\xff"}'
DEEP: Final = b"[" * 50_000
#: Lists in lists, as MessagePack has them.
DEEP_PACKED: Final = b"\x91" * 50_000
HOSTILE: Final = (NO_TEXT, DEEP, DEEP_PACKED, b"\x81\xa1a\xa1\xff", b'"\xff"', b"\xff", b"\0", b"")

KEY: Final = SigningKey(ec.generate_private_key(ec.SECP256R1()))


class Config(msgspec.Struct, frozen=True):
    name: str


def written(folder: Path, octets: bytes, name: str = "file") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(octets)
    return path


def manifest(folder: Path, octets: bytes) -> object:
    return objects.read_manifests(str(written(folder, octets)))


def scenario(folder: Path, octets: bytes) -> object:
    return model.read(written(folder, octets), lambda words: words)


def cluster(folder: Path, octets: bytes) -> object:
    return Layout(written(folder, octets, "lab/cluster.json").parent).read_cluster()


def fault_table(folder: Path, octets: bytes) -> object:
    return faults.read(Layout(written(folder, octets, "lab/faults.json").parent))


def sandbox(folder: Path, octets: bytes) -> object:
    (folder / "containers").mkdir(exist_ok=True)
    (folder / "containers" / "a.json").write_bytes(octets)
    return SandboxDirectory(written(folder, octets, "sandbox.json").parent).statuses() or None


def addons(folder: Path, octets: bytes) -> object:
    config: Any = SimpleNamespace(addons=str(written(folder, octets)))
    return bootstrap._addons(config)


def load_log(_folder: Path, octets: bytes) -> object:
    log = WorkerLog()
    log.feed(b"{" + octets)
    return log.plan


def order(_folder: Path, octets: bytes) -> object:
    return asyncio.run(worker.main([octets.decode(errors="surrogateescape")], {}))


def continue_token(_folder: Path, octets: bytes) -> object:
    text = base64.urlsafe_b64encode(octets or b"-").decode()
    return parse_page_request({"continue": text, "limit": "1"})


def token(_folder: Path, octets: bytes) -> object:
    head = base64.urlsafe_b64encode(octets).decode().rstrip("=")
    return KEY.verify(f"{head}.e30.AAAA")


def claim(_folder: Path, octets: bytes) -> object:
    return claims.owner_of(KeyValue("key", octets, 1, 1)) or None


def etcds_mark(_folder: Path, octets: bytes) -> object:
    return mark._check(mark.Mark(uid="u", name="n"), octets, None)


def lease(_folder: Path, octets: bytes) -> object:
    annotations = {
        f"{flannel.PREFIX}backend-type": "vxlan",
        f"{flannel.PREFIX}public-ip": "192.168.64.2",
        f"{flannel.PREFIX}backend-data": octets.decode(errors="replace"),
    }
    node = {"metadata": {"annotations": annotations}, "spec": {"podCIDR": "10.244.1.0/24"}}
    return flannel._lease_of(node)


def watched(kind: str) -> Callable[[Path, bytes], object]:
    return lambda _folder, octets: codec.WatchDecoder(kind).feed(octets + b"\n") or None


Reader = Callable[[Path, bytes], object]
#: Files of users and of our own, messages of peers, bodies of requests: what may come of each.
READERS: Final[dict[str, tuple[Reader, type[BaseException]]]] = {
    "podwire apply -f": (manifest, UsageError),
    "scenario": (scenario, UsageError),
    "kubeconfig": (lambda at, octets: read_kubeconfig(written(at, octets)), KubeconfigError),
    "cluster.json": (cluster, UsageError),
    "faults.json": (fault_table, UsageError),
    "session.json": (lambda at, octets: session.read(written(at, octets)), OSError),
    "compose's record": (lambda at, octets: setup._known(written(at, octets)), UsageError),
    "configuration": (
        lambda at, octets: process.load_config(Config, written(at, octets)), SystemExit),
    "journal": (lambda _at, octets: journal.parse(octets) or None, OSError),
    "loadgen's result": (
        lambda at, octets: result_file.read(written(at, octets)), result_file.ResultError),
    "a load pod's log": (load_log, OSError),
    "a load pod's order": (order, OSError),
    "sandbox": (sandbox, OSError),
    "add-ons": (addons, OSError),
    "JSON body": (lambda _, octets: decoding.decode_octets(octets, decoding.JSON), StatusError),
    "msgpack body": (
        lambda _, octets: decoding.decode_octets(octets, decoding.MSGPACK), StatusError),
    "YAML body": (lambda _, octets: decoding.decode_octets(octets, decoding.YAML), StatusError),
    "continue": (continue_token, StatusError),
    "bearer token": (token, InvalidToken),
    "stored object": (lambda _, octets: stored.is_readable(octets) or None, OSError),
    "claim": (claim, OSError),
    "etcd's mark": (etcds_mark, StorageForeign),
    "flannel's annotation": (lease, OSError),
    "JSON answer": (lambda _, octets: codec.decode(octets, codec.JSON), codec.MalformedBody),
    "msgpack answer": (lambda _, octets: codec.decode(octets, codec.MSGPACK), codec.MalformedBody),
    "JSON watch": (watched(codec.JSON), codec.MalformedBody),
    "msgpack watch": (watched(codec.MSGPACK), codec.MalformedBody),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_hostile_octets_are_nobodys_surprise(name: str, tmp_path: Path) -> None:
    read, complaint = READERS[name]
    refused = 0
    for octets in HOSTILE:
        try:
            refused += read(tmp_path, octets) in (None, 2)
        except complaint as error:
            refused += bool(str(error))
    assert refused >= 2  # What is no JSON may be YAML; MessagePack may go on.


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.binary(max_size=12), after=st.binary(max_size=12))
@example(before=b'{"kind":"', after=b'\xff"}')
@example(before=b'{"name":', after=b"1" * 5000)
def test_any_octets_are_nobodys_surprise(
    name: str, tmp_path: Path, before: bytes, after: bytes
) -> None:
    read, complaint = READERS[name]
    try:
        read(tmp_path, before + after)
    except complaint:
        pass
