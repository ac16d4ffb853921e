"""Secrets of accounts, with a real API server and controller manager."""

from __future__ import annotations

import base64

import pytest
from test_control_loops import until, world

from kubeapi.resources import SECRETS, SERVICEACCOUNTS, TOKENREVIEWS

TOKEN_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "web"}},
    "type": "kubernetes.io/service-account-token",
}
ACCOUNT = {
    "apiVersion": "v1",
    "kind": "ServiceAccount",
    "metadata": {"name": "web"},
    "secrets": [{"name": "s"}, {"name": "kept"}],
}


async def filled(client, namespace):
    """Make a Secret of an account; return it when it has its token."""
    await client.create(SECRETS, TOKEN_SECRET, namespace)
    (found,) = await until(
        client, SECRETS, namespace, lambda items: bool(items and items[0].get("data"))
    )
    return {key: base64.b64decode(text).decode() for key, text in found["data"].items()}


async def name_of_bearer(client, token):
    review = await client.create(TOKENREVIEWS, {"spec": {"token": token}})
    return (review["status"].get("user") or {}).get("username")


@pytest.mark.asyncio
async def test_a_secret_gets_its_token_and_goes_with_its_account(control_plane, namespace_of_test):
    ns = namespace_of_test[:40]
    async with world(control_plane, ns, nodes=0) as (client, _):
        await client.create(SERVICEACCOUNTS, ACCOUNT, ns)
        data = await filled(client, ns)
        assert data["namespace"] == ns
        assert data["ca.crt"].startswith("-----BEGIN CERTIFICATE")
        assert await name_of_bearer(client, data["token"]) == f"system:serviceaccount:{ns}:web"
        # What is taken away comes back, and is another token; the old one counts no longer.
        await client.patch(SECRETS, "s", {"data": {"token": None}}, ns)
        await until(client, SECRETS, ns, lambda items: "token" in items[0]["data"])
        # The account forgets a Secret that is gone.
        await client.delete(SECRETS, "s", ns)
        assert await name_of_bearer(client, data["token"]) is None

        def has_forgotten(items):
            (web,) = (item for item in items if item["metadata"]["name"] == "web")
            return web.get("secrets") == [{"name": "kept"}]

        await until(client, SERVICEACCOUNTS, ns, has_forgotten)
        token = (await filled(client, ns))["token"]
        await client.delete(SERVICEACCOUNTS, "web", ns)
        assert await name_of_bearer(client, token) is None
        await until(client, SECRETS, ns, lambda items: not items)
        await client.create(SECRETS, TOKEN_SECRET, ns)  # Nobody's: it is taken away at once.
        await until(client, SECRETS, ns, lambda items: not items)
