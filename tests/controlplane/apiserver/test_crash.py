"""The server's process: SIGKILL while clients write, taken ports, taken stores."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time

from .conftest import RunningServer

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class Writer(threading.Thread):
    """Creates configmaps until the server is gone; remembers what was acknowledged."""

    def __init__(self, server: RunningServer, name: str) -> None:
        super().__init__()
        self._server, self._name = server, name
        self.acknowledged: dict[str, str] = {}

    def run(self) -> None:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._server.port, context=self._server.tls(), timeout=10
        )
        for number in range(100_000):
            name = f"{self._name}-{number}"
            body = json.dumps({"metadata": {"name": name}})
            try:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", CONFIGMAPS, body, headers)
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError):
                break
            if response.status == 201:
                self.acknowledged[name] = answer["metadata"]["resourceVersion"]
        connection.close()


def test_sigkill_loses_nothing_that_was_acknowledged(stopped_server):
    server, rng = stopped_server, random.Random(3)
    acknowledged: dict[str, str] = {}
    for turn in range(2):
        server.start()
        writers = [Writer(server, f"w{turn}-{i}") for i in range(4)]
        for writer in writers:
            writer.start()
        while sum(len(writer.acknowledged) for writer in writers) < rng.randrange(50, 200):
            time.sleep(0.002)
        server.kill()
        for writer in writers:
            writer.join(20)
            acknowledged |= writer.acknowledged
    server.start()
    found = server.request("GET", CONFIGMAPS).json
    held = {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in found["items"]}
    assert acknowledged.items() <= held.items()


def test_watches_resume_after_a_restart(stopped_server):
    server = stopped_server
    server.start()
    first = server.request("POST", CONFIGMAPS, {"metadata": {"name": "a"}}).json
    server.request("POST", CONFIGMAPS, {"metadata": {"name": "b"}})
    server.request("DELETE", f"{CONFIGMAPS}/a")
    server.kill()
    server.start()
    version = first["metadata"]["resourceVersion"]
    query = f"watch=true&resourceVersion={version}&timeoutSeconds=1"
    lines = server.request("GET", f"{CONFIGMAPS}?{query}").body.splitlines()
    events = [json.loads(line) for line in lines]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]


def test_services_keep_their_addresses_over_a_restart(stopped_server):
    server = stopped_server
    server.start()
    path = "/api/v1/namespaces/default/services"
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    address = server.request("POST", path, body).json["spec"]["clusterIP"]
    server.kill()
    server.start()
    again = {"metadata": {"name": "t"}, "spec": {**body["spec"], "clusterIP": address}}
    assert server.request("POST", path, again).code == 422


def test_sigterm_ends_with_status_0(stopped_server):
    stopped_server.start()
    assert stopped_server.stop() == 0


def test_a_taken_port_is_one_clear_line(stopped_server, server):
    stopped_server.port = server.port
    process = stopped_server.spawn()
    _, text = process.communicate(timeout=20)
    assert process.returncode == 1
    lines = text.decode().splitlines()
    assert len(lines) == 1, lines
    assert f"cannot listen on 127.0.0.1:{server.port}: " in lines[0]


def test_a_taken_store_is_one_clear_line(stopped_server):
    stopped_server.start()
    process = stopped_server.spawn()
    _, text = process.communicate(timeout=20)
    assert process.returncode == 1
    lines = text.decode().splitlines()
    assert len(lines) == 1, lines
    assert "another process uses it" in lines[0]


def test_a_wrong_configuration_is_one_clear_line(stopped_server):
    path = stopped_server.config()
    config = json.loads(path.read_text())
    for change in ({"timings": "never"}, {"unknown": 1}, {"port": "x"}):
        path.write_text(json.dumps({**config, **change}))
        stopped_server.config = lambda: path
        process = stopped_server.spawn()
        _, text = process.communicate(timeout=20)
        assert process.returncode == 1
        assert len(text.decode().splitlines()) == 1, text
