"""The three processes of one node, real, against a small API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from loopback import PREFIX
from pod_api_server import PodApiServer, kubeconfig

from componentbase.rpc import RpcError, connect_retrying
from kubeapi.objects import condition
from podwire.cluster import pki

NETWORK = f"{PREFIX}.77"
MAP = {"192.168.64.0/24": f"{NETWORK}.0/24"}


class NodeProcesses:
    """The three processes of one node."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.node = directory / "node"
        self.node.mkdir(parents=True)
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        (directory / "kubeconfig").write_text(kubeconfig(url))
        authority = pki.Authority.new("ca", pki.utc_now())
        pki.write_pair(authority.pair, directory / "ca.crt", directory / "ca.key")
        pair = authority.issue(pki.node_identity("node-1", [f"{NETWORK}.1"]), pki.utc_now())
        pki.write_pair(pair, directory / "node.crt", directory / "node.key")

    def _config(self, role: str) -> dict[str, object]:
        base = {
            "node_name": "node-1",
            "directory": str(self.node),
            "log_file": str(self.directory / f"{role}.log"),
        }
        address = {"internal_ip": "192.168.64.1", "transport_map": MAP}
        if role == "podruntime":
            return base
        if role == "nodeagent.datapath":
            return {**base, **address, "host_address": "192.168.64.254"}
        return {
            **base,
            **address,
            "kubeconfig": str(self.directory / "kubeconfig"),
            "server_certificate": str(self.directory / "node.crt"),
            "server_private_key": str(self.directory / "node.key"),
            "client_ca": str(self.directory / "ca.crt"),
            "cluster_cidr": "10.244.0.0/16",
            "service_cidr": "10.96.0.0/16",
            "cluster_dns": "10.96.0.10",
            "cluster_domain": "cluster.local",
            "timings": "lab",
            "cpu": "4",
            "memory": "8Gi",
            "pods_max": 110,
        }

    async def start(self, role: str) -> None:
        path = self.directory / f"{role}.json"
        path.write_text(json.dumps(self._config(role)))
        self.processes[role] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", role, str(path)
        )

    async def kill(self, role: str) -> None:
        process = self.processes.pop(role)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def close(self) -> None:
        pids: list[int] = []
        with contextlib.suppress(RpcError):
            pids = await self.pod_pids()
        for role in list(self.processes):
            await self.kill(role)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def pod_pids(self) -> list[int]:
        client = await connect_retrying(self.node / "cri.sock", timeout_s=5)
        try:
            return [s["pid"] for s in await client.call("ListPodSandbox") if s.get("pid")]
        finally:
            await client.close()

    async def table(self, name: str):
        client = await connect_retrying(self.node / "netlink.sock", timeout_s=5)
        try:
            return await client.call(f"{name}_list", {})
        finally:
            await client.close()


@asynccontextmanager
async def running_node(tmp_path: Path):
    api = PodApiServer()
    await api.start()
    node = NodeProcesses(tmp_path, api.url)
    try:
        for role in ("podruntime", "nodeagent.datapath", "nodeagent"):
            await node.start(role)
        await api.until(lambda: "/api/v1/nodes/node-1" in api.objects)
        made = api.objects["/api/v1/nodes/node-1"]
        api.put("/api/v1/nodes/node-1", {**made, "spec": {"podCIDR": "10.244.1.0/24"}})
        await api.until(lambda: is_true(api.objects["/api/v1/nodes/node-1"], "Ready"))
        yield api, node
    finally:
        await node.close()
        await api.stop()


def is_true(obj, kind: str) -> bool:
    found = condition(obj, kind)
    return found is not None and found["status"] == "True"


def agnhost(*args: str, **more) -> dict[str, object]:
    container = {"name": "main", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53"}
    return {"containers": [{**container, "args": list(args), **more}]}
