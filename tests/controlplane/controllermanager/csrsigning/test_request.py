"""Which requests are signed (upstream: helpers_test.go, signer_test.go)."""

from __future__ import annotations

import pytest
from signing_requests import CLIENT_USAGES, SERVING_USAGES, request_pem, signing_request

from controlplane.controllermanager.csrsigning.request import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    BadRequest,
    check,
    read,
)

RSA = "key encipherment"


def judge(signer, usages, **asked):
    pem, _ = request_pem(**asked)
    check(signer, read(signing_request("r", signer, pem=pem)), usages)


@pytest.mark.parametrize(
    ("signer", "usages", "asked"),
    [
        (CLIENT, ["client auth"], {"common_name": "alice", "organizations": ("staff",)}),
        (CLIENT, [*CLIENT_USAGES, RSA], {"common_name": "alice", "organizations": ()}),
        (KUBELET_CLIENT, CLIENT_USAGES, {}),
        (KUBELET_CLIENT, [*CLIENT_USAGES, RSA], {}),
        (KUBELET_SERVING, SERVING_USAGES, {"names": ("dns",)}),
        (KUBELET_SERVING, [*SERVING_USAGES, RSA], {"names": ("dns", "ip")}),
    ],
)
def test_signed(signer, usages, asked):
    judge(signer, usages, **asked)


@pytest.mark.parametrize(
    ("signer", "usages", "asked", "words"),
    [
        (CLIENT, SERVING_USAGES, {}, "client auth"),
        (CLIENT, ["client auth", "server auth"], {}, "client auth"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"organizations": ()}, "organization is not system:nodes"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"organizations": ("a", "b")}, "organization"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"common_name": "alice"}, "system:node:"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"names": ("dns",)}, "DNS subjectAltNames"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"names": ("ip",)}, "IP subjectAltNames"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"names": ("email",)}, "email subjectAltNames"),
        (KUBELET_CLIENT, CLIENT_USAGES, {"names": ("uri",)}, "URI subjectAltNames"),
        (KUBELET_CLIENT, SERVING_USAGES, {}, "usages did not match"),
        (KUBELET_CLIENT, [RSA], {}, "usages did not match"),
        (KUBELET_SERVING, SERVING_USAGES, {}, "at least one DNS or IP"),
        (KUBELET_SERVING, SERVING_USAGES, {"names": ("dns", "email")}, "email subjectAltNames"),
        (KUBELET_SERVING, SERVING_USAGES, {"names": ("ip", "uri")}, "URI subjectAltNames"),
        (KUBELET_SERVING, SERVING_USAGES, {"names": ("ip",), "common_name": "x"}, "system:node:"),
        (KUBELET_SERVING, CLIENT_USAGES, {"names": ("ip",)}, "usages did not match"),
        (
            KUBELET_SERVING,
            SERVING_USAGES,
            {"names": ("ip",), "organizations": ("system:masters",)},
            "organization is not system:nodes",
        ),
    ],
)
def test_not_signed(signer, usages, asked, words):
    with pytest.raises(BadRequest, match=words):
        judge(signer, usages, **asked)


@pytest.mark.parametrize("text", ["", "!", "aGVsbG8="])
def test_what_is_no_request(text):
    with pytest.raises(BadRequest, match="unable to parse csr"):
        read({"spec": {"request": text}})
