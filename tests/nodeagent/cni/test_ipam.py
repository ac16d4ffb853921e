from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nodeagent.cni.ipam import HostLocal, NoAddressesAvailable

SUBNET = IPv4Network("10.244.1.0/28")


def test_first_addresses_follow_the_gateway(tmp_path):
    ipam = HostLocal(tmp_path, SUBNET)
    assert str(ipam.gateway) == "10.244.1.1"
    assert [str(ipam.allocate(owner)) for owner in "ab"] == ["10.244.1.2", "10.244.1.3"]
    assert str(ipam.allocate("a")) == "10.244.1.2"


def test_full_subnet_says_so_in_upstreams_words(tmp_path):
    ipam = HostLocal(tmp_path, IPv4Network("10.244.1.0/30"))
    ipam.allocate("a")
    with pytest.raises(NoAddressesAvailable, match="no IP addresses available in range set"):
        ipam.allocate("b")


def test_released_address_is_reused_as_late_as_possible(tmp_path):
    ipam = HostLocal(tmp_path, SUBNET)
    ipam.allocate("a")
    ipam.release("a")
    assert str(ipam.allocate("b")) == "10.244.1.3"
    again = HostLocal(tmp_path, SUBNET)
    again.release("b")
    assert str(again.allocate("c")) == "10.244.1.4"


def test_torn_and_foreign_files_are_removed(tmp_path):
    (tmp_path / "10.244.1.5").write_text("")
    (tmp_path / "10.9.9.9").write_text("x")
    ipam = HostLocal(tmp_path, SUBNET)
    assert dict(ipam.owners) == {}
    assert list(tmp_path.iterdir()) == []


def test_reserve_gives_what_is_in_use_and_nothing_else(tmp_path):
    ipam = HostLocal(tmp_path, SUBNET)
    assert ipam.reserve("a", IPv4Address("10.244.1.9"))
    assert ipam.reserve("a", IPv4Address("10.244.1.9"))
    assert not ipam.reserve("b", IPv4Address("10.244.1.9"))
    assert not ipam.reserve("a", IPv4Address("10.244.1.10"))
    assert not ipam.reserve("c", IPv4Address("10.9.9.9"))


def test_collect_releases_who_is_gone(tmp_path):
    ipam = HostLocal(tmp_path, SUBNET)
    for owner in "abc":
        ipam.allocate(owner)
    assert ipam.collect(["b"]) == ["a", "c"]
    assert list(ipam.owners) == ["b"]


class IpamMachine(RuleBasedStateMachine):
    """Against a plain dict; the process may die between any two steps."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.ipam = HostLocal(Path(self.folder.name), SUBNET)
        self.model: dict[str, IPv4Address] = {}

    @rule(owner=st.sampled_from("abcdefghijklmnop"))
    def allocate(self, owner):
        try:
            address = self.ipam.allocate(owner)
        except NoAddressesAvailable:
            assert len(self.model) == SUBNET.num_addresses - 3
            return
        assert self.model.get(owner, address) == address
        self.model[owner] = address

    @rule(owner=st.sampled_from("abcdefghijklmnop"))
    def release(self, owner):
        assert self.ipam.release(owner) == self.model.pop(owner, None)

    @rule(live=st.sets(st.sampled_from("abcdefghijklmnop")))
    def collect(self, live):
        self.ipam.collect(sorted(live))
        self.model = {o: a for o, a in self.model.items() if o in live}

    @rule()
    def die_and_come_back(self):
        self.ipam = HostLocal(Path(self.folder.name), SUBNET)

    @invariant()
    def agrees(self):
        assert dict(self.ipam.owners) == self.model
        assert len({*self.model.values()}) == len(self.model)
        usable = {*SUBNET.hosts()} - {SUBNET[1]}
        assert usable.issuperset(self.model.values())

    def teardown(self):
        self.folder.cleanup()


TestIpamMachine = IpamMachine.TestCase
TestIpamMachine.settings = settings(max_examples=30, stateful_step_count=30)
