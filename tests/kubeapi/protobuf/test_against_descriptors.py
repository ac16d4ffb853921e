"""Messages written by Google's protobuf with a kubectl's own descriptors, read by us.

Skipped, visibly, where no kubectl of 1.32 or later is installed.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeapi.protobuf import messages, wire
from kubeapi.protobuf.well_known import CONVERTED

ROOT = Path(__file__).parents[3]
GENERATOR = ROOT / "tools" / "generate_protobuf.py"
DEPTH_MAX = 4
NAMES = (
    "k8s.io.api.core.v1.Pod",
    "k8s.io.api.core.v1.Service",
    "k8s.io.api.core.v1.Secret",
    "k8s.io.api.core.v1.Event",
    "k8s.io.api.apps.v1.Deployment",
    "k8s.io.api.batch.v1.CronJob",
    "k8s.io.api.networking.v1.Ingress",
    "k8s.io.api.rbac.v1.ClusterRole",
    "k8s.io.api.autoscaling.v2.HorizontalPodAutoscaler",
    "k8s.io.api.authorization.v1.SubjectAccessReview",
    "k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions",
)


@functools.cache
def pool() -> descriptor_pool.DescriptorPool | None:
    """Return the kubectl's descriptors; None when it has none."""
    path = shutil.which("kubectl")
    if path is None:
        return None
    spec = importlib.util.spec_from_file_location("generate_protobuf", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    files = generator.files(Path(path).read_bytes())
    if not any(name.endswith("core/v1/generated.proto") for name in files):
        return None
    made, done = descriptor_pool.DescriptorPool(), set()

    def add(name: str) -> None:
        if name in done or name not in files:
            return
        done.add(name)
        file = descriptor_pb2.FileDescriptorProto()
        file.CopyFrom(files[name])
        del file.dependency[:]
        for needed in files[name].dependency:
            add(needed)
            if needed in files:  # gogo.proto has options alone.
                file.dependency.append(needed)
        made.Add(file)

    for name in files:
        add(name)
    return made


@pytest.fixture(scope="module")
def known() -> descriptor_pool.DescriptorPool:
    found = pool()
    if found is None:
        pytest.skip("no kubectl with descriptors is installed")
    return found


TEXTS = st.text(max_size=4)
SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


def fill(draw: Any, descriptor: Descriptor, message: Any, depth: int) -> None:
    """Set some fields of *message*; what has a form of its own in JSON stays out."""
    for field in descriptor.fields:
        target = field.message_type
        if draw(st.integers(0, 2)) != 0 or (target is not None and is_other(target)):
            continue
        if target is None:
            value = draw(scalar(field))
            if field.is_repeated:
                getattr(message, field.name).extend([value, value])
            else:
                setattr(message, field.name, value)
        elif target.GetOptions().map_entry:
            fill_map(draw, target, getattr(message, field.name), depth)
        elif depth < DEPTH_MAX:
            inner = getattr(message, field.name)
            if field.is_repeated:
                fill(draw, target, inner.add(), depth + 1)
            else:
                inner.SetInParent()
                fill(draw, target, inner, depth + 1)


def is_other(target: Descriptor) -> bool:
    value = target.fields_by_name.get("value") if target.GetOptions().map_entry else None
    if value is not None:
        return value.message_type is not None and value.message_type.full_name in CONVERTED
    return target.full_name in CONVERTED


def fill_map(draw: Any, entry: Descriptor, container: Any, depth: int) -> None:
    value = entry.fields_by_name["value"]
    if value.message_type is None:
        container[draw(TEXTS)] = draw(scalar(value))
    else:
        fill(draw, value.message_type, container[draw(TEXTS)], depth + 1)


def scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=4)
    return SCALARS.get(field.cpp_type, TEXTS)


def expected(message: Any, own: messages.Fields) -> dict[str, Any]:
    """Return what JSON says of *message*, by walking what Google's parser holds."""
    by_number = {tag >> 3: field for tag, field in own.items()}
    found: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        field = by_number[descriptor.number]
        if field.flags == "e":
            found |= expected(value, messages.fields_of(field.message))
        elif field.flags == "k":
            found[field.name] = {key: plain(item, field) for key, item in value.items()}
        elif field.flags == "r":
            found[field.name] = [plain(item, field) for item in value]
        elif (said := plain(value, field)) or field.flags == "p":
            found[field.name] = said
    return found


def plain(value: Any, field: messages.Field) -> Any:
    if field.letter == "m":
        return expected(value, messages.fields_of(field.message))
    return base64.b64encode(value).decode() if field.letter == "y" else value


@pytest.mark.parametrize("name", NAMES)
def test_what_google_writes_is_read(known, name):
    descriptor = known.FindMessageTypeByName(name)
    made = message_factory.GetMessageClass(descriptor)

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def check(data):
        message = made()
        fill(data.draw, descriptor, message, 0)
        octets = message.SerializeToString()
        assert wire.read(octets, name) == expected(message, messages.fields_of(name))

    check()


def reachable(descriptor: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    yield descriptor
    for field in descriptor.fields:
        if field.message_type is not None:
            yield from reachable(field.message_type, seen)


@pytest.mark.parametrize("name", NAMES)
def test_the_table_knows_every_field_of_this_kubectl(known, name):
    missing = []
    for descriptor in reachable(known.FindMessageTypeByName(name), set()):
        if descriptor.GetOptions().map_entry:
            continue
        numbers = {tag >> 3 for tag in messages.fields_of(descriptor.full_name)}
        missing += [f"{descriptor.full_name}.{f.name}" for f in descriptor.fields
                    if f.number not in numbers]  # fmt: skip
    assert missing == []
