"""What hollow nodes are called and where they are."""

from __future__ import annotations

import msgspec
import pytest

from nodeagent.hollow.config import HollowConfig, hollow_name

FIELDS = {
    "kubeconfig": "k",
    "numbers": [1, 2],
    "directory": "d",
    "control_socket": "s",
    "log_file": "l",
    "cluster_cidr": "10.244.0.0/16",
    "service_cidr": "10.96.0.0/16",
    "cluster_dns": "10.96.0.10",
}


def test_addresses_follow_from_numbers_in_each_family():
    config = msgspec.convert(FIELDS, HollowConfig)
    assert config.node_addresses(1) == ("192.168.72.1",)
    assert config.node_addresses(1500) == ("192.168.77.220",)
    dual = msgspec.convert({**FIELDS, "cluster_cidr": "10.244.0.0/16,fd00::/56"}, HollowConfig)
    assert dual.node_addresses(258) == ("192.168.73.2", "fd00:192:168:72::102")
    assert hollow_name(7) == "hollow-7"


@pytest.mark.parametrize("numbers", [[0], [1501]])
def test_impossible_numbers_are_refused(numbers):
    with pytest.raises(msgspec.ValidationError, match="1 to 1500"):
        msgspec.convert({**FIELDS, "numbers": numbers}, HollowConfig)
