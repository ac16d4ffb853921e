"""Commands inside pods, as CRI's ExecSync runs them for probes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from clusters import Lab

from componentbase import rpc


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a command."""

    status: int
    output: str
    complaints: str


class Pod:
    """A running pod of the cluster."""

    def __init__(self, lab: Lab, name: str, namespace: str = "default") -> None:
        (self.object,) = lab.objects("-n", namespace, "pod", name)
        self.lab, self.name = lab, name
        self.node: str = self.object["spec"]["nodeName"]
        self.address: str = self.object["status"]["podIP"]

    def run(self, *command: str, timeout_s: float = 20, container: str = "") -> Done:
        """Run *command* in the pod's first container, or the one called so."""
        return asyncio.run(self._run(command, timeout_s, container))

    async def _run(self, command: tuple[str, ...], timeout_s: float, name: str) -> Done:
        client = await rpc.Client.connect(self.lab.paths.node(self.node) / "cri.sock")
        uid = self.object["metadata"]["uid"]
        try:
            container = next(
                each["id"]
                for each in await client.call("ListContainers")
                if each["labels"].get("io.kubernetes.pod.uid") == uid
                and each["state"] == "CONTAINER_RUNNING"
                and name in ("", each["metadata"]["name"])
            )
            request = {"container_id": container, "cmd": list(command), "timeout_s": timeout_s}
            answer = await client.call("ExecSync", request, timeout_s=timeout_s + 5)
        finally:
            await client.close()
        return Done(answer["exit_code"], _text(answer["stdout"]), _text(answer["stderr"]))

    def get(self, url: str) -> str:
        """Fetch *url* with the pod's wget."""
        return self.run("wget", "-q", "-O", "-", "-T", "5", url).output

    def dial(self, host: str, port: int, **options: object) -> dict[str, Any]:
        """Let the pod's netexec ask another one (`/dial`), over connections of its own."""
        query = urlencode({"host": host, "port": port, **options})
        answer: dict[str, Any] = json.loads(self.get(f"http://127.0.0.1:8080/dial?{query}"))
        return answer


def _text(octets: bytes | str) -> str:
    return octets.decode() if isinstance(octets, bytes) else octets
