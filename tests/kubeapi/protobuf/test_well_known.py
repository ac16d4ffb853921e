"""Times, quantities, ports and embedded JSON have forms of their own in JSON."""

from __future__ import annotations

import base64

import pytest

from kubeapi.protobuf.well_known import CONVERTED, Unfit

META = "k8s.io.apimachinery.pkg.apis.meta.v1"
PORT = "k8s.io.apimachinery.pkg.util.intstr.IntOrString"
RAW = "k8s.io.apimachinery.pkg.runtime.RawExtension"
QUANTITY = "k8s.io.apimachinery.pkg.api.resource.Quantity"


def raw(text: bytes) -> dict:
    return {"raw": base64.b64encode(text).decode()}


@pytest.mark.parametrize(
    ("message", "fields", "value"),
    [
        (f"{META}.Time", {}, None),
        (f"{META}.Time", {"seconds": 1_767_323_045}, "2026-01-02T03:04:05Z"),
        (f"{META}.Time", {"seconds": -1}, "1969-12-31T23:59:59Z"),
        (f"{META}.Time", {"seconds": -62_135_596_800}, "0001-01-01T00:00:00Z"),
        (f"{META}.MicroTime", {"seconds": 1, "nanos": 1_000}, "1970-01-01T00:00:01.000001Z"),
        (f"{META}.MicroTime", {"seconds": 1}, "1970-01-01T00:00:01.000000Z"),
        (QUANTITY, {"string": "100m"}, "100m"),
        (QUANTITY, {}, "0"),
        (PORT, {}, 0),
        (PORT, {"intVal": 80}, 80),
        (PORT, {"type": 1, "strVal": "http"}, "http"),
        (PORT, {"type": 1}, ""),
        (RAW, {}, None),
        (RAW, raw(b'{"a":[1]}'), {"a": [1]}),
        (f"{META}.FieldsV1", {"Raw": raw(b'{"f:a":{}}')["raw"]}, {"f:a": {}}),
        ("k8s.io.api.authentication.v1.ExtraValue", {"items": ["a", "b"]}, ["a", "b"]),
        ("k8s.io.api.authentication.v1.ExtraValue", {}, []),
    ],
)
def test_the_form_in_json(message, fields, value):
    assert CONVERTED[message](fields) == value


@pytest.mark.parametrize(
    ("message", "fields", "said"),
    [
        (f"{META}.Time", {"seconds": 1 << 62}, "a time lies before"),
        (f"{META}.Time", {"seconds": -(1 << 40)}, "a time lies before"),
        (RAW, raw(b"{"), "no JSON"),
        (RAW, raw(b"\xff"), "no JSON"),
        (RAW, raw(b"[" * 100_000), "no JSON"),
    ],
    ids=["late", "early", "half", "no UTF-8", "deep"],
)
def test_what_json_cannot_say_is_refused(message, fields, said):
    with pytest.raises(Unfit, match=said):
        CONVERTED[message](fields)
