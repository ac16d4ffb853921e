"""Paths and queries as they are understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.request_info import parse_query, parse_request_info


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", ("list", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/namespaces", ("list", "", "v1", "", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/a", ("get", "", "v1", "a", "namespaces", "a", "")),
        (
            "PUT",
            "/api/v1/namespaces/a/status",
            ("update", "", "v1", "a", "namespaces", "a", "status"),
        ),
        (
            "PUT",
            "/api/v1/namespaces/a/finalize",
            ("update", "", "v1", "a", "namespaces", "a", "finalize"),
        ),
        ("POST", "/api/v1/namespaces/a/pods", ("create", "", "v1", "a", "pods", "", "")),
        (
            "DELETE",
            "/api/v1/namespaces/a/pods",
            ("deletecollection", "", "v1", "a", "pods", "", ""),
        ),
        ("DELETE", "/api/v1/namespaces/a/pods/p", ("delete", "", "v1", "a", "pods", "p", "")),
        ("GET", "/api/v1/namespaces/a/pods/p/log", ("get", "", "v1", "a", "pods", "p", "log")),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/a/deployments/d/scale",
            ("patch", "apps", "v1", "a", "deployments", "d", "scale"),
        ),
        ("GET", "/api/v1/watch/pods", ("watch", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/watch/namespaces/a/pods", ("watch", "", "v1", "a", "pods", "", "")),
        ("GET", "/api/v1/watch/namespaces/a/pods/p", ("watch", "", "v1", "a", "pods", "p", "")),
        ("POST", "/api/v1/watch/pods", ("create", "", "", "", "", "", "")),
        ("GET", "/api/v1/watch", ("list", "", "v1", "", "watch", "", "")),
        ("GET", "/apis/apps/v1", ("get", "", "", "", "", "", "")),
        ("GET", "/healthz", ("get", "", "", "", "", "", "")),
        ("OPTIONS", "/api/v1/pods", ("options", "", "v1", "", "pods", "", "")),
    ],
)
def test_paths(method, path, expected):
    info = parse_request_info(method, path, {})
    found = (info.verb, info.group, info.version, info.namespace, info.resource, info.name)
    assert (*found, info.subresource) == expected


def test_watch_is_a_list_with_a_query():
    assert parse_request_info("GET", "/api/v1/pods", {"watch": "true"}).verb == "watch"
    assert parse_request_info("GET", "/api/v1/pods", {"watch": "0"}).verb == "list"
    assert parse_request_info("POST", "/api/v1/pods", {"watch": "1"}).verb == "create"


def test_the_first_of_a_repeated_query_field_counts():
    assert parse_query("a=1&b=%20&a=2&c") == {"a": "1", "b": " ", "c": ""}


@given(method=st.sampled_from(["GET", "POST", "PUT"]), path=st.text(max_size=60))
def test_any_path_is_understood_or_refused(method, path):
    try:
        info = parse_request_info(method, "/api/v1/" + path, {})
    except ValueError:
        return
    assert info.path == "/api/v1/" + path


@given(st.text(max_size=80))
def test_any_query_is_understood_or_refused(text):
    try:
        parse_query(text)
    except ValueError:
        pass
