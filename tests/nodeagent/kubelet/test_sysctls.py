"""Which sysctls a node lets pods set."""

from __future__ import annotations

import pytest

from nodeagent.kubelet.admission import admit
from nodeagent.kubelet.sysctls import ALLOWED_UNSAFE_SYSCTLS, SAFE_SYSCTLS, sysctls_of
from podruntime.sandbox.sysctls import SYSCTLS


def pod(*names: str) -> dict:
    sysctls = [{"name": name, "value": "1"} for name in names]
    return {"spec": {"containers": [], "securityContext": {"sysctls": sysctls}}}


def test_pod_without_any_is_admitted():
    assert sysctls_of({"spec": {}}) == {}
    assert admit({"spec": {"securityContext": {}}}, "192.168.64.1") is None


@pytest.mark.parametrize("name", [*SAFE_SYSCTLS, *ALLOWED_UNSAFE_SYSCTLS])
def test_allowed(name):
    assert admit(pod(name), "192.168.64.1") is None
    assert admit(pod(name.replace(".", "/")), "192.168.64.1") is None
    assert sysctls_of(pod(name.replace(".", "/"))) == {name: "1"}


@pytest.mark.parametrize("name", ["net.core.somaxconn", "kernel.msgmax", "net.ipv4.tcp_fack"])
def test_others_are_forbidden(name):
    message = f'forbidden sysctl: "{name}" not allowlisted'
    assert admit(pod("net.ipv4.tcp_ecn", name), "192.168.64.1") == ("SysctlForbidden", message)


def test_slashes_and_dots_change_places_where_a_slash_comes_first():
    assert list(sysctls_of(pod("net/ipv4/conf/eth0.1/x"))) == ["net.ipv4.conf.eth0/1.x"]
    assert list(sysctls_of(pod("net.ipv4.conf.eth0/1.x"))) == ["net.ipv4.conf.eth0/1.x"]


def test_node_allows_just_what_the_runtime_has():
    assert sorted((*SAFE_SYSCTLS, *ALLOWED_UNSAFE_SYSCTLS)) == sorted(SYSCTLS)
