"""kubectl in pods: run, exec, cp, attach, debug, port-forward and proxy on a whole cluster."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from clusters import Lab

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.xdist_group("streams"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]

_WAIT_S = 30


class Person:
    """Sits at a terminal in which kubectl runs."""

    def __init__(self, lab: Lab, *words: str) -> None:
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.execvpe("kubectl", ["kubectl", *words], lab.environment)
        self.shown = ""

    def type(self, keys: str) -> None:
        self.shown = ""
        os.write(self._terminal, keys.encode())

    def until(self, mark: str) -> str:
        """Return what is shown since the last keys, as soon as *mark* is there."""
        ends = time.monotonic() + _WAIT_S
        while mark not in self.shown:
            assert time.monotonic() < ends, f"{mark!r} is not shown: {self.shown!r}"
            assert self._look() or mark in self.shown, f"{mark!r} never came: {self.shown!r}"
        return self.shown

    def _look(self) -> bool:
        if not select.select([self._terminal], [], [], 0.5)[0]:
            return True
        try:
            octets = os.read(self._terminal, 65536)
        except OSError:
            return False  # The other end is closed.
        self.shown += octets.decode(errors="replace")
        return bool(octets)

    def status(self) -> int:
        """Return kubectl's exit status."""
        ends = time.monotonic() + _WAIT_S
        while (found := os.waitpid(self._process, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < ends, f"kubectl goes on: {self.shown!r}"
            self._look()
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(found[1])


@pytest.fixture(scope="module")
def app(lab: Lab) -> Lab:
    """A web server and a shell on different nodes."""
    for name, image, node in (("web", "nginx", "node-1"), ("box", "busybox", "node-2")):
        container = {"name": "c", "image": image}
        if name == "box":
            container["command"] = ["sleep", "infinity"]
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
        metadata = {"name": name, "labels": {"app": name}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        lab.apply(json.dumps(pod))
    lab.kubectl("expose", "pod", "web", "--port=8000", "--target-port=80")
    lab.kubectl("wait", "--for=condition=Ready", "pod/web", "pod/box", "--timeout=60s")
    return lab


def test_shell_at_a_terminal(app: Lab) -> None:
    person = Person(app, "exec", "-it", "box", "--", "sh")
    person.until("/ # ")
    address = app.objects("pod", "web")[0]["status"]["podIP"]
    person.type(f"wget -qO- http://{address} | grep -c nginx && ping -c 1 {address}\r")
    assert "1 packets received" in person.until("0% packet loss")
    person.until("/ # ")
    person.type("sleep 1000\r")
    person.until("sleep 1000\r\n")
    person.type("\x03")
    person.until("/ # ")
    person.type("exit 5\r")
    assert person.status() == 5


def test_run_debug_and_attach(app: Lab) -> None:
    person = Person(app, "run", "-it", "--rm", "--restart=Never", "tmp", "--image=busybox")
    person.until("press")
    person.type("\recho from $HOSTNAME\r")
    person.until("from tmp")
    person.type("exit\r")
    assert person.status() == 0
    assert app.kubectl("get", "pod", "tmp", "--ignore-not-found") == ""
    debugger = Person(app, "debug", "-it", "web", "--image=busybox", "--profile=general")
    debugger.until("press")
    debugger.type("\rwget -qO- http://127.0.0.1 | head -n 2 | tail -n 1; exit\r")
    debugger.until("<html>")
    assert debugger.status() == 0
    looking = Person(app, "attach", "web", "-c", "c")
    looking.until("press")
    app.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web/proxy/?looked")
    looking.until("?looked")
    looking.type("\x03")
    looking.status()


def test_files_go_both_ways(app: Lab, tmp_path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below" / "big").write_bytes(os.urandom(2_000_000))
    (tree / "name with spaces").write_text("hello\n")
    app.kubectl("cp", str(tree), "box:/tmp/tree")
    assert app.kubectl("exec", "box", "--", "cat", "/tmp/tree/name with spaces") == "hello\n"
    app.kubectl("cp", "box:/tmp/tree", str(tmp_path / "back"))
    for path in ("below/big", "name with spaces"):
        assert (tmp_path / "back" / path).read_bytes() == (tree / path).read_bytes()


@contextlib.contextmanager
def started(app: Lab, *words: str, **environment: str) -> Iterator[tuple[int, subprocess.Popen]]:
    """Run kubectl while the block lasts; yield the port that it names, and the process."""
    running = subprocess.Popen(
        ["kubectl", *words], env={**app.environment, **environment}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line
        yield int(found[1]), running
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=_WAIT_S)


def get(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return connection.makefile("rb").read()


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_ports_are_forwarded(app: Lab, websockets: str) -> None:
    environment = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets}
    with started(app, "port-forward", "service/web", ":8000", **environment) as (port, _):
        for _ in range(3):
            assert b"Welcome to nginx!" in get(port, "/")


def test_proxies_lead_to_pods_services_and_kubelets(app: Lab) -> None:
    for path in ("services/http:web:8000/proxy/", "pods/web/proxy/"):
        page = app.kubectl("get", "--raw", f"/api/v1/namespaces/default/{path}")
        assert "Welcome to nginx!" in page
    assert app.kubectl("get", "--raw", "/api/v1/nodes/node-1/proxy/healthz") == "ok"
    with started(app, "proxy", "--port=0") as (port, _):
        assert b"Welcome to nginx!" in get(port, "/api/v1/namespaces/default/services/web/proxy/")


def test_nobody_executes_without_the_right(app: Lab) -> None:
    bound = ("--clusterrole=view", "--serviceaccount=default:default")
    app.kubectl("create", "rolebinding", "looks", *bound)
    account = "--as=system:serviceaccount:default:default"
    assert app.kubectl("get", "pod", "box", account, "-o", "name") == "pod/box\n"
    said = app.kubectl("exec", "box", account, "--", "id", check=False)
    assert re.search(r'cannot (get|create) resource "pods/exec"', said), said
    assert app.kubectl("auth", "can-i", "create", "pods/exec", account, check=False) == "no\n"
