"""Rules: what they allow and cover (upstream: rbac_test.go, policy_comparator_test.go)."""

from __future__ import annotations

import pytest

from controlplane.apiserver.authz.rule import Rule, missing, quote, url_covers
from controlplane.apiserver.request_info import RequestInfo, parse_request_info


def rule(verbs, groups, resources, names=""):
    group_names = tuple("" if group == "core" else group for group in groups.split())
    return Rule(tuple(verbs.split()), group_names, tuple(resources.split()), tuple(names.split()))


def asked(method, path, **query):
    return parse_request_info(method, path, query)


PODS = "/api/v1/namespaces/a/pods"


@pytest.mark.parametrize(
    ("rule", "method", "path", "allowed"),
    [
        (rule("get list", "core", "pods"), "GET", PODS, True),
        (rule("get list", "core", "pods"), "POST", PODS, False),
        (rule("*", "*", "*"), "DELETE", PODS, True),
        (rule("get", "*", "pods"), "GET", f"{PODS}/p", True),
        (rule("get", "apps", "pods"), "GET", f"{PODS}/p", False),
        (rule("get", "core", "pods"), "GET", f"{PODS}/p/log", False),
        (rule("get", "core", "pods/log"), "GET", f"{PODS}/p/log", True),
        (rule("get", "core", "pods/log"), "GET", f"{PODS}/p", False),
        (rule("get", "core", "*/log"), "GET", f"{PODS}/p/log", True),
        (rule("get", "core", "*/log"), "GET", f"{PODS}/p/status", False),
        (rule("get", "core", "pods/*"), "GET", f"{PODS}/p/log", False),
        (rule("get", "core", "*"), "GET", f"{PODS}/p/log", True),
        (rule("get", "core", "pods", "p"), "GET", f"{PODS}/p", True),
        (rule("get", "core", "pods", "p"), "GET", f"{PODS}/q", False),
        (rule("list", "core", "pods", "p"), "GET", PODS, False),
        (rule("create", "core", "pods", "p"), "POST", PODS, False),
        (rule("*", "*", "*"), "GET", "/metrics", False),
        (Rule(("get",), urls=("/metrics",)), "GET", "/metrics", True),
        (Rule(("get",), urls=("/metrics",)), "GET", "/metrics/slis", False),
        (Rule(("get",), urls=("/metrics/*",)), "GET", "/metrics/slis", True),
        (Rule(("*",), urls=("*",)), "POST", "/anything", True),
        (Rule(("post",), urls=("/a",)), "GET", "/a", False),
        (Rule(("get",), urls=("*",)), "GET", PODS, False),
    ],
)
def test_rule_allows(rule, method, path, allowed):
    assert rule.allows(asked(method, path)) is allowed


def test_a_name_is_pinned_by_a_selector_too():
    named = rule("list watch", "core", "pods", "p")
    assert named.allows(asked("GET", PODS, fieldSelector="metadata.name=p"))
    assert named.allows(asked("GET", PODS, watch="1", fieldSelector="a!=b,metadata.name==p"))
    assert not named.allows(asked("GET", PODS, fieldSelector="metadata.name!=p"))
    assert not named.allows(asked("GET", PODS, fieldSelector="metadata.name=q"))


def test_urls_with_stars():
    assert url_covers("/api*", "/apis")
    assert not url_covers("/api/*", "/apis")
    assert not url_covers("", "/apis")


@pytest.mark.parametrize(
    ("owned", "wanted", "lacking"),
    [
        ([rule("*", "*", "*")], [rule("get", "apps", "deployments")], []),
        ([rule("get list", "core", "pods")], [rule("get", "core", "pods")], []),
        ([rule("get", "core", "pods"), rule("list", "core", "pods")], ["get list"], []),
        ([rule("get", "core", "pods")], ["get list watch"], ["list watch"]),
        ([rule("get", "core", "pods", "a b")], [rule("get", "core", "pods", "a")], []),
        (
            [rule("get", "core", "pods", "a")],
            [rule("get", "core", "pods", "a b")],
            [rule("get", "core", "pods", "b")],
        ),
        (
            [rule("get", "core", "pods", "a")],
            [rule("get", "core", "pods")],
            [rule("get", "core", "pods")],
        ),
        ([rule("get", "core", "*/scale")], [rule("get", "core", "pods/scale")], []),
        ([rule("get", "core", "pods")], [rule("*", "core", "pods")], [rule("*", "core", "pods")]),
        ([rule("get", "core", "pods")], [rule("get", "core", "*")], [rule("get", "core", "*")]),
        ([Rule(("get",), urls=("/a/*",))], [Rule(("get",), urls=("/a/b", "/a/*"))], []),
        (
            [Rule(("get",), urls=("/a/b",))],
            [Rule(("get",), urls=("/a/*",))],
            [Rule(("get",), urls=("/a/*",))],
        ),
        ([], [], []),
    ],
)
def test_what_is_missing(owned, wanted, lacking):
    def read(rules):
        return [rule(each, "core", "pods") if isinstance(each, str) else each for each in rules]

    assert missing(owned, read(wanted)) == read(lacking)


def test_rules_are_told_as_upstream_tells_them():
    assert str(rule("get list", "core apps", "pods", "x")) == (
        '{APIGroups:["" "apps"], Resources:["pods"], ResourceNames:["x"], Verbs:["get" "list"]}'
    )
    assert str(Rule(("get",), urls=("/a",))) == '{NonResourceURLs:["/a"], Verbs:["get"]}'
    assert quote('a"\n') == r'"a\"\n"'


def test_rules_come_from_objects_and_go_back():
    obj = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}
    assert Rule.of(obj).to_object() == obj
    assert Rule.of({}).allows(RequestInfo(verb="get", path="/")) is False
