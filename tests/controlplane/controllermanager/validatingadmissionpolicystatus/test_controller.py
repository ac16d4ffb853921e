"""The status of policies, written by a real controller manager (upstream: typechecking's e2e)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from control_plane import ControlPlane

from kubeapi.client import RestClient
from kubeapi.objects import Object, is_condition_true
from kubeapi.resources import CUSTOMRESOURCEDEFINITIONS, VALIDATINGADMISSIONPOLICIES, Resource

WITHIN_S = 15.0
LOOK_EVERY_S = 0.03


def policy(name: str, group: str, plural: str, expression: str) -> Object:
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "resources": [plural]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [{**rule, "operations": ["CREATE"]}]},
            "validations": [{"expression": expression}],
        },
    }


def definition(group: str, properties: dict[str, Any]) -> Object:
    schema = {"type": "object", "properties": properties}
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"crontabs.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "Crontab"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


async def observed(client: RestClient, resource: Resource, name: str) -> Object:
    """Wait until the newest generation has been looked at; return the status."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await client.get(resource, name)
            status: Object = found.get("status") or {}
            if status.get("observedGeneration") == found["metadata"]["generation"]:
                return status
            await asyncio.sleep(LOOK_EVERY_S)


async def established(client: RestClient, crd: Object) -> None:
    await client.create(CUSTOMRESOURCEDEFINITIONS, crd)
    async with asyncio.timeout(WITHIN_S):
        name = crd["metadata"]["name"]
        while not is_condition_true(await client.get(CUSTOMRESOURCEDEFINITIONS, name), _READY):
            await asyncio.sleep(LOOK_EVERY_S)


_READY = "Established"


@pytest.mark.asyncio
async def test_warnings_come_and_go(control_plane: ControlPlane) -> None:
    resource = VALIDATINGADMISSIONPOLICIES
    async with control_plane.client() as client:
        group = "typechecking.example.com"
        await established(client, definition(group, {"spec": {"type": "string"}}))
        right = policy("unwarned", "apps", "deployments", "object.spec.replicas > 1")
        wrong = policy("warned", "apps", "deployments", "object.replicas > 1")
        custom = policy("warned-custom", group, "crontabs", "object.spec > 1")
        for each in (right, wrong, custom):
            await client.create(resource, each)

        status = await observed(client, resource, "unwarned")
        assert status == {"observedGeneration": 1, "typeChecking": {}}, (
            "it is there: all is checked"
        )
        status = await observed(client, resource, "warned")
        (warning,) = status["typeChecking"]["expressionWarnings"]
        assert warning["fieldRef"] == "spec.validations[0].expression"
        expected = "apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'"
        assert warning["warning"].startswith(expected)
        status = await observed(client, resource, "warned-custom")
        (warning,) = status["typeChecking"]["expressionWarnings"]
        expected = f"{group}/v1, Kind=Crontab: ERROR: <input>:1:13: found no matching overload"
        assert warning["warning"].startswith(expected)

        await client.patch(
            resource, "warned", {"spec": {"validations": right["spec"]["validations"]}}
        )
        status = await observed(client, resource, "warned")
        assert "expressionWarnings" not in (status.get("typeChecking") or {})
        raw = await client.raw("GET", resource.path(None, "warned"), accept="application/json")
        managers = json.loads(raw)["metadata"]["managedFields"]
        (own,) = [each for each in managers if each.get("subresource") == "status"]
        assert own["manager"] == "validatingadmissionpolicy-status-controller"
        assert own["operation"] == "Apply"
        for name in ("unwarned", "warned", "warned-custom"):
            await client.delete(resource, name)
        await client.delete(CUSTOMRESOURCEDEFINITIONS, f"crontabs.{group}")
