"""`podwire-ipam`: addresses given, refused and given back, with host-local's files and words."""

import fcntl
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cni_node import Node, ipam
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodeagent.cni import plugins as plugins_module
from nodeagent.cni.errors import CniError, Code

PLUGIN = "podwire-ipam"
SUBNET = "10.244.1.0/28"
SUBNET6 = "fd00:10:244:1::/64"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def add(node: Node, container: str, config, **more) -> list[str]:
    result = node.call(PLUGIN, "ADD", config, container, **more)
    return [each["address"] for each in result["ips"]]


def test_first_addresses_follow_the_gateway(node):
    result = node.call(PLUGIN, "ADD", ipam(SUBNET), "a")
    assert result == {
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.244.1.2/28", "gateway": "10.244.1.1"}],
        "dns": {},
    }
    assert add(node, "b", ipam(SUBNET)) == ["10.244.1.3/28"]


def test_files_are_host_locals(node):
    add(node, "a", ipam(SUBNET, SUBNET6))
    assert node.owners() == {
        "10.244.1.2": "a\r\neth0",
        "fd00:10:244:1::2": "a\r\neth0",
        "last_reserved_ip.0": "10.244.1.2",
        "last_reserved_ip.1": "fd00:10:244:1::2",
    }


def test_results_before_1_0_0_name_the_family(node):
    result = node.call(PLUGIN, "ADD", ipam(SUBNET, SUBNET6, version="0.4.0"), "a")
    assert [each["version"] for each in result["ips"]] == ["4", "6"]


