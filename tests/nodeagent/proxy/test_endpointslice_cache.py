"""Slices become endpoints: upstream's cases (endpointslicecache_test.go, TestUpdateEndpointsMap).

A slice is written `SERVICE/NUMBER PORT=NUMBER,… ADDRESS…`; behind an address may stand `-` (not
ready), `~` (terminating and serving) or `!` (neither). What is expected is written likewise.
"""

from __future__ import annotations

import random

import pytest

from nodeagent.proxy.endpointslice_cache import EndpointSliceCache

_CONDITIONS = {
    "-": {"ready": False, "serving": False, "terminating": False},
    "~": {"ready": False, "serving": True, "terminating": True},
    "!": {"ready": False, "serving": False, "terminating": True},
}


def _slice(text: str):
    name, ports, *addresses = text.split()
    service = name.partition("/")[0]
    numbered = [port.split("=") for port in ports.split(",") if port != "."]
    return {
        "metadata": {
            "name": name.replace("/", "-"),
            "namespace": "ns",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [
            {"name": n, "port": int(p) if p else None, "protocol": "UDP"} for n, p in numbered
        ],
        "endpoints": [
            {"addresses": [each.rstrip("-~!")], "conditions": _CONDITIONS.get(each[-1], {})}
            for each in addresses
        ],
    }


def _told(cache: EndpointSliceCache, service: str) -> dict[str, str]:
    """Return `ADDRESS:PORT` with its sign for each port of *service*."""
    found = {}
    for (port, _, _), endpoints in cache.endpoints(("ns", service)).items():
        words = []
        for each in endpoints:
            sign = "" if each.ready else "~" if each.serving else "!" if each.terminating else "-"
            words.append(f"{each.address}:{each.port}{sign}")
        found[port] = " ".join(words)
    return found


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        pytest.param(
            ["a/1 p=80,q=443 10.0.1.1 10.0.1.2"],
            {"p": "10.0.1.1:80 10.0.1.2:80", "q": "10.0.1.1:443 10.0.1.2:443"},
            id="1 slice, ports 80,443",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1 10.0.1.2", "a/2 p=80 10.0.2.1"],
            {"p": "10.0.1.1:80 10.0.1.2:80 10.0.2.1:80"},
            id="2 slices, same port",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1 10.0.1.2", "a/2 p=80 10.0.1.1 10.0.1.2 10.0.1.3"],
            {"p": "10.0.1.1:80 10.0.1.2:80 10.0.1.3:80"},
            id="2 overlapping slices, same port",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1 10.0.1.2- 10.0.1.3-", "a/2 p=80 10.0.1.1- 10.0.1.2 10.0.1.3-"],
            {"p": "10.0.1.1:80 10.0.1.2:80 10.0.1.3:80-"},
            id="some endpoints unready in 1 or both",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1~ 10.0.1.2- 10.0.1.3", "a/2 p=80 10.0.1.1~ 10.0.1.2- 10.0.1.3-"],
            {"p": "10.0.1.1:80~ 10.0.1.2:80- 10.0.1.3:80"},
            id="some unready and some terminating",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1-", "a/2 p=80 10.0.1.1-"],
            {"p": "10.0.1.1:80-"},
            id="all unready",
        ),
        pytest.param(
            ["a/1 p=80 10.0.1.1", "b/1 p=80 10.0.2.1"],
            {"p": "10.0.1.1:80"},
            id="slices of different services",
        ),
        pytest.param(["a/1 p= 10.0.1.1"], {}, id="nil port"),
        pytest.param(
            ["a/1 p=80 10.0.1.1", "a/2 p=8080 10.0.1.1"],
            {"p": "10.0.1.1:80 10.0.1.1:8080"},
            id="duplicate IPs with different ports",
        ),
        pytest.param(["a/1 ."], {}, id="nothing in it"),
    ],
)
def test_what_slices_say(slices, expected):
    for order in (slices, slices[::-1]):
        cache = EndpointSliceCache()
        for text in order:
            assert cache.update(_slice(text)) == ("ns", text.partition("/")[0])
        assert _told(cache, "a") == expected, "in whatever order they come"


HISTORIES = {
    "add an Endpoints": ([], ["a/1 p=11 10.1.1.1"]),
    "remove an Endpoints": (["a/1 p=11 10.1.1.1"], []),
    "add an IP and port": (["a/1 p=11 10.1.1.1"], ["a/1 p=11,q=12 10.1.1.1 10.1.1.2"]),
    "remove an IP and port": (["a/1 p=11,q=12 10.1.1.1 10.1.1.2"], ["a/1 p=11 10.1.1.1"]),
    "add a subset": (["a/1 p=11 10.1.1.1"], ["a/1 p=11 10.1.1.1", "a/2 q=12 10.1.1.2"]),
    "remove a subset": (["a/1 p=11 10.1.1.1", "a/2 q=12 10.1.1.2"], ["a/1 p=11 10.1.1.1"]),
    "rename a port": (["a/1 p=11 10.1.1.1"], ["a/1 r=11 10.1.1.1"]),
    "renumber a port": (["a/1 p=11 10.1.1.1"], ["a/1 p=22 10.1.1.1"]),
    "complex add and remove": (
        ["a/1 p=11 10.1.1.1", "b/1 p=22 10.2.2.2", "b/2 q=23 10.2.2.3",
         "d/1 p=44 10.4.4.4 10.4.4.5"],
        ["a/1 p=11 10.1.1.1 10.1.1.11", "a/2 q=12,r=122 10.1.1.2", "c/1 p=33 10.3.3.3",
         "d/1 p=44 10.4.4.4"],
    ),
    "from 0 endpoint addresses to 1": (["a/1 ."], ["a/1 p=11 10.1.1.1"]),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_ends_where_its_end_says(name):
    before, after = HISTORIES[name]
    cache, fresh = EndpointSliceCache(), EndpointSliceCache()
    for text in before:
        cache.update(_slice(text))
    steps = [(cache.update, text) for text in after]
    kept = {text.split()[0] for text in after}
    steps += [(cache.delete, text) for text in before if text.split()[0] not in kept]
    random.Random(name).shuffle(steps)
    for step, text in steps:
        step(_slice(text))
    for text in after:
        fresh.update(_slice(text))
    for service in "abcd":
        assert _told(cache, service) == _told(fresh, service)


def test_a_slice_that_was_never_told_may_be_deleted():
    cache = EndpointSliceCache()
    assert cache.delete(_slice("a/1 p=80 10.0.1.1")) == ("ns", "a")
    assert _told(cache, "a") == {}
