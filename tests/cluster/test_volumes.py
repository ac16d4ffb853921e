"""Every kind of volume in one pod, as its programs see it, and what follows when one changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Home, Lab
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("volumes")]

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, size: large}
binaryData: {bin: /wA=}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {password: hush}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: all, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 2
  volumes:
  - {name: shared, emptyDir: {}}
  - {name: config, configMap: {name: settings}}
  - {name: none, configMap: {name: no-such, optional: true}}
  - name: secret
    secret: {secretName: keys, defaultMode: 0400, items: [{key: password, path: db/password}]}
  - {name: host, hostPath: {path: /var/data}}
  - name: labels
    downwardAPI:
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: cpu, resourceFieldRef: {containerName: listen, resource: limits.cpu, divisor: 1m}}
  - name: mixed
    projected:
      defaultMode: 0440
      sources:
      - configMap: {name: settings, items: [{key: size, path: size, mode: 0444}]}
      - secret: {name: keys}
      - downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}
  initContainers:
  - name: prepare
    image: busybox
    command: [sh, -c]
    args:
    - >-
      echo from init > /shared/page; echo kept > /host/page;
      ls -a /etc/config/; cat /etc/config/color
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: host, mountPath: /host}
    - {name: config, mountPath: /etc/config}
  containers:
  - name: listen
    image: python://volume_apps:listen
    resources: {limits: {cpu: 250m}}
    env: [{name: WHERE, value: part}]
    volumeMounts: &mounts
    - {name: shared, mountPath: /shared}
    - {name: shared, mountPath: /volumes/shared-page, subPath: page}
    - {name: config, mountPath: /volumes/config}
    - {name: config, mountPath: /volumes/one/color, subPath: color}
    - {name: none, mountPath: /volumes/none}
    - {name: secret, mountPath: /volumes/secret}
    - {name: host, mountPath: /volumes/host, readOnly: true}
    - {name: labels, mountPath: /volumes/labels}
    - {name: mixed, mountPath: /volumes/mixed}
  - name: ask
    image: python://volume_apps:ask
    env: [{name: WHERE, value: part}, {name: OF_THE_MACHINE, value: MACHINES}]
    volumeMounts:
    - {name: shared, mountPath: /shared}
    - {name: shared, mountPath: /scratch, subPathExpr: $(WHERE)}
    - {name: config, mountPath: /volumes/config}
    - {name: config, mountPath: /volumes/part, readOnly: true}
  - name: shell
    image: busybox
    command: [sleep, "3600"]
    volumeMounts: *mounts
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster of one node."""
    home = Home(tmp_path_factory.mktemp("lab"))
    home.podwire("up", "--name", "t-volumes", "--nodes", "1")
    yield Lab(home, "t-volumes")
    home.stop_all()


def test_every_kind_of_volume_and_a_change(small: Lab, tmp_path: Path):
    machines = tmp_path / "machines"
    machines.touch()
    small.apply(POD.replace("MACHINES", str(machines)))
    waiting = small.eventually(lambda: "FailedMount" in small.kubectl("get", "events"))
    assert waiting, "the ConfigMap is not there yet"
    small.apply(OBJECTS)
    small.kubectl("wait", "pod", "all", "--for=condition=Ready", "--timeout=30s")
    init = small.kubectl("logs", "all", "-c", "prepare").splitlines()
    assert "..data" in init, "the layout of upstream's writer"
    assert init[-1] == "blue"
    lines = small.eventually(lambda: _lines(small, 7), what="the asking container's log")
    _check_files(json.loads(lines[0]))
    assert lines[1:] == [
        "/volumes/config/new Read-only file system",
        "/volumes/part/new Read-only file system",
        "/own written",
        "/etc/own written",
        "/scratch/own written",
        "machine's False",
    ]
    _check_shell(small)
    _check_change(small)
    _check_end(small)


def _lines(lab: Lab, count: int) -> list[str]:
    lines = lab.kubectl("logs", "all", "-c", "ask").splitlines()
    return lines if len(lines) >= count else []


def _check_files(found: dict[str, Any]) -> None:
    texts = {path: text for path, (text, _mode) in found.items()}
    modes = {path: mode & 0o777 for path, (_text, mode) in found.items()}
    assert texts == {
        "/volumes/config/bin": "\ufffd\0",
        "/volumes/config/color": "blue",
        "/volumes/config/size": "large",
        "/volumes/host/page": "kept\n",
        "/volumes/labels/cpu": "250",
        "/volumes/labels/labels": 'app="web"',
        "/volumes/mixed/name": "all",
        "/volumes/mixed/password": "hush",
        "/volumes/mixed/size": "large",
        "/volumes/one/color": "blue",
        "/volumes/secret/db/password": "hush",
        "/volumes/shared-page": "from init\n",
    }
    assert modes["/volumes/config/color"] == modes["/volumes/shared-page"] == 0o644
    assert modes["/volumes/secret/db/password"] == 0o400
    assert modes["/volumes/mixed/password"] == 0o440
    assert modes["/volumes/mixed/size"] == 0o444


def _exec(lab: Lab, script: str) -> str:
    done = Pod(lab, "all").run("sh", "-c", script, container="shell")
    return done.output + done.complaints


def _check_shell(lab: Lab) -> None:
    assert _exec(lab, "cat /shared/page /shared/part/own /volumes/one/color") == "from init\nxblue"
    said = _exec(lab, "echo x > /volumes/config/color")
    assert "Read-only file system" in said


def _check_change(lab: Lab) -> None:
    patch = '{"data": {"color": "red", "size": null, "new": "key"}}'
    lab.kubectl("patch", "configmap", "settings", "--type=merge", "-p", patch)
    lab.kubectl("label", "pod", "all", "tier=front")
    script = "cat /volumes/config/color; ls /volumes/config; cat /volumes/one/color"
    changed = "redbin\ncolor\nnew\nblue"
    lab.eventually(lambda: _exec(lab, script) == changed, what="the files follow")
    labels = 'app="web"\ntier="front"'
    lab.eventually(lambda: _exec(lab, "cat /volumes/labels/labels") == labels, what="the labels")


def _check_end(lab: Lab) -> None:
    pods = lab.paths.node("node-1") / "kubelet" / "pods"
    assert len(list(pods.iterdir())) == 1
    lab.kubectl("delete", "pod", "all", "--wait")
    lab.eventually(lambda: not list(pods.iterdir()), what="the volumes are removed")
    host = lab.paths.node("node-1") / "hostfs" / "var" / "data" / "page"
    assert host.read_text() == "kept\n", "the node's own files stay"


def test_an_empty_dir_beyond_its_limit_is_evicted(small: Lab):
    container = {
        "name": "main",
        "image": "busybox",
        "command": ["sh", "-c", "seq 40000 > /cache/big; sleep 3600"],
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "100Ki"}}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "greedy"}, "spec": spec}
    small.apply(json.dumps(pod))
    small.kubectl("wait", "pod", "greedy", "--for=jsonpath={.status.reason}=Evicted")
    (found,) = small.objects("pod", "greedy")
    assert found["status"]["phase"] == "Failed"
    said = 'Usage of EmptyDir volume "cache" exceeds the limit "100Ki". '
    assert found["status"]["message"] == said
