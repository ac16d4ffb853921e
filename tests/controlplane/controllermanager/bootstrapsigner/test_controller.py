"""cluster-info and its signatures, by a real control plane."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request

import pytest
import yaml
from test_control_loops import until

from controlplane.controllermanager.bootstrapsigner.signing import signature
from kubeapi.client.kubeconfig import read_kubeconfig
from kubeapi.resources import CONFIGMAPS, SECRETS

SECRET = {
    "metadata": {"name": "bootstrap-token-abcdef"},
    "type": "bootstrap.kubernetes.io/token",
    "stringData": {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-signing": "true",
    },
}
KEY = "jws-kubeconfig-abcdef"


def _read(url, context):
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.asyncio
async def test_who_joins_learns_whom_to_trust(control_plane):
    """Anybody reads cluster-info; its signature is there as long as the token is."""

    def signed(items):
        [found] = [each for each in items if each["metadata"]["name"] == "cluster-info"]
        return KEY in found["data"]

    async with control_plane.client() as client:
        await client.create(SECRETS, SECRET, "kube-system")
        await until(client, CONFIGMAPS, "kube-public", signed)
        found = await client.get(CONFIGMAPS, "cluster-info", "kube-public")
        data = found["data"]
        assert data[KEY] == signature(data["kubeconfig"], "abcdef", "0123456789abcdef")
        await client.delete(SECRETS, "bootstrap-token-abcdef", "kube-system")
        await until(client, CONFIGMAPS, "kube-public", lambda items: not signed(items))
    known = read_kubeconfig(control_plane.paths.kubeconfig)
    context = ssl.create_default_context(cadata=known.ca_pem)
    path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    seen = await asyncio.to_thread(_read, f"{known.server}{path}", context)
    [cluster] = yaml.safe_load(seen["data"]["kubeconfig"])["clusters"]
    assert cluster["cluster"]["server"].startswith("https://")
