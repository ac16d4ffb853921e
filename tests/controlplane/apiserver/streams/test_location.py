"""Where a proxied request goes, and how links come back."""

from __future__ import annotations

import random

import pytest

from controlplane.apiserver.streams import location
from controlplane.apiserver.streams.location import Endpoint, Name
from kubeapi.status import StatusError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("web", ("http", "web", "")),
        ("web:80", ("http", "web", "80")),
        ("https:web:tls", ("https", "web", "tls")),
        (":web:80", ("http", "web", "80")),
        ("web:", ("http", "web", "")),
    ],
)
def test_names_may_have_scheme_and_port(text, parts):
    name = Name.parse(text, "service")
    assert (name.scheme, name.name, name.port) == parts


@pytest.mark.parametrize("text", ["a:b:c:d", "ftp:web:80", "", "http::80"])
def test_other_names_are_refused(text):
    with pytest.raises(StatusError, match="invalid service request"):
        Name.parse(text, "service")


def pod(**more):
    ports = [{"containerPort": 8080}]
    return {
        "metadata": {"name": "web"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}, {"name": "d", "ports": ports}]},
        "status": {"podIP": "10.244.0.5"},
        **more,
    }


def test_pod_is_reached_at_its_first_port_unless_another_is_named():
    first = location.pod_endpoint(pod(), Name.parse("web", "pod"))
    assert first == Endpoint(address="10.244.0.5", port=8080, node="n1")
    assert location.pod_endpoint(pod(), Name.parse("web:81", "pod")).port == 81
    bare = pod(spec={"containers": [{"name": "c"}]})
    assert location.pod_endpoint(bare, Name.parse("https:web:", "pod")).port == 443
    with pytest.raises(StatusError, match="address not allowed"):
        location.pod_endpoint(pod(status={}), Name.parse("web", "pod"))
    with pytest.raises(StatusError, match="invalid port"):
        location.pod_endpoint(pod(), Name.parse("web:http", "pod"))


def service(*ports):
    return {"spec": {"ports": [{"name": name, "port": port} for name, port in ports]}}


def test_service_port_is_found_by_number_or_name():
    two = service(("http", 80), ("tls", 443))
    assert location.service_port(service(("http", 80)), Name.parse("s", "service")) == "http"
    assert location.service_port(two, Name.parse("s", "service")) == ""
    assert location.service_port(two, Name.parse("s:443", "service")) == "tls"
    assert location.service_port(two, Name.parse("s:any", "service")) == "any"
    with pytest.raises(StatusError, match='no service port 81 found for service "s"') as refused:
        location.service_port(two, Name.parse("s:81", "service"))
    assert refused.value.code == 503


def test_service_goes_to_ready_endpoints_of_the_port():
    slices = [
        {
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"addresses": ["10.0.0.1"], "conditions": {"ready": False}},
                {"addresses": ["10.0.0.2"], "nodeName": "n2"},
            ],
        },
        {"ports": [{"name": "tls", "port": 8443}], "endpoints": [{"addresses": ["10.0.0.3"]}]},
    ]
    found = {location.service_endpoint(slices, "http", "s", random.Random(n)) for n in range(9)}
    assert found == {Endpoint(address="10.0.0.2", port=8080, node="n2")}
    with pytest.raises(StatusError, match='no endpoints available for service "s"'):
        location.service_endpoint(slices, "none", "s", random.Random(1))


def test_who_is_behind_sees_no_credentials():
    headers = [
        ("Authorization", "Bearer secret"),
        ("Impersonate-User", "root"),
        ("Connection", "keep-alive"),
        ("Transfer-Encoding", "chunked"),
        ("X-Own", "1"),
        ("Cookie", "a=b"),
    ]
    assert location.request_headers(headers) == [("X-Own", "1"), ("Cookie", "a=b")]


PREFIX = "/api/v1/namespaces/d/services/web/proxy"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/a/?q=1", f"{PREFIX}/a/?q=1"),
        ("http://10.0.0.2:8080/a", f"{PREFIX}/a"),
        ("https://example.org/a", "https://example.org/a"),
        ("a/b", "a/b"),
        (f"{PREFIX}/a", f"{PREFIX}/a"),
    ],
)
def test_redirects_stay_in_the_proxy(url, shown):
    assert location.rewritten(url, PREFIX, ("10.0.0.2:8080",)) == shown


def test_links_of_pages_go_through_the_proxy():
    page = b'<a class=x href="/a">/a</a> <img src=\'/i.png\'> <a href="b"> <a href="//c/d">'
    front = PREFIX.encode()
    made = location.rewrite_html(page, PREFIX)
    assert made == (
        b'<a class=x href="%s/a">/a</a> <img src=\'%s/i.png\'> <a href="b"> <a href="//c/d">'
        % (front, front)
    )
    assert location.rewrite_html(made, PREFIX) == made
    assert location.is_page({"Content-Type": "text/html; charset=utf-8"})
    assert not location.is_page({"Content-Type": "text/html", "Content-Encoding": "gzip"})
