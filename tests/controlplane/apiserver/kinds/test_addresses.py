from __future__ import annotations

import pytest

from controlplane.apiserver.kinds.addresses import (
    validate_address,
    validate_backend_address,
    validate_cidr,
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10.1.2.3", None),
        ("2001:db8::1", None),
        ("10.1.2", "must be a valid IP address"),
        ("0.0.0.0", "unspecified"),
        ("127.0.1.1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.1", "multicast"),
    ],
)
def test_traffic_goes_to_hosts_only(text, word):
    causes = validate_backend_address(text, "ip")
    if word is None:
        assert causes == []
    else:
        assert len(causes) == 1
        assert word in causes[0].message


def test_networks_and_addresses_are_told_apart():
    assert validate_cidr("10.244.1.0/24", "x") == []
    assert validate_cidr("10.244.1.0/40", "x")[0].field == "x"
    assert validate_address("10.244.1.0/24", "x")[0].type == "FieldValueInvalid"
