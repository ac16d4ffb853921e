"""What may be asked of a TokenRequest."""

from __future__ import annotations

import pytest

from controlplane.apiserver.serviceaccount.token_request import (
    Bound,
    check_bound,
    parse,
)
from kubeapi.resources import PODS
from kubeapi.status import StatusError

POD = {
    "metadata": {"name": "p", "uid": "u"},
    "spec": {"nodeName": "n1", "serviceAccountName": "web"},
}
BOUND = Bound(resource=PODS, name="p", uid="u")


def test_what_is_not_said_is_filled_in():
    asked = parse({}, "us")
    assert (asked.audiences, asked.duration_s, asked.bound) == (("us",), 3600, None)


def test_everything_said():
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "u"}
    spec = {"audiences": ["a", "b"], "expirationSeconds": 600, "boundObjectRef": reference}
    asked = parse({"kind": "TokenRequest", "spec": spec}, "us")
    assert (asked.audiences, asked.duration_s, asked.bound) == (("a", "b"), 600, BOUND)


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ({"expirationSeconds": 599}, 422, "less than 10 minutes"),
        ({"expirationSeconds": (1 << 32) + 1}, 422, "larger than 2^32 seconds"),
        ({"expirationSeconds": "x"}, 400, "expirationSeconds"),
        ({"audiences": "us"}, 400, "audiences"),
        ({"boundObjectRef": {"kind": "Service", "name": "s"}}, 400, "cannot bind token"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v2", "name": "s"}}, 400, "cannot bind"),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1"}}, 400, "name is required"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, code, words):
    with pytest.raises(StatusError, match=r".") as refused:
        parse({"spec": spec}, "us")
    assert refused.value.code == code
    assert words in refused.value.message


def test_another_kind_is_refused():
    with pytest.raises(StatusError, match="TokenRequest"):
        parse({"kind": "TokenReview"}, "us")


def test_a_token_is_bound_to_the_pod_that_is_meant():
    check_bound(BOUND, POD, "web")
    with pytest.raises(StatusError, match="recreated") as refused:
        check_bound(Bound(resource=PODS, name="p", uid="old"), POD, "web")
    assert refused.value.code == 409
    with pytest.raises(StatusError, match="different serviceaccount"):
        check_bound(BOUND, POD, "other")
