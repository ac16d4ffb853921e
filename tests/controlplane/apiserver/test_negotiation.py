"""Accept headers of real clients, and odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.apiserver.negotiation import Accepted, accepts_aggregated, negotiate, preferred

KUBECTL_GET = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json, */*", Accepted()),
        (KUBECTL_GET, Accepted("application/json", "Table", "v1")),
        ("application/vnd.kubernetes.protobuf,application/json", Accepted()),
        ("application/vnd.podwire.msgpack", Accepted("application/vnd.podwire.msgpack")),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Accepted()),
        ("application/json;q=0.4, application/yaml;q=0.8", Accepted("application/yaml")),
        ("*/*, application/yaml", Accepted("application/yaml")),
        ("application/*;q=1", Accepted()),
        ("application/json;q=nonsense", Accepted()),
        ("application/json;stream=watch", Accepted()),
        ("application/json;stream=other, application/yaml", Accepted("application/yaml")),
        ("application/json;sv=v9", None),
        (
            "application/yaml;as=Table;v=v1;g=meta.k8s.io",
            Accepted("application/yaml", "Table", "v1"),
        ),
        ("application/json;pretty=1", Accepted()),
        ("application/json;g=meta.k8s.io", None),
        (" ", None),
        ("text/*", None),
        ("text/html", None),
        ("application/vnd.kubernetes.protobuf", None),
        ("application/json;as=Odd;v=v1;g=meta.k8s.io", None),
    ],
)
def test_the_first_known_form_wins(accept, expected):
    assert negotiate(accept) == expected


def test_aggregated_discovery_is_asked_for_by_name():
    v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert accepts_aggregated(f"{v2},application/json") == v2
    assert accepts_aggregated(f"application/json,{v2}") == ""
    assert accepts_aggregated("application/vnd.kubernetes.protobuf") == ""


def test_what_has_no_transformations_is_chosen_by_preference():
    served = ("application/json", "application/x")
    assert preferred("", served) == "application/json"
    assert preferred("application/x, */*", served) == "application/x"
    assert preferred("application/json;q=0.1, application/x", served) == "application/x"
    assert preferred("text/*", served) == ""


@given(st.text(max_size=60))
def test_any_header_is_answered(accept):
    negotiate(accept)
    accepts_aggregated(accept)
    preferred(accept, ("application/json",))
