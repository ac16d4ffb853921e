"""Whom the kubelet lets in, by what the API server says (upstream: server's auth_test.go)."""

from __future__ import annotations

import asyncio

import pytest

from kubeapi.client import Unreachable
from kubeapi.client.delegation import (
    ALLOWED_S,
    DENIED_S,
    TOKEN_S,
    Asker,
    NotAuthenticated,
    asker_of,
)
from kubeapi.resources import SUBJECTACCESSREVIEWS, TOKENREVIEWS
from nodeagent.kubelet.authorization import Attributes, Authorization, attributes

SCRAPER = Asker("system:serviceaccount:monitoring:prometheus", ("system:serviceaccounts",), "u")


class Api:
    """Answers reviews: one token is known, and its user may see metrics."""

    def __init__(self):
        self.asked, self.now, self.is_there = [], 0.0, True

    async def create(self, resource, review):
        if not self.is_there:
            raise Unreachable("no answer")
        self.asked.append(resource)
        spec = review["spec"]
        if resource == TOKENREVIEWS:
            if spec["token"] != "good":
                return {"status": {"error": "no"}}
            user = {"username": SCRAPER.name, "groups": [*SCRAPER.groups], "uid": SCRAPER.uid}
            return {"status": {"authenticated": True, "user": user}}
        assert resource == SUBJECTACCESSREVIEWS
        about = spec["resourceAttributes"]
        assert (about["resource"], about["name"]) == ("nodes", "node-1")
        return {"status": {"allowed": about["subresource"] == "metrics" and spec["uid"] == "u"}}


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def authorization(api):
    return Authorization(api.create, "node-1", lambda: api.now)


@pytest.mark.parametrize(
    ("method", "path", "verb", "subresource"),
    [
        ("GET", "/metrics", "get", "metrics"),
        ("GET", "/metrics/cadvisor", "get", "metrics"),
        ("GET", "/metricsandmore", "get", "proxy"),
        ("GET", "/stats/summary", "get", "stats"),
        ("GET", "/logs/", "get", "log"),
        ("GET", "/pods", "get", "proxy"),
        ("GET", "/healthz", "get", "proxy"),
        ("POST", "/exec/a/b/c", "create", "proxy"),
        ("DELETE", "/", "delete", "proxy"),
        ("PUT", "/spec", "update", "spec"),
        ("HEAD", "/metrics", "get", "metrics"),
    ],
)
def test_attributes(method, path, verb, subresource):
    assert attributes(method, path) == Attributes(verb, subresource)


def test_a_token_is_asked_about_once_in_a_while(api, authorization):
    assert asyncio.run(authorization.user_of("good")) == SCRAPER
    assert asyncio.run(authorization.user_of("good")) == SCRAPER
    assert api.asked == [TOKENREVIEWS]
    api.now = TOKEN_S
    assert asyncio.run(authorization.user_of("good")) == SCRAPER
    assert len(api.asked) == 2
    with pytest.raises(NotAuthenticated):
        asyncio.run(authorization.user_of("bad"))
    api.is_there = False
    with pytest.raises(NotAuthenticated, match="no answer"):
        asyncio.run(authorization.user_of("other"))


def test_answers_hold_for_their_time(api, authorization):
    def may(subresource):
        return asyncio.run(authorization.may_do(SCRAPER, Attributes("get", subresource)))

    assert may("metrics")
    assert not may("proxy")
    api.now = DENIED_S
    assert may("metrics")
    assert not may("proxy")
    assert len(api.asked) == 3
    api.now = ALLOWED_S
    assert may("metrics")
    assert len(api.asked) == 4
    api.is_there = False
    with pytest.raises(Unreachable):
        may("stats")


def test_masters_and_their_server_are_not_asked_about(api, authorization):
    api.is_there = False
    for asker in (Asker("system:kube-apiserver"), Asker("me", ("system:masters",))):
        assert asyncio.run(authorization.may_do(asker, Attributes("create", "proxy")))


def test_who_a_certificate_names():
    subject = [("organizationName", "a"), ("commonName", "x")]
    assert asker_of(subject) == Asker("x", ("a", "system:authenticated"))
    assert asker_of([("organizationName", "a")]) is None
