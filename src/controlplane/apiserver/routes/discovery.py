"""Paths without resources: version, discovery, OpenAPI, health, metrics."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from controlplane.apiserver import discovery
from controlplane.apiserver.decoding import JSON
from controlplane.apiserver.exchange import Answer, Request
from controlplane.apiserver.health import Health
from controlplane.apiserver.kinds.served import ServedKinds
from controlplane.apiserver.metrics import Metrics
from controlplane.apiserver.negotiation import accepts_aggregated
from controlplane.apiserver.openapi.documents import RELEASE
from controlplane.apiserver.routes.openapi import OpenApiRoutes
from kubeapi.objects import Object
from kubeapi.status import StatusError, no_such_path

#: What is found without a slash behind it only.
_EXACT: Final = ("/healthz", "/livez", "/readyz", "/metrics")


def version_info() -> Object:
    """Return /version."""
    major, minor, _ = RELEASE.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{RELEASE}+podwire",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"Python {platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"linux/{platform.machine()}",
    }


class DiscoveryRoutes:
    """Answers what is no resource."""

    def __init__(
        self,
        kinds: ServedKinds,
        metrics: Metrics,
        *,
        address: str,
        port: int,
        health: Health,
        openapi: OpenApiRoutes,
        metric_names: Callable[[], list[str]],
        fixed: Mapping[str, tuple[str, Object]] = MappingProxyType({}),
    ) -> None:
        self._fixed, self._openapi = fixed, openapi
        self._metric_names = metric_names
        self._kinds = kinds
        self._refresh()
        kinds.on_change(self._refresh)
        self._metrics, self._health = metrics, health
        self._address, self._port = address, port

    def _refresh(self) -> None:
        """Take the table as it is now, and forget what was made from the old one."""
        described = discovery.by_group(self._kinds.all())
        self._openapi.serve_kinds(described)
        self._groups = discovery.with_metrics(described)
        self._made: dict[str, bytes] = {}

    async def serve(self, request: Request) -> Answer:
        """Answer by path; raises StatusError."""
        if request.info.verb != "get":
            raise StatusError(405, "MethodNotAllowed", "the server does not allow this method here")
        path = request.info.path
        if path.startswith("//") or (path.endswith("/") and path.startswith(_EXACT)):
            raise no_such_path()
        parts = path.strip("/").split("/")
        match parts:
            case [("healthz" | "livez" | "readyz") as endpoint, *rest]:
                return self._answer_health(endpoint, "/".join(rest), request)
            case ["version"]:
                return self._document("version", version_info, request)
            case ["metrics"]:
                text, content_type = self._metrics.text(request.accept)
                return Answer(body=text, content_type=content_type)
            case ["api" | "apis", *_]:
                return self._discover(parts, request)
            case ["openapi", version, *rest]:
                return self._openapi.serve(version, "/".join(rest), request)
            case _ if request.info.path in self._fixed:
                content_type, document = self._fixed[request.info.path]
                return self._document(request.info.path, lambda: document, request, content_type)
            case [""]:
                return self._document("paths", self._paths, request)
        raise no_such_path()

    def _answer_health(self, endpoint: str, name: str, request: Request) -> Answer:
        excluded = [value for key, value in parse_qsl(request.query_text) if key == "exclude"]
        verbose = "verbose" in request.query
        return self._health.answer(endpoint, name, excluded=excluded, verbose=verbose)

    def _paths(self) -> Object:
        paths = ["/api", "/api/v1", "/apis", "/metrics", "/openapi/v2", "/openapi/v3", "/version"]
        for group, versions in self._groups.items():
            if group:
                paths += [f"/apis/{group}", *(f"/apis/{group}/{version}" for version in versions)]
        return {"paths": sorted([*paths, *self._fixed, *self._health.names()])}

    def _document(
        self, name: str, make: Callable[[], Object], request: Request, content_type: str = JSON
    ) -> Answer:
        """Return a document that never changes, made once; 304 to who has it already."""
        body = self._made.get(name)
        if body is None:
            body = self._made[name] = msgspec.json.encode(make())
        tag = f'"{hashlib.sha256(body).hexdigest()[:32].upper()}"'
        headers = {"ETag": tag, "Vary": "Accept"}
        if request.if_none_match == tag:
            return Answer(status=304, body=b"", content_type=content_type, headers=headers)
        return Answer(body=body, content_type=content_type, headers=headers)

    def _discover(self, parts: list[str], request: Request) -> Answer:
        match parts:
            case ["api" | "apis" as root]:
                return self._discover_root(root, request)
            case ["api", version]:
                group = ""
            case ["apis", group] if group in self._groups:
                versions = list(self._groups[group])
                return self._document(
                    f"group {group}", lambda: discovery.api_group(group, versions), request
                )
            case ["apis", group, version]:
                pass
            case _:
                raise no_such_path()
        kinds = self._groups.get(group, {}).get(version)
        if kinds is None:
            raise no_such_path()
        if group in discovery.METRICS:  # Changes as pods come and go; nobody is asked for it.
            found = discovery.metric_resource_list(group, version, self._metric_names())
            return Answer(body=msgspec.json.encode(found))
        return self._document(
            f"resources {group}/{version}",
            lambda: discovery.api_resource_list(group, version, kinds),
            request,
        )

    def _discover_root(self, root: str, request: Request) -> Answer:
        content_type = accepts_aggregated(request.accept)
        core = root == "api"
        if content_type:
            version = "v2beta1" if "v=v2beta1" in content_type else "v2"
            shown = {g: v for g, v in self._groups.items() if (g == "") is core}
            return self._document(
                f"aggregated {root} {version}",
                lambda: discovery.aggregated(shown, version),
                request,
                content_type,
            )
        if core:
            return self._document(
                root, lambda: discovery.api_versions(self._address, self._port), request
            )
        versions = {group: list(served) for group, served in self._groups.items()}
        return self._document(root, lambda: discovery.api_group_list(versions), request)
