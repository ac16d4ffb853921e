"""The examples' pages, typed as they stand on one cluster, and what other pages start."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import EXAMPLES, Home, Lab
from documentation_apps import ALL
from readme_sessions import Step, play, steps

PAGES = sorted(EXAMPLES.glob("*/README.md"))
#: What runs a cluster is marked so; the others are fast.
ON_A_CLUSTER = [pytest.mark.cluster, pytest.mark.xdist_group("examples"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    for tool in ("kubectl", "curl", "bash"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    home = Home(tmp_path_factory.mktemp("examples"))
    home.podwire("up", "--dns-replicas", "1")
    yield Lab(home, "podwire")
    home.stop_all()


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.parent.name, marks=ON_A_CLUSTER) for page in PAGES]
)
def test_an_example_does_what_its_page_says(cluster: Lab, page: Path) -> None:
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**cluster.environment, "PATH": programs}
    play(page, environment, EXAMPLES.parent, cluster.cluster.transport_address(1))


@pytest.mark.cluster
@pytest.mark.xdist_group("examples")
@pytest.mark.timeout(240)
def test_pages_of_the_documentation_run(cluster: Lab) -> None:
    """What those pages say happens (docs/documentation-manifests.md has all of them)."""

    def kubectl(*words: str) -> str:
        return cluster.kubectl("-n", "pages", *words, timeout_s=100)

    def asks(url: str) -> str:
        return kubectl("exec", "adapter", "-c", "app", "--", "wget", "-qO-", "-T", "5", url)

    cluster.kubectl("create", "namespace", "pages")
    cluster.kubectl("apply", "-n", "pages", "-f", "-", stdin="\n".join(map(json.dumps, ALL)))
    for job, condition in (
        ("pi", "Complete"),
        ("array", "Complete"),
        ("success", "SuccessCriteriaMet"),
    ):
        kubectl("wait", f"job/{job}", f"--for=condition={condition}", "--timeout=90s")
    assert kubectl("logs", "job/pi").startswith(
        "3.14159265358979323846264338327950288419716939937510"
    )
    said = kubectl("logs", "-l", "batch.kubernetes.io/job-name=array", "-c", "turn")
    assert sorted(said.split()) == ["doom", "evil", "live"]
    kubectl("wait", "pod/adapter", "pod/machine", "--for=condition=Ready", "--timeout=60s")
    shipped = ["logs", "adapter", "-c", "adapter"]
    cluster.eventually(lambda: kubectl(*shipped) == "adapted: event\n", what="the sidecar ships")
    (node,) = {pod["spec"]["nodeName"] for pod in cluster.objects("-n", "pages", "pod", "machine")}
    assert kubectl("logs", "machine") == f"{node}\n"
    metric = "/apis/external.metrics.k8s.io/v1beta1/namespaces/pages/messages_ready"
    query = f"{metric}?labelSelector=queue%3Da"
    cluster.eventually(lambda: '"value":"30"' in kubectl("get", "--raw", query), what="a metric")
    kubectl("wait", "deployment", "--all", "--for=condition=Available", "--timeout=60s")
    assert asks("http://frontend") == '{"message":"Hello"}\n'
    assert asks("http://php-apache") == "OK!"
    cluster.kubectl("delete", "namespace", "pages", "--wait=false")


def test_every_example_is_told_of_and_has_its_page() -> None:
    told = (EXAMPLES / "README.md").read_text()
    folders = [path.name for path in EXAMPLES.iterdir() if path.is_dir()]
    assert len(folders) >= 13
    for name in folders:
        assert f"[{name}]({name}/)" in told
        assert any(step.command.startswith("kubectl delete -f") for step in steps_of(name))


def steps_of(name: str) -> list[Step]:
    return list(steps((EXAMPLES / name / "README.md").read_text()))


@pytest.mark.parametrize(
    ("prints", "said", "fits"),
    [
        ("pod/web created\n", "pod/web created\n", True),
        ("pod/web created\n", "pod/web created\nmore\n", False),
        ("web 2 …\n", "web   2   1/2  5s\n", True),
        ("…\ndone\n", "waiting\nwaiting\ndone\n", True),
        ("…\ndone\n", "done\n", True),
        ("…\ndone\n", "not done\n", False),
        ("", "", True),
        ("", "Error\n", False),
        ("green\n", "blue", False),
        ("green\n", "green", True),
    ],
)
def test_a_page_says_what_is_printed(prints: str, said: str, fits: bool) -> None:
    assert Step("kubectl get pods", prints).is_said_by(said) is fits
