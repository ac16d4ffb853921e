"""What docs/kubectl.md says of kubectl's commands: every line of it is typed here.

`PODWIRE_TEST_KUBECTLS=/path/kubectl.1.27:/path/kubectl.1.28` tries other clients, too.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest
from kubectl_transcripts import Typist, clients, version_of

from podwire.cluster import pki

from .conftest import RunningServer, free_port

TRANSCRIPTS = sorted((Path(__file__).parent / "kubectl").glob("*.txt"))
pytestmark = pytest.mark.skipif(not clients(), reason="kubectl is not installed")
version = functools.cache(version_of)


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("apiserver")
    pki.write_signing_key(folder / "sa.key", folder / "sa.pub")
    more = {"service_account_key": str(folder / "sa.key")}
    running = RunningServer(authority, folder, free_port(), more=more)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where clients keep what discovery told them."""
    made: Path = tmp_path_factory.mktemp("home")
    return made


@pytest.mark.parametrize("kubectl", clients() or ["kubectl"], ids=lambda path: Path(path).name)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(server, namespace, home, tmp_path, kubectl, transcript):
    certificate, key = server.client_files("admin")
    environment = {
        **os.environ, "KUBECONFIG": str(server.kubeconfig()), "HOME": str(home),
        "CERTIFICATE": str(certificate), "KEY": str(key),
    }  # fmt: skip
    text = transcript.read_text().replace("{crt}", str(certificate)).replace("{key}", str(key))
    Typist(kubectl, version(kubectl), tmp_path, namespace, environment).play(text)
