"""Webhooks that are configured for one test, and taken away after it."""

from __future__ import annotations

import base64
import json

import pytest


@pytest.fixture
def configured(server, webhook, namespace: str):
    """Return a function that configures webhooks, which are taken away after the test."""
    made: list[str] = []

    def configure(kind: str, *hooks: dict, name: str = "") -> str:
        plural = f"{kind.lower()}webhookconfigurations"
        path = f"/apis/admissionregistration.k8s.io/v1/{plural}"
        body = {
            "metadata": {"name": name or f"{kind.lower()}-{namespace}"},
            "webhooks": [webhook.hook(namespace, **hook) for hook in hooks],
        }
        answer = server.request("POST", path, body)
        assert answer.code == 201, answer.json
        made.append(f"{path}/{answer.json['metadata']['name']}")
        return made[-1]

    yield configure
    for path in made:
        server.request("DELETE", path)


@pytest.fixture
def patch():
    """Return a function that makes an answer that allows and changes."""

    def answer(*operations: dict) -> dict:
        encoded = base64.b64encode(json.dumps(operations).encode()).decode()
        return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}

    return answer
