"""DefaultIngressClass, against a real server process."""

from __future__ import annotations

import pytest

CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
DEFAULT = {"ingressclass.kubernetes.io/is-default-class": "true"}
SPEC = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}


@pytest.fixture
def ingresses(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"


def ingress_class(name, annotations):
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }


def test_ingress_without_a_class_gets_the_default_one(server, ingresses):
    def made(name, annotations=None, **fields):
        body = {
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {**SPEC, **fields},
        }
        answer = server.request("POST", ingresses, body)
        assert answer.code == 201, answer.json
        return answer.json["spec"].get("ingressClassName")

    assert made("before") is None
    assert server.request("POST", CLASSES, ingress_class("plain", {})).code == 201
    assert made("no-default") is None
    try:
        for name in ("second", "first"):
            assert server.request("POST", CLASSES, ingress_class(name, DEFAULT)).code == 201
        assert made("by-default") in ("first", "second")
        assert made("named", ingressClassName="plain") == "plain"
        assert made("annotated", {"kubernetes.io/ingress.class": "other"}) is None
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.65.1"}]}}}
        patched = server.request(
            "PATCH",
            f"{ingresses}/named/status",
            status,
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert (patched.code, patched.json["status"]) == (200, status["status"])
    finally:
        for name in ("first", "second", "plain"):
            server.request("DELETE", f"{CLASSES}/{name}")
