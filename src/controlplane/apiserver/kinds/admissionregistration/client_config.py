"""Where a webhook is: a URL, or a Service of the cluster (apiserver/pkg/util/webhook)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

PORT: Final = 443
_FORM: Final = "https://host[:port]/path"
_PORT_MAX: Final = 65535


def default_client_config(config: Object) -> None:
    """A Service is asked at port 443."""
    service = config.get("service")
    if service is not None and service.get("port") is None:
        service["port"] = PORT


def validate_client_config(config: Object, path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield field.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _validate_url(url, f"{path}.url")
    elif service is not None:
        yield from _validate_service(service, f"{path}.service")


def _validate_url(url: str, path: str) -> Iterator[Cause]:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises where it is none.
    except ValueError as error:
        yield field.required(path, f"url must be a valid URL: {error}; desired format: {_FORM}")
        return
    wrong = (
        (parts.scheme != "https", "'https' is the only allowed URL scheme"),
        (not parts.hostname, "host must be specified"),
        ("@" in parts.netloc, "user information is not permitted in the URL"),
        (bool(parts.fragment), "fragments are not permitted in the URL"),
        (bool(parts.query), "query parameters are not permitted in the URL"),
    )
    values = (parts.scheme, parts.hostname or "", parts.netloc, parts.fragment, parts.query)
    for (is_wrong, detail), value in zip(wrong, values, strict=True):
        if is_wrong:
            yield field.invalid(path, value, f"{detail}; desired format: {_FORM}")


def _validate_service(service: Object, path: str) -> Iterator[Cause]:
    if not service.get("name"):
        yield field.required(f"{path}.name", "service name is required")
    if not service.get("namespace"):
        yield field.required(f"{path}.namespace", "service namespace is required")
    port = service["port"]
    if not 1 <= port <= _PORT_MAX:
        yield field.invalid(f"{path}.port", port, "port is not valid: must be between 1 and 65535")
    if (where := service.get("path")) is not None:
        yield from _validate_path(where, f"{path}.path")


def _validate_path(where: str, path: str) -> Iterator[Cause]:
    if not where.startswith("/"):
        yield field.invalid(path, where, "must start with a '/'")
    parts = urlsplit(where)
    if parts.path != where or parts.netloc:
        yield field.invalid(path, where, "must be a path without host, query or fragment")
        return
    if where == "/":
        return
    for index, step in enumerate(where[1:].removesuffix("/").split("/")):
        if not step:
            yield field.invalid(path, where, f"segment[{index}] may not be empty")
        for message in validation.dns1123_subdomain(step) if step else ():
            yield field.invalid(path, where, f"segment[{index}]: {message}")
