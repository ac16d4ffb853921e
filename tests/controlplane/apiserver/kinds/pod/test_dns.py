"""Upstream's TestValidatePodDNSConfig as rows; nameservers stand in test_validation.py."""

from __future__ import annotations

import pytest

SPEC = {"containers": [{"name": "c", "image": "i:1"}]}
AT = "spec.dnsConfig"


@pytest.mark.parametrize(
    ("config", "begins"),
    [
        ({"searches": ["custom", "mydomain.com", "local.", "svc.cluster.local"]}, None),
        ({"options": [{"name": "ndots", "value": "5"}, {"name": "edns0"}]}, None),
        ({"searches": [f"s{n}" for n in range(33)]},
         f"{AT}.searches: Invalid value: ["),
        ({"searches": ["a" * 63 + "." + "b" * 63] * 20}, f"{AT}.searches: Invalid value: ["),
        ({"searches": ["my_domain"]},
         f'{AT}.searches[0]: Invalid value: "my_domain": a lowercase RFC 1123 subdomain'),
        ({"options": [{"value": "5"}]}, f"{AT}.options[0]: Required value: must not be empty"),
    ],
)  # fmt: skip
def test_searches_and_options(wrong, config, begins):
    found = wrong("Pod", {"spec": {**SPEC, "dnsConfig": config}})
    assert not found if begins is None else (len(found) == 1 and found[0].startswith(begins))
