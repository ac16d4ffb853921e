import json

import pytest

from componentbase.process import load_config
from nodeagent.__main__ import main
from nodeagent.availability import Availability
from nodeagent.config import NodeAgentConfig, transport_address, underlay_prefix

MAP = {"192.168.64.0/24": "127.0.3.0/24"}


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("192.168.64.7", MAP, "127.0.3.7"),
        ("10.0.0.1", MAP, "10.0.0.1"),
        ("192.168.64.7", {}, "192.168.64.7"),
    ],
)
def test_transport_address(address, networks, expected):
    assert transport_address(address, networks) == expected


def test_underlay_prefix():
    assert underlay_prefix("192.168.64.7", {"192.168.0.0/16": "127.1.0.0/16"}) == 16
    assert underlay_prefix("192.168.64.7", {}) == 24


def test_unknown_field_is_refused_with_one_clear_line(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"node_name": "n", "colour": "red"}))
    with pytest.raises(SystemExit, match="unknown field `colour`"):
        load_config(NodeAgentConfig, path)


def test_usage(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_availability_has_patience_once_it_was_there():
    up = Availability(patience_s=5)
    assert not up.available(0)
    up.changed(False, 1)
    assert not up.available(1)
    up.changed(True, 2)
    assert up.available(100)
    up.changed(False, 100)
    up.changed(False, 103)
    assert up.available(104)
    assert not up.available(105)
    up.changed(True, 106)
    assert up.available(107)
