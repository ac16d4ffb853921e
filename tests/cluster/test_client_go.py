"""client-go, the library of most programs that speak to Kubernetes, against a whole cluster.

The checks are a Go program, tests/peers/client_go. It is built where PODWIRE_TEST_GO names a Go
toolchain's `go` and PODWIRE_TEST_GOPATH a GOPATH with client-go 0.32, as Debian's packages
golang-1.24-go and golang-k8s-client-go-dev have them below usr/share/gocode.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from clusters import Lab

SOURCE = Path(__file__).resolve().parents[1] / "peers" / "client_go"
GO, GOPATH = os.environ.get("PODWIRE_TEST_GO"), os.environ.get("PODWIRE_TEST_GOPATH")
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        not (GO and GOPATH), reason="PODWIRE_TEST_GO and PODWIRE_TEST_GOPATH name no client-go"
    ),
]
BUILD_S = 900.0
CHECK_S = 100.0
#: The names in the program's table of checks.
CHECKS = re.findall(r'^\t"([a-z-]+)": +\w+,$', (SOURCE / "main.go").read_text(), re.MULTILINE)
#: What client-go can be told: lists that stream, and CBOR as long as nobody refuses it. Either
#: sort of informer compares what it got with a list of the same revision.
GATES = {
    "lists": {
        "KUBE_FEATURE_WatchListClient": "false",
        "KUBE_LIST_FROM_CACHE_INCONSISTENCY_DETECTOR": "true",
    },
    "streams": {
        "KUBE_FEATURE_WatchListClient": "true",
        "KUBE_WATCHLIST_INCONSISTENCY_DETECTOR": "true",
    },
}
#: What client-go logs when the server does not serve what it asked for first.
FALLBACK = "falling back to the standard LIST"


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    assert GO
    assert GOPATH
    made: Path = tmp_path_factory.mktemp("go") / "client_go"
    environment = {
        "GOCACHE": os.environ.get("GOCACHE", str(made.parent / "cache")),
        "PATH": os.environ["PATH"], "GOPATH": GOPATH, "GO111MODULE": "off",
        "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
    }  # fmt: skip
    built = subprocess.run(
        [GO, "build", "-o", str(made), "."],
        cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return made


def checked(lab: Lab, program: Path, name: str, **environment: str) -> None:
    done = subprocess.run(
        [str(program), "-kubeconfig", str(lab.paths.kubeconfig), name],
        env={**os.environ, **environment},
        capture_output=True, text=True, timeout=CHECK_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"ok {name}\n"), done.stdout + done.stderr
    assert FALLBACK not in done.stderr


@pytest.mark.timeout(BUILD_S + 300)
def test_the_program_builds(program):
    assert len(CHECKS) >= 25
    listed = subprocess.run([str(program)], capture_output=True, text=True, check=True, timeout=30)
    assert sorted(CHECKS) == listed.stdout.split()


@pytest.mark.parametrize("name", CHECKS)
def test_check(lab, program, name):
    checked(lab, program, name)


@pytest.mark.parametrize("gates", GATES)
@pytest.mark.parametrize("name", ["informers", "watches"])
def test_informers_got_what_lists_say(lab, program, name, gates):
    checked(lab, program, name, **GATES[gates])


def test_other_informers_stream_their_lists(lab, program):
    # Uncompared: client-go expects metadata as protobuf, which has no place for kinds.
    checked(lab, program, "other-informers", KUBE_FEATURE_WatchListClient="true")


def test_who_prefers_cbor_falls_back_to_json(lab, program):
    gates = {"KUBE_FEATURE_ClientsAllowCBOR": "true", "KUBE_FEATURE_ClientsPreferCBOR": "true"}
    for name in ("other-informers", "metadata", "cbor"):
        checked(lab, program, name, **gates)
