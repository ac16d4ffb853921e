"""A definition of each test's own: its group is the test's namespace."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from .definitions import crd

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_WAIT_S = 10


def until(look: Callable[[], Any]) -> Any:
    """Return what *look* finds as soon as it finds something."""
    ends = time.monotonic() + _WAIT_S
    while not (found := look()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)
    return found


@dataclass
class Custom:
    """A definition that is served, and requests about its objects."""

    server: Any
    definition: dict[str, Any]
    namespace: str

    @property
    def name(self) -> str:
        return self.definition["metadata"]["name"]

    @property
    def url(self) -> str:
        return f"{CRDS}/{self.name}"

    def path(self, name: str = "", *, version: str = "v1") -> str:
        spec = self.definition["spec"]
        where = f"namespaces/{self.namespace}/" if spec["scope"] == "Namespaced" else ""
        base = f"/apis/{spec['group']}/{version}/{where}{spec['names']['plural']}"
        return f"{base}/{name}" if name else base

    def body(self, name: str, spec: Any = None, *, version: str = "v1", **more: Any) -> dict:
        return {
            "apiVersion": f"{self.definition['spec']['group']}/{version}",
            "kind": self.definition["spec"]["names"]["kind"],
            "metadata": {"name": name},
            **({} if spec is None else {"spec": spec}),
            **more,
        }

    def create(self, name: str, spec: Any = None, **more: Any) -> Any:
        return self.server.request("POST", self.path(), self.body(name, spec, **more))

    def get(self, name: str) -> Any:
        return self.server.request("GET", self.path(name)).json

    def merge(self, name: str, patch: Any) -> Any:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.server.request("PATCH", self.path(name), patch, headers=headers)

    def redefine(self, change: Callable[[dict[str, Any]], None]) -> Any:
        """Change the definition as it is now."""
        now = self.server.request("GET", self.url).json
        change(now)
        return self.server.request("PUT", self.url, now)


def establish(server: Any, definition: dict[str, Any]) -> None:
    """Create *definition* and wait until it is established."""
    created = server.request("POST", CRDS, definition)
    assert created.code == 201, created.json["message"]
    url = f"{CRDS}/{definition['metadata']['name']}"

    def established() -> bool:
        conditions = server.request("GET", url).json.get("status", {}).get("conditions", [])
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    until(established)


@pytest.fixture
def define(server, namespace):
    """Define a kind in a group of the test's own."""

    def make(schema: dict[str, Any], **more: Any) -> Custom:
        definition = crd(f"{namespace}.example.com", schema, **more)
        establish(server, definition)
        return Custom(server, definition, namespace)

    return make
