"""Annotations are read one by one; a wrong one hurts no other."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ingresscontroller.policy import PREFIX, Affinity, Canary, Policy, read_policy


def read(**annotations: str):
    return read_policy({PREFIX + key.replace("_", "-"): each for key, each in annotations.items()})


@pytest.mark.parametrize(
    ("annotations", "field", "value"),
    [
        ({"whitelist_source_range": "10.0.0.0/24,172.10.0.1"}, "allow",
         (ip_network("10.0.0.0/24"), ip_network("172.10.0.1"))),
        ({"denylist_source_range": "fd00::/8"}, "deny", (ip_network("fd00::/8"),)),
        ({"proxy_body_size": "8m"}, "body_octets_max", 8 * 1024**2),
        ({"proxy_body_size": "0"}, "body_octets_max", 0),
        ({"proxy_body_size": "64K"}, "body_octets_max", 65536),
        ({"proxy_read_timeout": "120"}, "read_timeout_s", 120),
        ({"proxy_connect_timeout": "1"}, "connect_timeout_s", 1),
        ({"proxy_send_timeout": "2"}, "send_timeout_s", 2),
        ({"proxy_next_upstream_tries": "0"}, "tries_max", 0),
        ({"ssl_redirect": "False"}, "ssl_redirect", False),
        ({"use_regex": "true"}, "is_regex", True),
        ({"rewrite_target": "/$1"}, "is_regex", True),
        ({"backend_protocol": "https"}, "tls_to_backend", True),
        ({"permanent_redirect": "https://x/"}, "redirect_code", 301),
        ({"temporal_redirect": "https://x/"}, "redirect_code", 302),
        ({"permanent_redirect": "/", "permanent_redirect_code": "308"}, "redirect_code", 308),
        ({"affinity": "cookie", "session_cookie_name": "route"}, "affinity",
         Affinity(name="route")),
        ({"canary": "true", "canary_weight": "30"}, "canary", Canary(weight=30)),
        ({"canary_weight": "30"}, "canary", None),
    ],
)  # fmt: skip
def test_an_annotation_means_what_upstreams_does(annotations, field, value):
    policy, wrong = read(**annotations)
    assert getattr(policy, field) == value
    assert not wrong


@pytest.mark.parametrize(
    "annotations",
    [
        {"whitelist_source_range": "10.0.0.0/33"},
        {"proxy_body_size": "many"},
        {"proxy_read_timeout": "-1"},
        {"proxy_read_timeout": "60s"},
        {"ssl_redirect": "yes"},
        {"rewrite_target": "/a b"},
        {"rewrite_target": "/\r\nSet-Cookie: x"},
        {"permanent_redirect": "javascript:alert(1)"},
        {"permanent_redirect": "https://x/\r\nX: y"},
        {"permanent_redirect_code": "200"},
        {"app_root": "relative"},
        {"upstream_vhost": "a\r\nb"},
        {"backend_protocol": "GRPC"},
    ],
)
def test_what_makes_no_sense_is_told_and_left(annotations):
    policy, wrong = read(**annotations, proxy_send_timeout="7")
    assert policy == Policy(send_timeout_s=7)
    assert len(wrong) == 1
    (name,) = annotations
    assert name.replace("_", "-") in wrong[0]
