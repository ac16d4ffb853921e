"""Keys, ranges and events between etcd's messages and ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.storage.etcd import messages, rpc_pb2
from controlplane.storage.interface import StorageForeign


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_keys_come_back(key: str):
    assert messages.text_of(messages.octets_of(key)) == key


@given(st.binary())
def test_any_octets_are_a_key(octets: bytes):
    assert messages.octets_of(messages.text_of(octets)) == octets


_KEYS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=4)


@given(_KEYS, _KEYS, _KEYS)
def test_bounds_hold_what_begins_with_the_prefix(prefix: str, start: str, key: str):
    low, end = messages.bounds(prefix, start)
    octets = messages.octets_of(key)
    inside = low <= octets and (end == messages.LAST or octets < end)
    wanted = key.startswith(prefix) and octets >= messages.octets_of(start)
    assert inside == (wanted and key != "")  # etcd has no empty key.


def test_a_prefix_that_ends_with_the_last_octets():
    assert messages.bounds("a\udcff\udcff")[1] == b"b"
    assert messages.bounds("\udcff")[1] == messages.LAST


def test_what_kubernetes_wrote_is_refused():
    for value in (b"k8s\0\n\x0c", b"k8s:enc:aescbc:v1:"):
        with pytest.raises(StorageForeign, match="/registry/pods/a"):
            messages.key_value(rpc_pb2.KeyValue(key=b"/registry/pods/a", value=value))


def test_an_event_whose_past_was_compacted_is_noticed():
    kv = rpc_pb2.KeyValue(key=b"/k", value=b"v", create_revision=3, mod_revision=5)
    assert messages.event(rpc_pb2.Event(type="PUT", kv=kv)) is None
    assert messages.event(rpc_pb2.Event(type="DELETE", kv=kv)) is None
    kv.create_revision = 5
    event = messages.event(rpc_pb2.Event(type="PUT", kv=kv))
    assert event is not None
    assert (event.revision, event.previous) == (5, None)


def test_what_was_generated_is_of_this_proto(tmp_path: Path):
    """Else: make proto."""
    proto = Path(rpc_pb2.__file__).with_name("rpc.proto")
    source = proto.parents[3]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(source)]
    command += [f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(proto)]
    subprocess.run(command, check=True, timeout=60)
    made = tmp_path / proto.parent.relative_to(source)
    for name in ("rpc_pb2.py", "rpc_pb2.pyi"):
        assert (made / name).read_text() == proto.with_name(name).read_text()
