"""Which requests are approved, and for which right (upstream: sarapprove_test.go)."""

from __future__ import annotations

import pytest
from signing_requests import CLIENT_USAGES, SERVING_USAGES, request_pem, signing_request

from controlplane.controllermanager.csrapproving.controller import (
    approved,
    is_open,
    review,
    rights,
)
from controlplane.controllermanager.csrsigning.request import CLIENT, KUBELET_CLIENT


def asked(signer=KUBELET_CLIENT, username="system:node:node-7", usages=CLIENT_USAGES, **more):
    made = signing_request("r", signer, usages=usages, pem=request_pem(**more)[0])
    made["spec"] |= {"username": username, "groups": ["system:nodes"]}
    return made


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (asked(), ["selfnodeclient", "nodeclient"]),
        (asked(username="system:bootstrap:abcdef"), ["nodeclient"]),
        (asked(signer=CLIENT), []),
        (asked(usages=SERVING_USAGES), []),
        (asked(organizations=("x",)), []),
        (asked() | {"spec": {"signerName": KUBELET_CLIENT, "request": "!"}}, []),
    ],
    ids=["self", "joining", "another signer", "other usages", "other groups", "no request"],
)
def test_rights(request_, wanted):
    assert [subresource for subresource, _ in rights(request_)] == wanted


def test_the_question_is_about_who_asked():
    spec = review(asked(), "nodeclient")["spec"]
    assert (spec["user"], spec["groups"]) == ("system:node:node-7", ["system:nodes"])
    assert spec["resourceAttributes"] == {
        "group": "certificates.k8s.io",
        "resource": "certificatesigningrequests",
        "subresource": "nodeclient",
        "verb": "create",
        "version": "*",
    }


def test_what_is_decided_stays():
    request_ = asked()
    assert is_open(request_)
    after = approved(request_, "why", "2026-01-01T00:00:00Z")
    assert not is_open(after)
    assert after["status"]["conditions"][0]["reason"] == "AutoApproved"
    assert not is_open({"status": {"certificate": "x"}})
    assert not is_open({"status": {"conditions": [{"type": "Denied"}]}})
