"""`python://` images: unmodified asyncio programs that meet across nodes."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
from contextlib import ExitStack
from typing import Any

import pytest
from clusters import Lab
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pods import Pod

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("python-images")]


def start(
    lab: Lab, name: str, node: int, target: str, *args: str, module: str = "python_apps", **env: str
) -> None:
    container = {
        "name": "main",
        "image": f"python://{module}:{target}",
        "args": list(args),
        "env": [{"name": key, "value": text} for key, text in env.items()],
    }
    lab.apply(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": name}},
                "spec": {
                    "nodeName": f"node-{node}",
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 5,
                    "containers": [container],
                },
            }
        )
    )


def serve(lab: Lab, name: str, node: int, target: str, **env: str) -> str:
    """Start a server; return its address."""
    start(lab, name, node, target, **env)
    lab.kubectl("wait", "pod", name, "--for=condition=Ready", "--timeout=30s")
    return Pod(lab, name).address


def output_of(lab: Lab, name: str) -> str:
    """Wait until a pod has run to its end; return its log."""
    lab.kubectl("wait", "pod", name, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    return lab.kubectl("logs", name)


def result_of(lab: Lab, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output_of(lab, name))
    return found


@pytest.mark.parametrize("node", [1, 2])
def test_aiohttp_meets_aiohttp(lab: Lab, node: int) -> None:
    address = serve(lab, f"site-{node}", 1, "site")
    start(lab, f"visitor-{node}", node, "visit", address)
    result = result_of(lab, f"visitor-{node}")
    print(result)
    assert [result[what] for what in ("up", "down", "many", "echoes")] == [True] * 4
    assert min(result["up_mbit_s"], result["down_mbit_s"]) > 20


def test_streams_answer_without_nagles_delay(lab: Lab) -> None:
    address = serve(lab, "echo", 1, "echo")
    start(lab, "chat", 3, "chat", address)
    assert result_of(lab, "chat")["p50_ms"] < 30


def test_the_api_server_speaks_tls_at_its_service(lab: Lab) -> None:
    start(lab, "stranger", 2, "ask_api_server", CA=lab.paths.certificate("ca").read_text())
    assert output_of(lab, "stranger").split()[1] in ("401", "403")


def certificate(*names: str) -> str:
    """Return a key and a self-signed certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pod")])
    began = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(began)
        .not_valid_after(began + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names or ("pod",)]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (key.private_bytes(pem, *plain) + made.public_bytes(pem)).decode()


def test_asgi_servers_serve_across_nodes_and_shut_down_gracefully(lab: Lab) -> None:
    uvicorn = serve(lab, "uvicorn", 1, "with_uvicorn")
    hypercorn = serve(lab, "hypercorn", 2, "with_hypercorn", PEM=certificate())
    start(lab, "browser", 3, "browse", uvicorn, hypercorn)
    assert result_of(lab, "browser") == {
        "uvicorn": "1.1 http",
        "hypercorn": "1.1 https",
        "alpn": "h2",
        "dns": ["10.96.0.10"],
        "localhost": "127.0.0.1",
    }
    names = ("uvicorn", "hypercorn")
    with ExitStack() as stack:
        logs = [stack.enter_context(following(lab, name)) for name in names]
        for log in logs:
            assert log.stdout is not None
            assert any("lifespan.startup" in line for line in log.stdout)
        lab.kubectl("delete", "pod", *names, "--wait=false")
        for log in logs:
            assert log.stdout is not None
            said = log.stdout.read()
            assert "lifespan.shutdown" in said
            assert "stopped" in said, "the program ended by itself"


def following(lab: Lab, name: str) -> subprocess.Popen[str]:
    """Return `kubectl logs -f`, to be read while the pod lives."""
    words = ["kubectl", "logs", "-f", name]
    return subprocess.Popen(words, env=lab.environment, stdout=subprocess.PIPE, text=True)


def test_webhook_in_a_pod_is_asked_through_its_service(lab: Lab) -> None:
    pem = certificate("hook.default.svc")
    lab.apply(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "hook"},
                "spec": {"selector": {"app": "hook"}, "ports": [{"port": 443, "targetPort": 8443}]},
            }
        )
    )
    start(lab, "hook", 2, "webhook", module="webhook_apps", PEM=pem)
    lab.kubectl("wait", "pod", "hook", "--for=condition=Ready", "--timeout=30s")
    ca_bundle = base64.b64encode(pem[pem.index("-----BEGIN CERTIFICATE") :].encode()).decode()
    service = {"name": "hook", "namespace": "default", "path": "/label"}
    hook = {
        "name": "label.example.com",
        "rules": [
            {
                "operations": ["CREATE"],
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["configmaps"],
            }
        ],
        "clientConfig": {"service": service, "caBundle": ca_bundle},
        "objectSelector": {"matchLabels": {"asked": "yes"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "label"},
        "webhooks": [hook],
    }
    lab.apply(json.dumps(configuration))

    def write(name: str) -> str:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"asked": "yes"}},
        }
        return lab.kubectl("create", "-f", "-", stdin=json.dumps(body), check=False)

    # The Service's endpoint is a moment behind the pod's readiness.
    lab.eventually(lambda: "created" in write("asked"), what="a webhook that answers")
    (made,) = lab.objects("configmap", "asked")
    assert made["metadata"]["labels"] == {"seen-by": "webhook"}
    assert 'admission webhook "label.example.com" denied the request: not this one' in write(
        "refused"
    )
    lab.kubectl("delete", "pod", "hook", "--grace-period=1")
    assert 'failed calling webhook "label.example.com"' in write("unanswered")
    lab.kubectl("delete", "mutatingwebhookconfiguration", "label")
    assert "created" in write("unanswered")
