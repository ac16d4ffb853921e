from __future__ import annotations

import pytest

from loadgen.plan import LoadPlan, PlanError, Target


@pytest.mark.parametrize(
    ("url", "target", "host_header"),
    [
        ("http://127.0.1.1:30080", Target("http", "127.0.1.1", 30080, "/"), "127.0.1.1:30080"),
        ("127.0.1.1:30080/a", Target("http", "127.0.1.1", 30080, "/a"), "127.0.1.1:30080"),
        ("https://web/a?b=c#d", Target("https", "web", 443, "/a?b=c"), "web"),
        ("http://[2001:db8::1]:81", Target("http", "2001:db8::1", 81, "/"), "[2001:db8::1]:81"),
    ],
)
def test_urls(url, target, host_header):
    assert Target.parse(url) == target
    assert target.host_header == host_header


@pytest.mark.parametrize("url", ["ftp://web/", "http://", "http://web:port/", "http://web:99999/"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(PlanError):
        Target.parse(url)


@pytest.mark.parametrize(
    "change",
    [
        {"rate": 0},
        {"rate": 1e9},
        {"duration_s": -1},
        {"connections": 0},
        {"timeout_s": 0},
        {"method": "GET /"},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"": "b"}},
    ],
)
def test_plans_have_bounds(change):
    with pytest.raises(PlanError):
        LoadPlan(**{"url": "http://web/", "rate": 1, "duration_s": 1, **change})
