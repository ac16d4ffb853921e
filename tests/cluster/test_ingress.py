"""HTTP from outside through the ingress controller: its rows, clients, certificates, changes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import io
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from clusters import Home, Lab, eventually
from ingress_objects import ingress, path, rule
from ingress_rows import ROWS, Row, apart

from nodeagent.datapath.privileged_ports import listened_for_at

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("ingress")]

HTTP, HTTPS = listened_for_at(80), listened_for_at(443)

#: Rules without a host would answer for the other rows' hosts, too.
SHARED = [
    apart(row, number)
    for number, row in enumerate(ROWS)
    if all(host for host, *_ in row[1]) and row[0] != "host-without-case"
]
SERVICES = ("s0", "s1", "s2")
NAMESPACE = "ingress-nginx"
CONTROLLER = "ingress-nginx-controller"


def backend(name: str) -> list[dict[str, Any]]:
    container = {
        "name": "whoami",
        "image": "traefik/whoami",
        "args": ["--name", name],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 80}, "periodSeconds": 1},
    }
    labels = {"app": name}
    deployment = {
        "replicas": 2 if name == "s0" else 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    service = {"selector": labels, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
         "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]  # fmt: skip


def of_api(obj: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", **obj}


def stream(objects: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(each) for each in objects)


def of_row(row: Row) -> dict[str, Any]:
    what, rules, *_ = row
    return of_api(
        ingress(what, *(rule(host, path(at, name, kind)) for host, at, kind, name in rules))
    )


#: A site of aiohttp: bodies, digests, a WebSocket.
SITE: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "site", "labels": {"app": "site"}},
     "spec": {"containers": [{"name": "site", "image": "python://python_apps:site",
                              "readinessProbe": {"tcpSocket": {"port": 8080}}}]}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "site"},
     "spec": {"selector": {"app": "site"}, "ports": [{"port": 80, "targetPort": 8080}]}},
]  # fmt: skip


class Outside:
    """The machine that the person sits at, and others."""

    def __init__(self, lab: Lab, address: str) -> None:
        self.lab, self.address = lab, address

    def ask(self, host: str, target: str = "/", source: str = "") -> tuple[int, dict[str, str]]:
        """Return the status, and what whoami tells."""
        client = http.client.HTTPConnection(
            self.address, HTTP, timeout=10, source_address=(source, 0) if source else None
        )
        client.request("GET", target, headers={"Host": host})
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        lines = (line.partition(": ") for line in text.splitlines())
        return answer.status, {name: value for name, _, value in lines}

    def other(self, number: int) -> str:
        """Return the address of this machine that is another client's outside."""
        return f"{self.address.rpartition('.')[0]}.{number}"


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    home = Home(tmp_path_factory.mktemp("ingress"))
    home.podwire("up", "--name", "ingress", "--nodes", "2", "--ingress")
    lab = Lab(home, "ingress")
    backends = [obj for name in SERVICES for obj in backend(name)]
    lab.apply(stream([*backends, *map(of_row, SHARED)]))
    for name in SERVICES:
        lab.kubectl("rollout", "status", f"deployment/{name}", "--timeout=60s")
    lab.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{CONTROLLER}", "--timeout=60s")

    def address() -> str:
        (service,) = lab.objects("-n", NAMESPACE, "service", CONTROLLER)
        given = service["status"].get("loadBalancer", {}).get("ingress", [])
        return next((each["ip"] for each in given if each["ipMode"] == "Proxy"), "")

    made = Outside(lab, eventually(address))
    eventually(lambda: made.ask("nobody.example")[0] == 404)
    yield made
    home.stop_all()


def test_rows_are_answered_by_a_running_cluster(outside: Outside) -> None:
    assert len(SHARED) >= 40

    def told(row: Row) -> str | int:
        _, _, host, target, _ = row
        status, said = outside.ask(host, target)
        return said["Name"] if status == 200 else status

    eventually(lambda: told(SHARED[0]) == SHARED[0][4])
    assert {row[0]: told(row) for row in SHARED} == {row[0]: row[4] for row in SHARED}


def test_kubectl_shows_class_hosts_address_and_ports(outside: Outside) -> None:
    lab = outside.lab
    header, line = lab.kubectl("get", "ingress", "prefix-itself").splitlines()
    assert header.split() == ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]
    (row,) = (row for row in SHARED if row[0] == "prefix-itself")
    assert line.split()[1:3] == ["nginx", row[2]]
    assert outside.address in line.split()[3].split(",")
    assert line.split()[4] == "80"


def test_backends_and_source_ranges_see_the_client(outside: Outside) -> None:
    lab, friend = outside.lab, outside.other(130)
    ranged = ingress("ranged", rule("ranged.example", path("/", "s1")),
                     annotations={"whitelist-source-range": "192.168.65.130/32"})  # fmt: skip
    lab.apply(stream([of_api(ranged)]))
    eventually(lambda: outside.ask("ranged.example")[0] == 403)
    status, said = outside.ask("ranged.example", source=friend)
    assert status == 200
    assert said["X-Forwarded-For"] == said["X-Real-IP"] == "192.168.65.130"


def certificate(host: str, folder: Path) -> tuple[Path, str]:
    """Make a certificate for *host* and its key; return it, and the Secret of both."""
    made, key = folder / "tls.crt", folder / "tls.key"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
         "-out", str(made), "-keyout", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    data = {
        "tls.crt": base64.b64encode(made.read_bytes()).decode(),
        "tls.key": base64.b64encode(key.read_bytes()).decode(),
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop"},
              "type": "kubernetes.io/tls", "data": data}  # fmt: skip
    return made, json.dumps(secret)


