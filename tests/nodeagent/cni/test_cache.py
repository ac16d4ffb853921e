"""Results on disk: what is found again after a kill at any moment."""

import base64
import json

import pytest

from nodeagent.cni.cache import Entry, ResultCache


def entry(container: str = "pod", **more) -> Entry:
    values = {
        "network": "net",
        "version": "1.1.0",
        "plugins": ({"type": "podwire-bridge", "mtu": 1450},),
        "disable_check": False,
        "container_id": container,
        "ifname": "eth0",
        "netns": "/run/netns/pod",
        "arguments": (("K8S_POD_NAME", "web"),),
        "capabilities": {"ips": ["10.0.0.9"]},
    }
    return Entry(**{**values, **more})


def test_an_attachment_is_found_again_before_and_after_its_add(tmp_path):
    cache = ResultCache(tmp_path)
    cache.put(entry())
    assert ResultCache(tmp_path).entries() == [entry()]
    made = entry().made({"cniVersion": "1.1.0", "ips": []})
    cache.put(made)
    assert ResultCache(tmp_path).get("pod") == made
    assert made.attached is not None
    cache.put(made.ending())
    assert ResultCache(tmp_path).get("pod") == made.ending()
    assert made.ending().attached is None
    cache.remove(made)
    assert ResultCache(tmp_path).entries() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("octets", [10, 100_000], ids=["one-page", "many-pages"])
def test_any_size_replaces_any_other(tmp_path, octets):
    cache = ResultCache(tmp_path)
    for text in ("x" * octets, "", "y" * octets, "z" * 5000):
        cache.put(entry().made({"padding": text}))
        assert ResultCache(tmp_path).get("pod").result == {"padding": text}
    assert [path.name for path in tmp_path.iterdir()] == ["net-pod-eth0"]


def test_a_pod_that_changes_its_network_has_one_entry(tmp_path):
    cache = ResultCache(tmp_path)
    cache.put(entry())
    cache.put(entry(network="other"))
    assert [path.name for path in tmp_path.iterdir()] == ["other-pod-eth0"]


def test_the_file_is_libcnis(tmp_path):
    ResultCache(tmp_path).put(entry().made({"cniVersion": "1.1.0"}))
    file = json.loads((tmp_path / "net-pod-eth0").read_text())
    assert file["kind"] == "cniCacheV1"
    assert (file["containerId"], file["ifName"], file["networkName"]) == ("pod", "eth0", "net")
    assert file["cniArgs"] == [["K8S_POD_NAME", "web"]]
    assert file["capabilityArgs"] == {"ips": ["10.0.0.9"]}
    config = json.loads(base64.b64decode(file["config"]))
    assert (config["name"], config["cniVersion"]) == ("net", "1.1.0")


@pytest.mark.parametrize("octets", [b"", b'{"kind":', b"\xff", b"[" * 100_000], ids=len)
def test_torn_entries_are_removed(tmp_path, octets):
    (tmp_path / "net-pod-eth0").write_bytes(octets)
    assert ResultCache(tmp_path).entries() == []
    assert list(tmp_path.iterdir()) == []


def test_drafts_are_removed_and_foreign_names_ignored(tmp_path):
    ResultCache(tmp_path).put(entry())
    octets = (tmp_path / "net-pod-eth0").read_bytes()
    (tmp_path / "net-pod-eth0.new").write_bytes(octets)
    (tmp_path / "else").write_bytes(octets)
    (tmp_path / "folder").mkdir()
    assert ResultCache(tmp_path).entries() == [entry()]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["else", "folder", "net-pod-eth0"]
