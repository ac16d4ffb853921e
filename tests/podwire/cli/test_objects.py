"""The few kubectl verbs: what they call things, and what they say was done."""

from __future__ import annotations

import pytest

from kubeapi.resources import ENDPOINTS, INGRESSES, NETWORKPOLICIES, PODS
from kubeapi.status import already_exists
from podwire.cli.objects import _resource, apply_object
from podwire.cluster.layout import UsageError


class Server:
    """Has some objects already."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.patched: list[str] = []

    async def create(self, resource, obj, namespace):
        if obj["metadata"]["name"] in self.known:
            raise already_exists(resource, obj["metadata"]["name"])

    async def patch(self, resource, name, obj, namespace, *, kind):
        self.patched.append(f"{namespace}/{name}")


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ("pod", PODS), ("Pods", PODS), ("po", PODS), ("networkpolicy", NETWORKPOLICIES),
        ("netpol", NETWORKPOLICIES), ("ingress", INGRESSES), ("endpoints", ENDPOINTS),
    ],
)  # fmt: skip
def test_kinds_are_named_as_kubectl_takes_them(text, resource):
    assert _resource(text) is resource


@pytest.mark.parametrize("text", ["networkpolicie", "ingresse", "endpoint"])
def test_what_is_no_word_is_no_kind(text):
    with pytest.raises(UsageError, match="no kind"):
        _resource(text)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "api_version", "shown"),
    [
        ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicy.networking.k8s.io"),
        ("Ingress", "networking.k8s.io/v1", "ingress.networking.k8s.io"),
        ("Deployment", "apps/v1", "deployment.apps"),
        ("Service", "v1", "service"),
    ],
)
async def test_what_was_done_is_said_as_kubectl_says_it(kind, api_version, shown):
    server = Server("old")
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "new"}}
    assert await apply_object(server, obj, "default") == f"{shown}/new created"
    obj = {**obj, "metadata": {"name": "old", "namespace": "shop"}}
    assert await apply_object(server, obj, "default") == f"{shown}/old configured"
    assert server.patched == ["shop/old"]
