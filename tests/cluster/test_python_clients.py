"""Other people's Python clients in a whole cluster: logs, exec and port-forward.

tests/controlplane/apiserver/test_python_clients.py has what needs no pod.
"""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import urllib.request
from collections.abc import Iterator

import kr8s
import lightkube
import pytest
from clusters import Lab
from kr8s.asyncio.objects import Pod as Kr8sPod
from kubernetes import client, config
from kubernetes.stream import portforward, stream
from kubernetes_asyncio import client as async_client
from kubernetes_asyncio import config as async_config
from kubernetes_asyncio.stream import WsApiClient

pytestmark = [
    pytest.mark.cluster,
    # The official client and kr8s leave sockets of ended streams to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

POD = "talker"
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": POD, "labels": {"app": POD}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "registry.k8s.io/e2e-test-images/agnhost:2.53",
                "args": ["netexec", "--http-port=8080"],
            },
            {
                "name": "box",
                "image": "busybox",
                "command": ["sh", "-c", "echo begun; sleep 3600"],
            },
        ]
    },
}
BOUND_S = 30.0


@pytest.fixture(autouse=True)
def _what_clients_leave() -> Iterator[None]:
    yield
    gc.collect()  # Here its warnings are ignored.


@pytest.fixture(scope="module")
def talker(lab: Lab) -> Lab:
    lab.apply(json.dumps(MANIFEST))
    lab.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=60s")
    return lab


def kubeconfig(lab: Lab) -> str:
    return str(lab.paths.kubeconfig)


def test_the_official_client(talker):
    with config.new_client_from_config(kubeconfig(talker)) as api:
        core = client.CoreV1Api(api)
        log = core.read_namespaced_pod_log(POD, "default", container="box")
        assert log == "begun\n"
        running = stream(
            core.connect_get_namespaced_pod_exec,
            POD,
            "default",
            container="box",
            command=["sh", "-c", "echo to stdout; echo to stderr >&2; exit 3"],
            stderr=True,
            stdout=True,
            _preload_content=False,
        )
        running.run_forever(timeout=BOUND_S)
        assert (running.read_stdout(), running.read_stderr()) == ("to stdout\n", "to stderr\n")
        assert running.returncode == 3
        running.close()
        forwarded = portforward(
            core.connect_get_namespaced_pod_portforward, POD, "default", ports="8080"
        )
        connection = forwarded.socket(8080)
        connection.setblocking(True)
        connection.sendall(b"GET /hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while octets := connection.recv(4096):
            answer += octets
        forwarded.close()
        for thread in threading.enumerate():
            if thread.name.startswith("Kubernetes port forward"):
                thread.join(BOUND_S)
        assert answer.endswith(POD.encode())


@pytest.mark.asyncio
async def test_kubernetes_asyncio(talker):
    await async_config.load_kube_config(kubeconfig(talker))
    async with async_client.ApiClient() as api:
        core = async_client.CoreV1Api(api)
        log = await core.read_namespaced_pod_log(POD, "default", container="box")
        assert log == "begun\n"
    async with asyncio.timeout(BOUND_S), WsApiClient() as api:
        said = await async_client.CoreV1Api(api).connect_get_namespaced_pod_exec(
            POD,
            "default",
            container="box",
            command=["echo", "heard"],
            stdout=True,
            stderr=True,
        )
        assert said == "heard\n"


def test_lightkube_reads_logs(talker):
    found = lightkube.KubeConfig.from_file(kubeconfig(talker))
    api = lightkube.Client(config=found)
    assert list(api.log(POD, container="box", follow=False)) == ["begun\n"]


@pytest.mark.asyncio
async def test_kr8s(talker):
    api = await kr8s.asyncio.api(kubeconfig=kubeconfig(talker))
    pod = await Kr8sPod.get(POD, namespace="default", api=api)
    async with asyncio.timeout(BOUND_S):
        assert [line async for line in pod.logs(container="box")] == ["begun"]
        said = await pod.exec(["echo", "heard"], container="box")
        assert (said.returncode, said.stdout) == (0, b"heard\n")
        async with pod.portforward(8080) as port:
            url = f"http://127.0.0.1:{port}/hostname"
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(None, lambda: urllib.request.urlopen(url).read())
            assert answer == POD.encode()
