"""A network of several plugins: what each is told, in which order, and what becomes of failures."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from kubeapi.objects import Object
from nodeagent.cni import conflist
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import CniError, Code
from nodeagent.cni.network import CniNetwork
from nodeagent.cni.result import interface_name
from nodeagent.tables import Tables

pytestmark = pytest.mark.asyncio

CIDRS = (ip_network("10.244.1.0/29"), ip_network("fd00:10:244:1::/64"))
OURS = {
    "type": "podwire-bridge",
    "capabilities": {"ips": True},
    "ipam": {"type": "podwire-ipam", "ranges": [[{"subnet": str(CIDRS[0])}]]},
}
#: Notes how it was called; says what lies beside it: COMMAND.json, or COMMAND.error and status 1.
SCRIPT = """#!/bin/sh
(printf '%s %s ' "$(basename $0)" "$CNI_COMMAND"; cat; echo) >> "$(dirname $0)/calls"
if [ -e "$0.$CNI_COMMAND.error" ]; then cat "$0.$CNI_COMMAND.error"; exit 1; fi
if [ -e "$0.$CNI_COMMAND.json" ]; then cat "$0.$CNI_COMMAND.json"; fi
"""


class Site:
    """A node with a network and programs of its own."""

    def __init__(self, directory: Path) -> None:
        self.node, self.bin = directory / "node", directory / "bin"
        self.bin.mkdir()
        self.tables = Tables()
        self.configure(OURS)
        self.network = self.restarted()

    def restarted(self) -> CniNetwork:
        self.tables = Tables()
        self.network = CniNetwork(self.node, self.tables, mtu=1450, path=str(self.bin))
        return self.network

    async def begin(self, *live: str) -> CniNetwork:
        await self.network.take_over([])
        assert await self.network.collect(live)
        return self.network

    def configure(self, *plugins: Object, **more: object) -> None:
        document = {"cniVersion": "1.1.0", "name": "net", "plugins": list(plugins), **more}
        conflist.install(self.node, "flannel", document, "", CIDRS)

    def program(self, name: str, **said: Object) -> Object:
        """Install a program; *said* is what it prints by command."""
        (self.bin / name).write_text(SCRIPT)
        (self.bin / name).chmod(0o755)
        for command, document in said.items():
            (self.bin / f"{name}.{command}.json").write_text(json.dumps(document))
        return {"type": name}

    def fails(self, name: str, command: str, code: int = 100) -> None:
        error = {"code": code, "msg": f"{name} does not like it"}
        (self.bin / f"{name}.{command}.error").write_text(json.dumps(error))

    def mends(self, name: str, command: str) -> None:
        (self.bin / f"{name}.{command}.error").unlink()

    def calls(self) -> list[tuple[str, str, Object]]:
        """Return who was called with what, and forget it."""
        notes = self.bin / "calls"
        lines = notes.read_text().splitlines() if notes.exists() else []
        notes.unlink(missing_ok=True)
        return [(a, b, json.loads(c)) for a, b, c in (line.split(" ", 2) for line in lines)]

    def taken(self) -> dict[str, str]:
        directory = self.node / "cni" / "networks" / "net"
        files = [each for each in directory.glob("*") if each.name[0].isdigit()]
        return {each.name: each.read_text().splitlines()[0] for each in files}

    def links(self) -> list[str]:
        return [str(name) for (name,) in self.tables.wanted("link")]

    def results(self) -> list[str]:
        return sorted(each.name for each in (self.node / "cni" / "results").iterdir())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def wanted(uid: str = "uid", **capabilities: object) -> Wanted:
    return Wanted(container_id=uid, namespace="shop", name="web", capabilities=capabilities)


def made(*addresses: str, netns: Path | str, **more: object) -> Object:
    """Return a result that some other plugin might give."""
    inside = {"name": "eth0", "sandbox": str(netns)}
    ips = [{"address": each, "interface": 0} for each in addresses]
    return {"cniVersion": "1.1.0", "interfaces": [inside], "ips": ips, **more}


async def test_add_and_delete_leave_nothing(site):
    network = await site.begin()
    attachment = await network.add(wanted())
    assert str(attachment.addresses[0]) == "10.244.1.2/29"
    assert attachment.network("/v")["gateway"] == "10.244.1.1"
    assert site.links() == [interface_name("uid")]
    assert site.results() == ["net-uid-eth0"]
    assert await network.add(wanted()) == attachment
    await network.check("uid")
    for _ in range(2):
        await network.delete("uid")
    assert (site.taken(), site.links(), site.results()) == ({}, [], [])
    with pytest.raises(CniError) as unknown:
        await network.check("uid")
    assert unknown.value.code == Code.UNKNOWN_CONTAINER


async def test_both_families(site):
    ranges = [[{"subnet": str(each)}] for each in CIDRS]
    site.configure({**OURS, "ipam": {"type": "podwire-ipam", "ranges": ranges}})
    network = await site.begin()
    told = (await network.add(wanted())).network("/v")
    assert (told["address"], told["address6"]) == ("10.244.1.2/29", "fd00:10:244:1::2/64")
    assert (told["gateway"], told["gateway6"]) == ("10.244.1.1", "fd00:10:244:1::1")


async def test_a_restart_wants_the_same_links_again(site):
    network = await site.begin()
    await network.add(wanted())
    before = dict(site.tables.wanted("link"))
    site.restarted()
    assert dict(site.tables.wanted("link")) == before
    network = await site.begin("uid")
    assert str((await network.add(wanted())).addresses[0]) == "10.244.1.2/29"


async def test_a_result_without_sense_is_made_anew(site):
    network = await site.begin()
    await network.add(wanted())
    (file,) = (site.node / "cni" / "results").iterdir()
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "result": {"ips": [{"address": "nonsense"}]}}))
    site.restarted()
    network = await site.begin("uid")
    assert str((await network.add(wanted())).addresses[0]) == "10.244.1.3/29"
    assert list(site.taken().values()) == ["uid"]


async def test_each_plugin_is_told_what_it_declares_and_the_result_before_it(site):
    netns = site.node / "cni" / "netns" / "uid"
    second = made("10.9.0.5/24", netns=netns)
    one = {**site.program("one", ADD=made("10.9.0.4/24", netns=netns)), "color": "red"}
    two = {**site.program("two", ADD=second), "capabilities": {"portMappings": True, "x": False}}
    site.configure({**one, "capabilities": {"bandwidth": True}, "prevResult": "forged"}, two)
    network = await site.begin()
    site.calls()
    ports = [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp", "hostIP": ""}]
    attachment = await network.add(wanted(portMappings=ports, x=1))
    assert str(attachment.addresses[0]) == "10.9.0.5/24"
    first_call, second_call = site.calls()
    assert first_call == ("one", "ADD", {"cniVersion": "1.1.0", "name": "net", **one})
    assert second_call[2] == {
        "cniVersion": "1.1.0",
        "name": "net",
        "type": "two",
        "runtimeConfig": {"portMappings": ports},
        "prevResult": made("10.9.0.4/24", netns=netns),
    }
    await network.check("uid")
    await network.delete("uid")
    assert [call[:2] for call in site.calls()] == [
        ("one", "CHECK"), ("two", "CHECK"), ("two", "DEL"), ("one", "DEL"),
    ]  # fmt: skip


async def test_check_and_delete_are_told_the_last_result_and_the_old_configuration(site):
    netns = site.node / "cni" / "netns" / "uid"
    one = site.program("one", ADD=made("10.9.0.4/24", netns=netns))
    site.configure({**one, "color": "red"})
    network = await site.begin()
    await network.add(wanted())
    site.configure({**one, "color": "blue"}, name="another")
    site.restarted()
    network = await site.begin("uid")
    site.calls()
    await network.delete("uid")
    ((_, _, told),) = site.calls()
    assert (told["color"], told["name"]) == ("red", "net")
    assert told["prevResult"] == made("10.9.0.4/24", netns=netns)


async def test_disabled_checks_are_not_made(site):
    netns = site.node / "cni" / "netns" / "uid"
    site.configure(site.program("one", ADD=made("10.9.0.4/24", netns=netns)), disableCheck=True)
    network = await site.begin()
    await network.add(wanted())
    site.calls()
    await network.check("uid")
    assert site.calls() == []


async def test_a_failing_plugin_gives_everything_back(site):
    site.configure(OURS, site.program("two"))
    site.fails("two", "ADD")
    network = await site.begin()
    with pytest.raises(CniError) as failed:
        await network.add(wanted())
    assert str(failed.value) == 'plugin type="two" failed (add): two does not like it'
    assert (site.taken(), site.links(), site.results()) == ({}, [], [])


async def test_what_cannot_be_given_back_is_tried_again(site):
    site.configure(OURS, site.program("two"))
    site.fails("two", "ADD")
    site.fails("two", "DEL")
    network = await site.begin()
    with pytest.raises(CniError, match="add"):
        await network.add(wanted())
    assert site.taken() == {}
    assert site.results() == ["net-uid-eth0"]
    with pytest.raises(CniError, match=r"failed \(delete\)"):
        await network.delete("uid")
    site.mends("two", "DEL")
    await network.delete("uid")
    assert site.results() == []


async def test_a_failing_delete_is_repeated_with_its_result(site):
    netns = site.node / "cni" / "netns" / "uid"
    site.configure(site.program("one", ADD=made("10.9.0.4/24", netns=netns)))
    network = await site.begin()
    await network.add(wanted())
    site.fails("one", "DEL")
    with pytest.raises(CniError, match="one does not like it"):
        await network.delete("uid")
    assert site.links() == [interface_name("uid")]
    site.mends("one", "DEL")
    site.calls()
    await network.delete("uid")
    assert "prevResult" in site.calls()[0][2]
    assert (site.links(), site.results()) == ([], [])


async def test_a_container_that_the_plugin_does_not_know_is_gone(site):
    netns = site.node / "cni" / "netns" / "uid"
    site.configure(site.program("one", ADD=made("10.9.0.4/24", netns=netns)))
    network = await site.begin()
    await network.add(wanted())
    site.fails("one", "DEL", Code.UNKNOWN_CONTAINER)
    await network.delete("uid")
    assert site.results() == []


async def test_a_missing_plugin_is_named_and_keeps_nothing(site):
    site.configure(OURS, {"type": "no-such"})
    network = await site.begin()
    with pytest.raises(CniError) as failed:
        await network.add(wanted())
    path = f"{site.node}/cni/bin {site.bin}"
    assert str(failed.value) == (
        f'plugin type="no-such" failed (add): failed to find plugin "no-such" in path [{path}]'
    )
    assert (site.taken(), site.results()) == ({}, [])


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({}, "has 0 interfaces in"),
        ({"cniVersion": "2.0.0"}, "unsupported CNI result version '2.0.0'"),
        ({"ips": [{"address": "10.0.0.300/24"}]}, "invalid result: '10.0.0.300/24'"),
        ({"ips": "none"}, "invalid result"),
        ({"interfaces": [{"name": "eth0", "sandbox": "NETNS"}]}, "0 addresses"),
        (
            {
                "interfaces": [{"name": "eth0", "sandbox": "NETNS", "mac": "beef"}],
                "ips": [{"address": "10.0.0.3/24"}],
            },
            "invalid MAC address",
        ),
    ],
    ids=["empty", "version", "address", "type", "no-address", "mac"],
)
async def test_results_without_sense_are_refused_and_given_back(site, result, text):
    netns = str(site.node / "cni" / "netns" / "uid")
    said = json.loads(json.dumps(result).replace("NETNS", netns))
    site.configure(site.program("one", ADD=said))
    network = await site.begin()
    with pytest.raises(CniError, match=text):
        await network.add(wanted())
    assert [call[1] for call in site.calls()] == ["GC", "ADD", "DEL"]
    assert site.results() == []


async def test_who_cannot_be_noted_is_not_attached(site):
    network = await site.begin()
    (site.node / "cni" / "results" / "net-uid-eth0").mkdir()
    with pytest.raises(CniError, match="cannot note the attachment") as failed:
        await network.add(wanted())
    assert failed.value.code == Code.IO_FAILURE
    assert site.taken() == {}


async def test_no_result_is_an_error(site):
    site.configure(site.program("one"))
    network = await site.begin()
    with pytest.raises(CniError, match="it returned no result"):
        await network.add(wanted())


async def test_an_add_that_was_killed_is_taken_back(site):
    network = await site.begin()
    await network.add(wanted("killed"))
    (file,) = (site.node / "cni" / "results").iterdir()
    document = json.loads(file.read_text())
    del document["result"]
    file.write_text(json.dumps(document))  # As it is while ADD works.
    site.restarted()
    network = await site.begin()
    assert (site.taken(), site.links(), site.results()) == ({}, [], [])
    assert str((await network.add(wanted())).addresses[0]) == "10.244.1.3/29"


async def test_a_delete_that_was_killed_is_ended_before_the_next_add(site):
    netns = site.node / "cni" / "netns" / "uid"
    site.configure(site.program("one", ADD=made("10.9.0.4/24", netns=netns)))
    network = await site.begin()
    await network.add(wanted())
    (file,) = (site.node / "cni" / "results").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "isEnding": True}))
    site.restarted()
    assert site.links() == []
    network = await site.begin("uid")  # It lives on: its sandbox is made anew.
    site.calls()
    await network.add(wanted())
    assert [call[1] for call in site.calls()] == ["DEL", "ADD"]
    assert site.links() == [interface_name("uid")]


async def test_who_is_gone_gets_del_before_gc_is_told_the_others(site):
    netns = site.node / "cni" / "netns"
    program = site.program("one", ADD=made("10.9.0.4/24", netns=netns / "a"))
    site.configure(program)
    network = await site.begin()
    await network.add(wanted("a"))
    (site.bin / "one.ADD.json").write_text(json.dumps(made("10.9.0.5/24", netns=netns / "b")))
    await network.add(wanted("b"))
    site.restarted()
    site.calls()
    await site.begin("b")
    gone, collected = site.calls()
    assert gone[:2] == ("one", "DEL")
    assert collected[:2] == ("one", "GC")
    assert collected[2]["cni.dev/valid-attachments"] == [{"containerID": "b", "ifname": "eth0"}]
    assert site.links() == [interface_name("b")]


async def test_what_gc_cannot_take_back_now_is_left_for_later(site):
    netns = site.node / "cni" / "netns" / "uid"
    site.configure(site.program("one", ADD=made("10.9.0.4/24", netns=netns)))
    network = await site.begin()
    await network.add(wanted())
    site.fails("one", "DEL")
    assert not await network.collect([])
    site.mends("one", "DEL")
    assert await network.collect([])
    assert site.results() == []


async def test_addresses_of_nobody_are_collected_unless_that_is_disabled(site):
    directory = site.node / "cni" / "networks" / "net"
    directory.mkdir(parents=True)
    (directory / "10.244.1.5").write_bytes(b"ghost\r\neth0")
    site.configure(OURS, disableGC=True)
    await site.begin()
    assert site.taken() == {"10.244.1.5": "ghost"}
    site.configure(OURS)
    site.restarted()
    await site.begin()
    assert site.taken() == {}


async def test_a_running_pod_whose_files_were_lost_keeps_its_addresses(site):
    running = [(wanted(), [ip_address("10.244.1.5")])]
    await site.network.take_over(running)
    assert site.taken() == {"10.244.1.5": "uid"}
    assert site.links() == [interface_name("uid")]
    assert await site.network.collect(["uid"])
    assert site.taken() == {"10.244.1.5": "uid"}


async def test_nobody_is_attached_before_it_is_known_who_runs(site, monkeypatch):
    monkeypatch.setattr("nodeagent.cni.network._START_WAIT_S", 0.01)
    with pytest.raises(CniError) as early:
        await site.network.add(wanted())
    assert early.value.code == Code.TRY_AGAIN_LATER


async def test_status_says_what_a_plugin_says(site):
    site.configure(OURS, site.program("two"))
    network = await site.begin()
    assert await network.look() == ""
    site.fails("two", "STATUS", Code.PLUGIN_NOT_AVAILABLE)
    assert await network.look() == network.error == "two does not like it"
    site.mends("two", "STATUS")
    assert await network.look() == ""


async def test_networks_before_1_1_0_have_neither_status_nor_gc(site):
    site.configure(site.program("one"), cniVersion="1.0.0")
    network = await site.begin()
    assert await network.look() == ""
    assert site.calls() == []


async def test_a_configuration_is_followed_as_it_changes(site):
    network = await site.begin()
    assert await network.look() == ""
    broken = network.configurations / "05-mine.conflist"
    broken.write_text("{")
    said = await network.look()
    assert said.startswith(f"cni plugin not initialized: failed to load cni config: {broken}: ")
    with pytest.raises(CniError, match="cni plugin not initialized"):
        await network.add(wanted())
    broken.unlink()
    assert await network.look() == ""
    for path in network.configurations.iterdir():
        path.unlink()
    assert await network.look() == "cni plugin not initialized"


@pytest.mark.parametrize(
    ("supported", "chosen"),
    [(["0.4.0", "1.0.0"], "1.0.0"), (["0.4.0", "1.0.0", "1.1.0"], "1.1.0"), (["0.3.1"], "1.1.0")],
    ids=["older", "newest", "none"],
)
async def test_the_newest_version_that_all_speak_is_spoken(site, supported, chosen):
    answer = {"cniVersion": "1.1.0", "supportedVersions": supported}
    netns = site.node / "cni" / "netns" / "uid"
    program = site.program("two", VERSION=answer, ADD=made("10.9.0.4/24", netns=netns))
    site.configure(OURS, program, cniVersions=["0.4.0", "1.0.0", "1.1.0"])
    network = await site.begin()
    site.calls()
    await network.add(wanted())
    assert site.calls()[0][2]["cniVersion"] == chosen


async def test_a_plugin_that_comes_later_is_asked_then(site):
    site.configure(OURS, {"type": "two"}, cniVersions=["0.4.0", "1.0.0"])
    network = await site.begin()
    with pytest.raises(CniError, match="failed to find plugin"):
        await network.add(wanted())
    answer = {"cniVersion": "1.1.0", "supportedVersions": ["0.4.0"]}
    netns = site.node / "cni" / "netns" / "uid"
    site.program("two", VERSION=answer, ADD=made("10.9.0.4/24", netns=netns))
    await network.add(wanted())
    assert [call[2].get("cniVersion") for call in site.calls() if call[1] == "ADD"] == ["0.4.0"]
