"""Configurations of networks: what is read, in which order, and what is refused."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.cni import conflist
from nodeagent.cni.errors import CniError, Code

PLUGIN = {"type": "podwire-bridge"}
CIDRS = [ip_network("10.244.1.0/24"), ip_network("fd00:10:244:1::/64")]


def parse(**document):
    return conflist.parse(json.dumps({"name": "net", "cniVersion": "1.0.0", **document}).encode())


def test_a_list_is_read():
    found = parse(plugins=[{**PLUGIN, "ipam": {"type": "host-local"}}, {"type": "two"}])
    assert (found.name, found.versions) == ("net", ("1.0.0",))
    assert found.types() == ["podwire-bridge", "two", "host-local"]
    assert (found.disable_check, found.disable_gc) == (False, False)


def test_a_single_plugin_is_a_list_of_one():
    found = parse(type="podwire-bridge", mtu=1400)
    assert [plugin["mtu"] for plugin in found.plugins] == [1400]


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_booleans_may_be_texts(value):
    found = parse(plugins=[PLUGIN], disableCheck=value, disableGC=value)
    assert (found.disable_check, found.disable_gc) == (True, True)


def test_versions_that_we_do_not_speak_are_left_out():
    versions = ["0.3.1", "1.1.0", "0.4.0", "7.0.0"]
    found = parse(plugins=[PLUGIN], cniVersion="1.0.0", cniVersions=versions)
    assert found.versions == ("1.1.0", "1.0.0", "0.4.0")


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"plugins": []}, "no plugins in list"),
        ({}, "0 plugin configs found"),
        ({"plugins": [PLUGIN], "name": ""}, "missing network name"),
        ({"plugins": [PLUGIN], "name": "../x"}, "invalid characters found in network name"),
        ({"plugins": [{}]}, "missing required field `type`"),
        ({"plugins": [{"type": ""}]}, "invalid plugin type ''"),
        ({"plugins": [{"type": "a/b"}]}, "invalid plugin type 'a/b'"),
        ({"plugins": ["x"]}, "Expected `object`"),
        ({"plugins": [PLUGIN], "disableGC": "maybe"}, "invalid value 'maybe' for disableGC"),
        ({"plugins": [PLUGIN], "cniVersion": "0.3.0"}, "incompatible CNI versions"),
        ({"plugins": [PLUGIN], "cniVersion": "latest"}, "invalid cniVersion 'latest'"),
        ({"plugins": [PLUGIN], "cniVersion": ""}, "incompatible CNI versions"),
        ({"loadOnlyInlinedPlugins": True}, "no 'plugins' key"),
        ({"plugins": [PLUGIN] * 65}, "65 plugin configs found"),
    ],
    ids=[
        "empty", "none", "no-name", "name", "no-type", "empty-type", "type", "text", "boolean",
        "old", "version", "no-version", "inlined", "many",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(document, text):
    with pytest.raises(CniError) as refused:
        parse(**document)
    assert text in str(refused.value)
    assert refused.value.code in (Code.INVALID_NETWORK_CONFIG, Code.INCOMPATIBLE_VERSION)


@given(st.binary(max_size=200))
def test_any_octets_are_a_list_or_an_error(octets):
    with pytest.raises(CniError):
        conflist.parse(octets)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = ("name", "cniVersion", "cniVersions", "plugins", "disableCheck", "type", "capabilities")


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_document_is_a_list_or_an_error(document):
    try:
        found = conflist.parse(json.dumps(document).encode())
    except CniError:
        return
    assert found.plugins
    assert found.versions


def write(directory: Path, file: str, **document) -> None:
    path = directory / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cniVersion": "1.0.0", **document}))


def test_the_first_file_in_order_of_names_counts(tmp_path):
    assert conflist.load(tmp_path / "nowhere") is None
    write(tmp_path, "20-b.conflist", name="b", plugins=[PLUGIN])
    write(tmp_path, "10-a.conf", name="a", **PLUGIN)
    (tmp_path / "00-readme.txt").write_text("not read")
    (tmp_path / "01-folder.conf").mkdir()
    assert conflist.load(tmp_path).name == "a"


def test_a_broken_file_is_not_skipped(tmp_path):
    write(tmp_path, "20-b.conflist", name="b", plugins=[PLUGIN])
    (tmp_path / "10-a.conflist").write_bytes(b"\xff\xfe")
    with pytest.raises(CniError, match=r"10-a\.conflist: failed to parse JSON"):
        conflist.load(tmp_path)


def test_a_file_without_end_is_refused(tmp_path):
    (tmp_path / "10-a.conflist").write_bytes(b" " * (2 << 20))
    with pytest.raises(CniError, match="more than 1048576 octets"):
        conflist.load(tmp_path)


@pytest.mark.parametrize(("alone", "types"), [(False, ["podwire-bridge", "x"]), (True, None)])
def test_plugins_of_the_networks_folder_come_behind(tmp_path, alone, types):
    write(tmp_path, "10-a.conflist", name="a", plugins=[PLUGIN], loadOnlyInlinedPlugins=alone)
    write(tmp_path, "a/10-x.conf", type="x")
    before = conflist.signature(tmp_path)
    assert conflist.load(tmp_path).types() == (types or ["podwire-bridge"])
    write(tmp_path, "a/20-y.conf", type="y")
    assert conflist.signature(tmp_path) != before


def test_the_users_file_comes_first_and_goes_with_the_wish(tmp_path):
    default = {"cniVersion": "1.0.0", "name": "flannel", "plugins": [PLUGIN]}
    template = (
        '{"cniVersion": "1.0.0", "name": "mine", "type": "x", "cidr": "{{.PodCIDR}}",'
        ' "ranges": {{.PodCIDRRanges}}, "dataDir": "{{.DataDir}}"}'
    )
    net_d = tmp_path / "cni" / "net.d"
    conflist.install(tmp_path, "flannel", default, template, CIDRS)
    (plugin,) = conflist.load(net_d).plugins
    assert plugin["cidr"] == "10.244.1.0/24"
    assert plugin["ranges"] == [[{"subnet": str(each)}] for each in CIDRS]
    assert plugin["dataDir"] == str(tmp_path / "cni" / "networks")
    conflist.install(tmp_path, "flannel", default, "", CIDRS)
    assert [path.name for path in net_d.iterdir()] == ["10-flannel.conflist"]


def test_a_template_is_judged_before_a_node_has_it():
    conflist.verify_template('{"cniVersion": "1.0.0", "name": "a", "type": "x"}')
    with pytest.raises(CniError, match=r"{{\.Nodes}} is not known; there are PodCIDR"):
        conflist.verify_template('{"cniVersion": "1.0.0", "name": "{{.Nodes}}", "type": "x"}')
    with pytest.raises(CniError, match="failed to parse JSON"):
        conflist.verify_template("not JSON")
