"""The fabric as a process: its control socket, its health checks over TLS, its end by SIGKILL."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import yaml

from componentbase import rpc
from componentbase.journal import read
from kubeapi.client import RestClient
from podwire.cluster import pki
from podwire.cluster.pki import Authority, Identity
from podwire.fabric import health
from podwire.fabric.config import Topology

pytestmark = pytest.mark.asyncio


class ApiServer:
    """Answers with who asked, over TLS; health checks with the status that *health* has."""

    def __init__(self, host, context: ssl.SSLContext) -> None:
        self._host, self._context = host, context
        self.health: dict[bytes, str] = {}
        self.answers, self.open = asyncio.Event(), []
        self.answers.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host.near, 6443, ssl=self._context
        )

    async def stop(self) -> None:
        self._server.close()
        for writer in self.open:
            writer.transport.abort()

    async def _serve(self, reader, writer) -> None:
        self.open.append(writer)
        while head := await _head(reader):
            user = dict(part[0] for part in writer.get_extra_info("peercert")["subject"])
            await self.answers.wait()
            status = next((s for path, s in self.health.items() if path in head), "200 OK")
            body = json.dumps({"server": self._host.name, "user": user["commonName"]})
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
        writer.transport.abort()


async def _head(reader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return b""


class Process:
    """A running fabric and what it stands on."""

    def __init__(self, network, folder: Path) -> None:
        self.network, self.folder = network, folder
        authority = Authority.new("test-ca", pki.utc_now())
        (folder / "ca.crt").write_bytes(authority.pair.certificate)
        self._issue(authority, "server", pki.apiserver_identity(["127.0.0.1", network.endpoint[0]]))
        self._issue(authority, "fabric", Identity(user="fabric", groups=("system:masters",)))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.servers = {
            name: ApiServer(host, context)
            for name, host in network.hosts.items()
            if name.startswith("control-plane")
        }
        self._config = {
            "control_socket": str(folder / "fabric.sock"),
            "certificate": str(folder / "fabric.crt"),
            "private_key": str(folder / "fabric.key"),
            "ca": str(folder / "ca.crt"),
            "log_file": str(folder / "fabric.log"),
            "journal": str(folder / "journal" / "fabric.jsonl"),
            **msgspec.to_builtins(network.topology),
        }

    def _issue(self, authority: Authority, name: str, identity: Identity) -> None:
        pair = authority.issue(identity, pki.utc_now())
        pki.write_pair(pair, self.folder / f"{name}.crt", self.folder / f"{name}.key")

    async def start(self, **changes) -> None:
        path = self.folder / "config.json"
        path.write_text(json.dumps(self._config | changes))
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "podwire.fabric", str(path), stderr=asyncio.subprocess.PIPE
        )

    async def connect(self) -> None:
        self.control = await rpc.connect_retrying(self.folder / "fabric.sock", timeout_s=20)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    async def status(self) -> dict:
        return await self.control.call("status")

    async def live(self, *masters: int) -> None:
        """Wait until exactly these API servers are live."""
        async with asyncio.timeout(10):
            while True:
                balancer, _near = (await self.status())["balancers"]
                found = [int(each["host"][-1]) for each in balancer["targets"] if each["live"]]
                asked = all(each["live"] or each["error"] for each in balancer["targets"])
                if asked and found == list(masters):
                    return
                await asyncio.sleep(0.05)

    async def errors(self) -> dict[str, str]:
        balancer, _near = (await self.status())["balancers"]
        return {each["host"]: each["error"] for each in balancer["targets"]}

    def client(self, source: str) -> RestClient:
        """Return a client of the balanced endpoint."""
        path = self.folder / "kubeconfig"
        server = "https://{}:{}".format(*self.network.endpoint)
        cluster = {"server": server, "certificate-authority": str(self.folder / "ca.crt")}
        user = {
            "client-certificate": str(self.folder / "fabric.crt"),
            "client-key": str(self.folder / "fabric.key"),
        }
        kubeconfig = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(kubeconfig))
        return RestClient.from_kubeconfig(path, user_agent="test", source=source)

    async def ask(self, client: RestClient) -> dict:
        return json.loads(await client.raw("GET", "/whoami"))

    async def close(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        for server in self.servers.values():
            await server.stop()


@asynccontextmanager
async def running(network, folder: Path) -> AsyncIterator[Process]:
    """Run the fabric with three API servers behind it."""
    network.fabric.close()  # The process takes its addresses.
    made = Process(network, folder)
    for server in made.servers.values():
        await server.start()
    await made.start()
    try:
        await made.connect()
        yield made
        await made.control.close()
    finally:
        await made.close()


async def test_a_client_is_known_by_its_source_and_balanced(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        await fabric.live(1, 2, 3)
        seen = set()
        for _ in range(3):
            client = fabric.client(network.node.near)
            answer = await fabric.ask(client)
            seen.add(answer["server"])
            rows = (await fabric.status())["connections"]
            assert [row["source"] for row in rows] == ["node-1"]
            await client.close()
            async with asyncio.timeout(5):
                while (await fabric.status())["connections"]:
                    await asyncio.sleep(0.01)
        assert len(seen) == 3


async def test_a_target_that_is_not_ready_is_left_and_its_connections_end(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        await fabric.live(1, 2, 3)
        client = fabric.client(network.node.near)
        server = fabric.servers[(await fabric.ask(client))["server"]]
        number = int((await fabric.ask(client))["server"][-1])
        others = [each for each in (1, 2, 3) if each != number]
        server.health[b"/readyz"] = "500 Internal Server Error"
        await fabric.live(*others)
        async with asyncio.timeout(10):
            while (await fabric.status())["connections"]:
                await asyncio.sleep(0.05)
        assert int((await fabric.ask(client))["server"][-1]) in others
        server.health.clear()
        await fabric.live(1, 2, 3)
        await server.stop()
        await fabric.live(*others)
        balancer, _near = (await fabric.status())["balancers"]
        assert balancer["targets"][number - 1]["error"] == "Connection refused"
        await client.close()
        notes = read(tmp_path / "journal")
        host = f"control-plane-{number}"
        assert [(note.what, note.subject) for note in notes if note.subject == host] == [
            ("target-down", host),
            ("target-up", host),
            ("target-down", host),
        ]


async def test_without_a_ready_target_those_that_live_are_asked(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        await fabric.live(1, 2, 3)
        client = fabric.client(network.node.near)
        before = (await fabric.ask(client))["server"]
        for server in fabric.servers.values():
            server.health[b"/readyz"] = "500 Internal Server Error"
        dead = next(name for name in fabric.servers if name != before)
        fabric.servers[dead].health[b"/livez"] = "500 Internal Server Error"
        await fabric.live()
        async with asyncio.timeout(10):  # Long enough to be found so more than once.
            while (await fabric.errors())[dead] != "/livez: 500 Internal Server Error":
                await asyncio.sleep(0.05)
        await asyncio.sleep(health.EVERY_S * 2)
        assert (await fabric.ask(client))["server"] == before
        assert len((await fabric.status())["connections"]) == 1
        await client.close()
        seen = set()
        for _ in range(4):
            other = fabric.client(network.node.near)
            seen.add((await fabric.ask(other))["server"])
            await other.close()
        assert seen == set(fabric.servers) - {dead}


async def test_a_target_that_hangs_is_left_at_the_first_time_out(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        await fabric.live(1, 2, 3)
        fabric.servers["control-plane-2"].answers.clear()
        await fabric.live(1, 3)
        balancer, near = (await fabric.status())["balancers"]
        assert near["targets"] == balancer["targets"]
        assert balancer["targets"][1]["error"] == "/readyz: no answer in 1 s"
        fabric.servers["control-plane-2"].answers.set()
        await fabric.live(1, 2, 3)


async def test_a_fabric_that_was_killed_comes_back_at_the_same_addresses(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        await fabric.live(1, 2, 3)
        client = fabric.client(network.node.near)
        await fabric.ask(client)
        await fabric.kill()
        await fabric.control.close()
        await fabric.start()
        await fabric.connect()
        assert await fabric.control.call("impairments_list") == []  # The launcher tells it anew.
        await fabric.live(1, 2, 3)
        assert (await fabric.ask(client))["user"] == "fabric"
        await client.close()


async def test_rules_and_doors_are_told_by_rpc(network, tmp_path, unanswered):
    async with running(network, tmp_path) as fabric:
        rule = {"from": "node-1", "to": "control-plane-1", "loss": 1}
        await fabric.control.call("impairments_replace", {"entries": [rule]})
        (row,) = await fabric.control.call("impairments_list")
        assert (row["from"], row["loss"], row["packets"]) == ("node-1", 1, 0)
        await unanswered(network.node.dial(network.api))
        bare = Topology(hosts={network.node.near: "node-1"})
        await fabric.control.call("configure", msgspec.to_builtins(bare))
        with pytest.raises(ConnectionRefusedError):
            await network.other_node.dial(network.api)
        await fabric.control.call("configure", msgspec.to_builtins(network.topology))
        await fabric.live(1, 2, 3)
        await unanswered(network.node.dial(network.api))  # A new listener knows the rules.


async def test_nonsense_is_refused_and_changes_nothing(network, tmp_path):
    async with running(network, tmp_path) as fabric:
        before = await fabric.status()
        door = {"listen": [network.api[0], 7000], "target": ["127.0.0.1", 1], "host": "x"}
        taken = {"listen": [network.node.near, 7001], "target": ["127.0.0.1", 1], "host": "x"}
        await network.node.listen(7001)
        for method, params, code in (
            ("impairments_replace", {"entries": [{"from": "a", "to": "b", "loss": 2}]}, "Inv"),
            ("impairments_replace", {}, "Inv"),
            ("configure", {"doors": [door, door]}, "Inv"),
            ("configure", {"portals": []}, "Inv"),
            ("configure", {"doors": [door, taken]}, "Unavailable"),
        ):
            with pytest.raises(rpc.RpcError) as refusal:
                await fabric.control.call(method, params)
            assert refusal.value.code.startswith(code), method
        assert "7001" in refusal.value.message
        assert await fabric.status() == before
        with pytest.raises(ConnectionRefusedError):
            await network.node.dial((network.api[0], 7000))


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"doors": [{"listen": ["x", 1], "target": ["y", 1], "host": "z"}]}, 2, "config.json"),
        ({"ca": "/nonexistent"}, 1, "cannot load the certificates /nonexistent"),
    ],
)
async def test_a_configuration_that_makes_no_sense_is_one_line(
    network, tmp_path, changes, status, says
):
    network.fabric.close()
    process = Process(network, tmp_path)
    await process.start(**changes)
    async with asyncio.timeout(20):
        _, errors = await process.process.communicate()
    assert process.process.returncode == status
    (line,) = errors.decode().splitlines()
    assert says in line


async def test_a_taken_address_ends_the_process_with_one_clear_line(network, tmp_path):
    process = Process(network, tmp_path)  # The fabric of this process has the addresses.
    await process.start()
    async with asyncio.timeout(20):
        _, errors = await process.process.communicate()
    assert process.process.returncode == 1
    (line,) = errors.decode().splitlines()
    assert f"cannot listen at {network.api[0]}:6443" in line