def test_routes_are_passed_on(node):
    config = ipam(SUBNET)
    config["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}]
    assert node.call(PLUGIN, "ADD", config, "a")["routes"] == [{"dst": "0.0.0.0/0"}]


def test_full_ranges_say_so_in_upstreams_words(node):
    config = ipam("10.244.1.0/30")
    add(node, "a", config)
    with pytest.raises(CniError, match=r"no IP addresses available in range set: 10.244.1.1-"):
        add(node, "b", config)
    assert node.taken() == {"10.244.1.2": "a"}


def test_what_one_range_cannot_give_the_other_takes_back(node):
    config = ipam(SUBNET, "fd00::/126")
    add(node, "a", config)
    add(node, "b", config)
    with pytest.raises(CniError, match="failed to allocate for range 1"):
        add(node, "c", config)
    assert set(node.taken().values()) == {"a", "b"}


def test_released_address_is_reused_as_late_as_possible(node):
    add(node, "a", ipam(SUBNET))
    node.call(PLUGIN, "DEL", ipam(SUBNET), "a")
    assert add(node, "b", ipam(SUBNET)) == ["10.244.1.3/28"]
    for number in range(4, 15):
        assert add(node, f"c{number}", ipam(SUBNET)) == [f"10.244.1.{number}/28"]
    assert add(node, "d", ipam(SUBNET)) == ["10.244.1.2/28"]


def test_a_range_has_bounds_and_a_gateway_of_its_own(node):
    config = ipam()
    config["ipam"]["ranges"] = [
        [
            {
                "subnet": "10.0.0.0/24",
                "rangeStart": "10.0.0.9",
                "rangeEnd": "10.0.0.11",
                "gateway": "10.0.0.10",
            }
        ]
    ]
    result = node.call(PLUGIN, "ADD", config, "a")
    assert result["ips"] == [{"address": "10.0.0.9/24", "gateway": "10.0.0.10"}]
    assert add(node, "b", config) == ["10.0.0.11/24"]
    with pytest.raises(CniError, match="no IP addresses available"):
        add(node, "c", config)


def test_the_old_form_is_the_first_range(node):
    config = ipam(SUBNET6)
    config["ipam"]["subnet"] = SUBNET
    assert add(node, "a", config) == ["10.244.1.2/28", "fd00:10:244:1::2/64"]


@pytest.mark.parametrize("way", ["runtimeConfig", "args", "CNI_ARGS"])
def test_a_runtime_may_ask_for_an_address(node, way):
    config, more = ipam(SUBNET), {}
    if way == "runtimeConfig":
        config["runtimeConfig"] = {"ips": ["10.244.1.9"]}
    elif way == "args":
        config["args"] = {"cni": {"ips": ["10.244.1.9/28"]}}
    else:
        more["args"] = "IgnoreUnknown=1;IP=10.244.1.9"
    assert add(node, "a", config, **more) == ["10.244.1.9/28"]
    with pytest.raises(CniError, match=r"requested IP address 10.244.1.9 is not available"):
        add(node, "b", config, **more)
    assert node.taken() == {"10.244.1.9": "a"}


def test_addresses_of_no_range_cannot_be_asked_for(node):
    config = {**ipam(SUBNET), "runtimeConfig": {"ips": ["10.9.9.9"]}}
    with pytest.raises(CniError, match=r"failed to allocate all requested IPs: 10.9.9.9"):
        add(node, "a", config)
    assert node.taken() == {}


def test_add_twice_is_refused(node):
    add(node, "a", ipam(SUBNET))
    with pytest.raises(CniError, match="duplicate allocation is not allowed"):
        add(node, "a", ipam(SUBNET))
    assert node.taken() == {"10.244.1.2": "a"}


def test_check_finds_the_address_or_says_so(node):
    add(node, "a", ipam(SUBNET))
    node.call(PLUGIN, "CHECK", ipam(SUBNET), "a")
    with pytest.raises(CniError, match="Failed to find address added by container b"):
        node.call(PLUGIN, "CHECK", ipam(SUBNET), "b")


def test_del_is_idempotent(node):
    add(node, "a", ipam(SUBNET))
    for _ in range(2):
        node.call(PLUGIN, "DEL", ipam(SUBNET), "a")
    assert node.taken() == {}


def test_gc_keeps_the_valid_ones(node):
    for name in "abc":
        add(node, name, ipam(SUBNET))
    valid = [{"containerID": "b", "ifname": "eth0"}]
    node.call(PLUGIN, "GC", ipam(SUBNET, **{"cni.dev/valid-attachments": valid}))
    assert node.taken() == {"10.244.1.3": "b"}


def test_gc_without_a_list_takes_nothing(node):
    add(node, "a", ipam(SUBNET))
    with pytest.raises(CniError, match="valid-attachments is missing"):
        node.call(PLUGIN, "GC", ipam(SUBNET))
    assert node.taken() == {"10.244.1.2": "a"}


def test_torn_files_are_removed_and_foreign_ones_left(node):
    add(node, "a", ipam(SUBNET))
    directory = node.directory / "cni" / "networks" / "net"
    (directory / "10.244.1.3").touch()
    (directory / "notes.txt").write_text("mine")
    assert add(node, "b", ipam(SUBNET)) == ["10.244.1.3/28"]
    assert (directory / "notes.txt").exists()


def test_who_finds_the_store_locked_is_told_to_try_again(node, monkeypatch):
    add(node, "a", ipam(SUBNET))
    monkeypatch.setattr(plugins_module, "_PATIENCE_S", 0.02)
    with (node.directory / "cni/networks/net/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CniError) as refused:
            add(node, "b", ipam(SUBNET))
    assert refused.value.code == Code.TRY_AGAIN_LATER
    assert add(node, "b", ipam(SUBNET)) == ["10.244.1.3/28"]


def test_a_data_directory_of_ones_own(node, tmp_path):
    config = ipam(SUBNET)
    config["ipam"]["dataDir"] = str(tmp_path / "mine")
    add(node, "a", config)
    assert (tmp_path / "mine" / "net" / "10.244.1.2").read_bytes() == b"a\r\neth0"


def test_what_cannot_be_stored_is_an_io_failure(node, tmp_path):
    (tmp_path / "file").touch()
    config = ipam(SUBNET)
    config["ipam"]["dataDir"] = str(tmp_path / "file")
    with pytest.raises(CniError) as refused:
        add(node, "a", config)
    assert refused.value.code == Code.IO_FAILURE


class IpamMachine(RuleBasedStateMachine):
    """Against a plain dict; nothing is remembered but by the files."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.node = Node(Path(self.folder.name))
        self.model: dict[str, str] = {}

    @rule(owner=st.sampled_from("abcdefghijklmnop"))
    def add(self, owner):
        try:
            (text,) = add(self.node, owner, ipam(SUBNET))
        except CniError:
            assert owner in self.model or len(self.model) == 13
            return
        assert owner not in self.model
        self.model[owner] = text.partition("/")[0]

    @rule(owner=st.sampled_from("abcdefghijklmnop"))
    def delete(self, owner):
        self.node.call(PLUGIN, "DEL", ipam(SUBNET), owner)
        self.model.pop(owner, None)

    @rule(live=st.sets(st.sampled_from("abcdefghijklmnop")))
    def collect(self, live):
        valid = [{"containerID": each, "ifname": "eth0"} for each in sorted(live)]
        self.node.call(PLUGIN, "GC", ipam(SUBNET, **{"cni.dev/valid-attachments": valid}))
        self.model = {o: a for o, a in self.model.items() if o in live}

    @invariant()
    def agrees(self):
        assert self.node.taken() == {address: owner for owner, address in self.model.items()}
        assert "10.244.1.1" not in self.node.taken()

    def teardown(self):
        self.folder.cleanup()


TestIpamMachine = IpamMachine.TestCase
TestIpamMachine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
