from __future__ import annotations

import pytest

from loadgen.plan import LoadPlan, PlanError, Target
from loadgen.stages import Arrival, Stage, parse_stages


@pytest.mark.parametrize(
    ("url", "target", "host_header"),
    [
        ("http://127.0.1.1:30080", Target("http", "127.0.1.1", 30080, "/"), "127.0.1.1:30080"),
        ("127.0.1.1:30080/a", Target("http", "127.0.1.1", 30080, "/a"), "127.0.1.1:30080"),
        ("https://web/a?b=c#d", Target("https", "web", 443, "/a?b=c"), "web"),
        ("http://web/a b%20c?d=é", Target("http", "web", 80, "/a%20b%20c?d=%C3%A9"), "web"),
        ("http://[2001:db8::1]:81", Target("http", "2001:db8::1", 81, "/"), "[2001:db8::1]:81"),
        ("tcp://web:7", Target("tcp", "web", 7, ""), "web:7"),
        ("udp://web:7/", Target("udp", "web", 7, "/"), "web:7"),
        ("dns://dns/web.?type=aaaa", Target("dns", "dns", 53, "web", "AAAA"), "dns"),
        ("dns://dns:5353/a.b", Target("dns", "dns", 5353, "a.b", "A"), "dns:5353"),
    ],
)
def test_urls(url, target, host_header):
    assert Target.parse(url) == target
    assert target.host_header == host_header


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://web/", "the scheme must be http, https, tcp, udp or dns"),
        ("http://", "there is no host"),
        ("http://wéb/", "none in ASCII"),
        ("http://me:secret@web/", "a user in a URL is not sent; -H 'Authorization"),
        ("http://web:port/", "Port could not be cast"),
        ("http://web:99999/", "Port out of range"),
        ("tcp://web", "there is no port; write tcp://host:port"),
        ("udp://web:0", "there is no port"),
        ("tcp://web:7/path", "tcp has no path"),
        ("dns://dns", "there is no name to ask for"),
        ("dns://dns/web?class=IN", "'class' is no option"),
    ],
)
def test_what_is_no_url_is_refused(url, words):
    with pytest.raises(PlanError, match=words):
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
        {"headers": {"a b": "c"}},
        {"headers": {"a": "☃"}},
        {"rate": float("nan")},
        {"queue": -1},
        {"size": 7},
        {"size": 65_508},
        {"rate_end": 5},
        {"arrival": Arrival.RAMP},
        {"arrival": Arrival.RAMP, "rate": 0, "rate_end": 0},
        {"arrival": Arrival.RAMP, "rate": 1, "rate_end": -1},
        {"stages": (Stage(1, 1e9, 1e9, Arrival.CONSTANT),)},
        {"stages": (Stage(1, 0, 0, Arrival.CONSTANT),)},
        {"url": "tcp://web:7", "method": "POST"},
        {"url": "dns://web/a", "headers": {"a": "b"}},
    ],
)
def test_plans_have_bounds(change):
    with pytest.raises(PlanError):
        LoadPlan(**{"url": "http://web/", "rate": 1, "duration_s": 1, **change})


def test_stages_have_a_mean_and_a_sum():
    plan = LoadPlan(url="web", rate=1, duration_s=1, stages=parse_stages("10s 100\n10s 300 ramp"))
    assert (plan.total_s, plan.mean_rate, plan.arrival_name) == (20, 150, "stages")
    shape = plan.shape()
    assert (shape.rate, shape.duration_s, shape.protocol) == (150, 20, "http")
    assert [stage.rate_end for stage in shape.stages] == [100, 300]