def test_curl_believes_the_certificate_of_a_secret_and_the_next_one(
    outside: Outside, tmp_path: Path
) -> None:
    for program in ("curl", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    lab, host = outside.lab, "tls.example"
    secured = ingress("secured", rule(host, path("/", "s1")),
                      tls=[{"hosts": [host], "secretName": "shop"}])  # fmt: skip
    lab.apply(stream([of_api(secured)]))
    eventually(lambda: outside.ask(host)[0] == 308)
    for folder in ("first", "second"):
        believed, secret = certificate(host, tmp_path / folder)
        lab.apply(secret)
        words = ["curl", "-sS", "--max-time", "10", "--cacert", str(believed), "--resolve",
                 f"{host}:{HTTPS}:{outside.address}", f"https://{host}:{HTTPS}/"]  # fmt: skip
        said = partial(subprocess.run, words, capture_output=True, text=True, check=False)
        eventually(lambda said=said: "X-Forwarded-Proto: https" in said().stdout)


def test_an_ingress_without_a_class_is_the_default_ones(outside: Outside) -> None:
    lab = outside.lab
    lab.kubectl("annotate", "ingressclass", "nginx",
                "ingressclass.kubernetes.io/is-default-class=true")  # fmt: skip

    def served() -> bool:
        lab.kubectl("delete", "ingress", "bare", "--ignore-not-found")
        lab.apply(
            stream([of_api(ingress("bare", rule("bare.example", path("/", "s1")), cls=None))])
        )
        (made,) = lab.objects("ingress", "bare")
        return bool(made["spec"].get("ingressClassName") == "nginx")

    eventually(served)
    eventually(lambda: outside.ask("bare.example")[0] == 200)


def test_aiohttp_streams_and_speaks_websocket_with_a_pod(outside: Outside) -> None:
    lab, host, body = outside.lab, "site.example", bytes(range(256)) * 16_384
    lab.apply(stream([*SITE, of_api(ingress("site", rule(host, path("/", "site")),
                                            annotations={"proxy-body-size": "0"}))]))  # fmt: skip
    lab.kubectl("wait", "pod", "site", "--for=condition=Ready", "--timeout=60s")
    eventually(lambda: outside.ask(host, "/zeros/1")[0] == 200)

    async def use() -> None:
        async with aiohttp.ClientSession(
            f"http://{outside.address}:{HTTP}", headers={"Host": host}
        ) as session:
            async with session.post("/digest", data=io.BytesIO(body)) as answer:
                assert await answer.text() == hashlib.sha256(body).hexdigest()
            async with session.get(f"/zeros/{len(body)}") as answer:
                assert await answer.read() == bytes(len(body))
            async with session.ws_connect("/echo") as socket:
                for text in ("one", "two" * 30_000):
                    await socket.send_str(text)
                    assert await socket.receive_str() == text

    asyncio.run(use())


def test_rollouts_and_changed_routes_lose_no_request(outside: Outside) -> None:
    lab, stop = outside.lab, threading.Event()
    host = "moving.example"
    lab.apply(stream([of_api(ingress("moving", rule(host, path("/", "s0"))))]))
    eventually(lambda: outside.ask(host)[0] == 200)
    controllers = ("-n", NAMESPACE, f"deployment/{CONTROLLER}")
    lab.kubectl("scale", *controllers, "--replicas=2")
    lab.kubectl("rollout", "status", *controllers, "--timeout=60s")
    names: list[str | int] = []

    def ask() -> None:
        client = http.client.HTTPConnection(outside.address, HTTP, timeout=10)
        while not stop.is_set():
            client.request("GET", "/", headers={"Host": host})
            answer = client.getresponse()
            text = answer.read().decode()
            names.append(text.split()[1] if answer.status == 200 else answer.status)
            stop.wait(0.005)
        client.close()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    for words in (("deployment/s0",), controllers):
        lab.kubectl("rollout", "restart", *words)
    for words in (("deployment/s0",), controllers):
        lab.kubectl("rollout", "status", *words, "--timeout=60s")
    lab.apply(stream([of_api(ingress("moving", rule(host, path("/", "s2"))))]))
    eventually(lambda: names[-1] == "s2")
    stop.set()
    for each in asking:
        each.join()
    assert set(names) == {"s0", "s2"}


def test_events_and_metrics_tell_what_is_wrong(outside: Outside) -> None:
    lab = outside.lab
    wrong = ingress("wrong", rule("wrong.example", path("/", "s1")),
                    annotations={"proxy-body-size": "many"})  # fmt: skip
    lab.apply(stream([of_api(wrong)]))

    def described() -> bool:
        text = lab.kubectl("describe", "ingress", "wrong")
        return "Scheduled for sync" in text and "proxy-body-size 'many' is ignored" in text

    eventually(described)
    assert outside.ask("wrong.example")[0] == 200
    chosen = ("-l", "app.kubernetes.io/component=controller", "--tail=-1")

    def logged() -> bool:
        lines = lab.kubectl("-n", NAMESPACE, "logs", *chosen).splitlines()
        return any('"GET / HTTP/1.1" 200' in line and "[default/s1:80]" in line for line in lines)

    eventually(logged)
