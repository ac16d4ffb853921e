"""Version 2 as protobuf, read by Google's protobuf with a kubectl's own descriptors."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from controlplane.apiserver import discovery
from controlplane.apiserver.kinds import KINDS
from controlplane.apiserver.openapi import gnostic, swagger
from controlplane.apiserver.openapi.documents import Documents

GROUPS = discovery.by_group(
    k for k in KINDS if k.resource.plural in ("pods", "customresourcedefinitions")
)
HEAD = b"\n\x19openapiv2/OpenAPIv2.proto\x12\nopenapi.v2"
SYNTAX = 12


def varint(octets: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        octet = octets[at]
        number |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return number, at


def cut(octets: bytes, begin: int) -> bytes:
    """Return the FileDescriptorProto at *begin*: its fields up to `syntax`, the last."""
    at, field = begin, 0
    while field != SYNTAX:
        tag, after = varint(octets, at)
        size, after = varint(octets, after)
        at, field = after + size, tag >> 3
    return octets[begin:at]


@functools.cache
def document_class() -> type | None:
    """Return openapi.v2.Document; None where the kubectl has no such descriptors."""
    path = shutil.which("kubectl.1.32") or shutil.which("kubectl")
    octets = Path(path).read_bytes() if path else b""
    begin = octets.find(HEAD)
    if begin < 0:
        return None
    pool = descriptor_pool.DescriptorPool()
    anything = descriptor_pb2.FileDescriptorProto(
        name="google/protobuf/any.proto", package="google.protobuf", syntax="proto3"
    )
    message = anything.message_type.add(name="Any")
    message.field.add(name="type_url", number=1, type=9, label=1)
    message.field.add(name="value", number=2, type=12, label=1)
    pool.AddSerializedFile(anything.SerializeToString())
    pool.AddSerializedFile(cut(octets, begin))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("openapi.v2.Document"))


def test_the_document_is_what_gnostic_reads():
    cls = document_class()
    if cls is None:
        pytest.skip("no kubectl with gnostic's descriptors is installed")
    documents = list(Documents(GROUPS).each())
    as_json = json.loads(swagger.encoded(documents))
    read = cls.FromString(gnostic.encoded(documents))
    assert (read.swagger, read.info.title) == ("2.0", "Kubernetes")
    paths = {item.name: item.value for item in read.paths.path}
    assert set(paths) == set(as_json["paths"])
    path = "/api/v1/namespaces/{namespace}/pods/{name}"
    patch = paths[path].patch
    assert patch.operation_id == as_json["paths"][path]["patch"]["operationId"]
    named = [item.parameter.non_body_parameter for item in patch.parameters]
    assert "fieldValidation" in {each.query_parameter_sub_schema.name for each in named}
    extensions = {each.name: each.value.yaml for each in patch.vendor_extension}
    assert json.loads(extensions["x-kubernetes-action"]) == "patch"
    schemas = {item.name: item.value for item in read.definitions.additional_properties}
    assert set(schemas) == set(as_json["definitions"])
    spec = {
        p.name: p.value
        for p in schemas["io.k8s.api.core.v1.PodSpec"].properties.additional_properties
    }
    assert list(spec["containers"].type.value) == ["array"]
    assert spec["containers"].items.schema[0]._ref.endswith("io.k8s.api.core.v1.Container")
    assert list(schemas["io.k8s.api.core.v1.PodSpec"].required) == ["containers"]


def test_other_names_of_its_type():
    assert "@" in gnostic.OLD_CONTENT_TYPE
    assert "@" not in gnostic.CONTENT_TYPE
