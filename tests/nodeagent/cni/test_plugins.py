"""One table of calls, in order: our plugins in process and as programs give the same, and do it.

The programs run against a real datapath process, the ones in process against the nodeagent's
tables.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cni_node import Node, bridge, invocation, ipam
from loopback import PREFIX

from componentbase.rpc import Client
from kubeapi.objects import Object
from nodeagent.cni import programs
from nodeagent.cni.errors import CniError
from nodeagent.cni.execute import Executor

SUBNET, SUBNET6 = "10.244.1.0/29", "fd00:10:244:1::/64"
VALID = [{"containerID": "c", "ifname": "eth0"}]
PREVIOUS = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/pod"}],
    "ips": [{"address": "10.244.1.2/29", "interface": 0}],
}
BRIDGE, IPAM = "podwire-bridge", "podwire-ipam"
OK = 0

#: What is called, about whom, with what, and the error's number.
CALLS = [
    ("versions", BRIDGE, "VERSION", "", {"cniVersion": "1.0.0"}, OK),
    ("add", BRIDGE, "ADD", "a", bridge(SUBNET), OK),
    ("add of 0.4.0", BRIDGE, "ADD", "b", bridge(SUBNET, version="0.4.0"), OK),
    ("add of 1.0.0", BRIDGE, "ADD", "c", bridge(SUBNET, version="1.0.0"), OK),
    ("add twice", BRIDGE, "ADD", "a", bridge(SUBNET), 100),
    ("check", BRIDGE, "CHECK", "a", bridge(SUBNET, prevResult=PREVIOUS), OK),
    ("check without a result", BRIDGE, "CHECK", "a", bridge(SUBNET), 7),
    ("check of nobody", BRIDGE, "CHECK", "z", bridge(SUBNET, prevResult=PREVIOUS), 100),
    ("address of one's own", IPAM, "ADD", "d", ipam(SUBNET), OK),
    ("the fifth of five", IPAM, "ADD", "e", ipam(SUBNET), OK),
    ("the sixth of five", BRIDGE, "ADD", "f", bridge(SUBNET), 100),
    ("delete", BRIDGE, "DEL", "a", bridge(SUBNET), OK),
    ("delete again", BRIDGE, "DEL", "a", bridge(SUBNET), OK),
    ("both families", BRIDGE, "ADD", "g", bridge(SUBNET, SUBNET6), OK),
    ("a range too small", BRIDGE, "ADD", "h", bridge("10.0.0.0/31"), 7),
    ("no range", BRIDGE, "ADD", "h", bridge(), 7),
    ("ranges that overlap", BRIDGE, "ADD", "h", bridge(SUBNET, SUBNET), 7),
    ("an old version", BRIDGE, "ADD", "h", bridge(SUBNET, version="0.3.1"), 1),
    ("a version of nonsense", BRIDGE, "ADD", "h", bridge(SUBNET, version="one"), 1),
    ("status before 1.1.0", BRIDGE, "STATUS", "", bridge(SUBNET, version="1.0.0"), 1),
    ("status", BRIDGE, "STATUS", "", bridge(SUBNET), OK),
    ("a container's name", BRIDGE, "ADD", "../h", bridge(SUBNET), 4),
    ("a network's name", BRIDGE, "ADD", "h", {**bridge(SUBNET), "name": "a/b"}, 7),
    ("no network's name", BRIDGE, "ADD", "h", {**bridge(SUBNET), "name": ""}, 7),
    ("ipam of nobody", BRIDGE, "ADD", "h", {**bridge(SUBNET), "ipam": {"type": "no-such"}}, 999),
    ("gc without a list", BRIDGE, "GC", "", bridge(SUBNET), 7),
    ("gc", BRIDGE, "GC", "", bridge(SUBNET, **{"cni.dev/valid-attachments": VALID}), OK),
]


@pytest.fixture(scope="module")
def datapath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a node whose datapath runs."""
    directory = tmp_path_factory.mktemp("node")
    config = {
        "node_name": "node-1",
        "internal_ip": "192.168.64.1",
        "transport_map": {"192.168.64.0/24": f"{PREFIX}.88.0/24"},
        "host_address": "192.168.64.254",
        "directory": str(directory),
        "log_file": str(directory / "log"),
    }
    (directory / "config.json").write_text(json.dumps(config))
    words = [sys.executable, "-m", "nodeagent.datapath", str(directory / "config.json")]
    process = subprocess.Popen(words)
    try:
        deadline = time.monotonic() + 20
        while not (directory / "netlink.sock").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        yield directory
    finally:
        process.kill()
        process.wait()


class Program(Node):
    """A node whose plugins are called as programs."""

    def call(self, plugin, command, config, container="pod", **more):
        path = str(programs.install(self.directory))
        made = invocation(command, config, container, path, **more)
        return asyncio.run(Executor().call(plugin, made))

    def links(self):
        async def rows():
            client = await Client.connect(self.directory / "netlink.sock")
            try:
                return await client.call("link_list", {})
            finally:
                await client.close()

        found = [row for row in asyncio.run(rows()) if row["kind"] == "veth"]
        return {row["name"]: (row["address"], row["address6"]) for row in found}


def outcome(node: Node, call) -> tuple[int, object]:
    _, plugin, command, container, config, _ = call
    try:
        return 0, node.call(plugin, command, config, container)
    except CniError as error:
        directories = [str(node.directory / "cni" / "bin"), node.path]
        message = error.message
        for each in directories:
            message = message.replace(each, "CNI_PATH")
        return int(error.code), (message, error.details)


def state(node: Node) -> Object:
    return {"links": node.links(), "files": node.owners()}


def test_programs_and_calls_in_process_are_the_same(tmp_path, datapath):
    called, program = Node(tmp_path), Program(datapath)
    for call in CALLS:
        title, code = call[0], call[-1]
        answers = outcome(called, call), outcome(program, call)
        assert answers[0] == answers[1], title
        assert answers[0][0] == code, (title, answers[0])
        assert state(called) == state(program), title
    assert called.taken() == {"10.244.1.4": "c"}
    assert len(called.links()) == 3  # b, c and g: links are not GC's.


def test_a_program_says_what_it_lacks(datapath):
    program = programs.install(datapath) / BRIDGE
    done = subprocess.run([program], input=b"", capture_output=True, check=False, env={})
    assert (done.returncode, done.stderr) == (1, b"")
    said = json.loads(done.stdout)
    assert said["code"] == 4
    assert said["msg"] == "required env variables [CNI_COMMAND] missing"


def test_a_program_without_a_datapath_says_try_again(tmp_path):
    with pytest.raises(CniError, match="the datapath does not answer") as refused:
        Program(tmp_path).call(BRIDGE, "ADD", bridge(SUBNET))
    assert refused.value.code == 11
    assert Program(tmp_path).taken() == {}


def test_garbage_on_standard_input_is_a_decoding_failure(datapath):
    program = programs.install(datapath) / BRIDGE
    environment = {"CNI_COMMAND": "STATUS", "CNI_PATH": "/nowhere"}
    done = subprocess.run(
        [program], input=b"{]\xff", capture_output=True, check=False, env=environment
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == 6
