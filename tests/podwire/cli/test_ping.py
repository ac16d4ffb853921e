"""Whom `podwire ping` means, in which family."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podwire.cli import ping
from podwire.cluster.families import NETWORKS, IpFamily
from podwire.cluster.layout import Cluster, Layout


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: IpFamily, *words: str) -> Result:
    """Run `podwire ping`; a pod has an address of each family of its cluster."""
    monkeypatch.setenv("PODWIRE_HOME", str(tmp_path))
    layout = Layout.of("podwire")
    layout.make_directories()
    cluster = Cluster(name="podwire", block=1, nodes=2, **NETWORKS[family])
    layout.write_cluster(cluster)
    ips = {4: "10.244.1.5", 6: "fd00:10:244:1::5"}
    status = {"podIPs": [{"ip": ips[each]} for each in cluster.families]}

    def call(_paths: Layout, node: str, call: object) -> list[dict[str, object]]:
        return [{"sequence": 0, "rtt_s": 0.001}]

    monkeypatch.setattr(ping.netlink, "run", call)
    monkeypatch.setattr(ping, "find_pod", lambda _paths, _name: {"status": status})
    return CliRunner().invoke(ping.ping, words)


@pytest.mark.parametrize(
    ("family", "words", "address"),
    [
        ("ipv4", ["node-1", "node-2"], "192.168.64.2"),
        ("ipv6", ["node-1", "node-2"], "fd00:192:168:64::2"),
        ("dual", ["node-1", "node-2"], "192.168.64.2"),
        ("dual", ["-6", "node-1", "node-2"], "fd00:192:168:64::2"),
        ("dual", ["node-1", "web"], "10.244.1.5"),
        ("dual", ["-6", "node-1", "web"], "fd00:10:244:1::5"),
        ("ipv6", ["node-1", "web"], "fd00:10:244:1::5"),
        ("ipv4", ["-6", "node-1", "fd00::9"], "fd00::9"),
    ],
)
def test_a_name_stands_for_its_address_of_the_family(tmp_path, monkeypatch, family, words, address):
    result = asked(tmp_path, monkeypatch, family, *words)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"PING {address} from node-1\n64 bytes from {address}:")


def test_a_family_that_the_target_has_not_is_refused(tmp_path, monkeypatch):
    result = asked(tmp_path, monkeypatch, "ipv4", "-6", "node-1", "web")
    assert str(result.exception or result.output).startswith("web has no address of IPv6, only 10")
