"""Probes and lifecycle handlers: exactly one way to act, and sane numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from controlplane.apiserver.kinds.service.ports import validate_target
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_PROBE_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "sleep")
_COUNTS: Final = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)


def validate_probe(probe: Object, path: str, *, once: bool) -> Iterator[Cause]:
    """Judge a probe; *once*: one success is success (liveness and startup)."""
    yield from _validate_handler(probe, path, _PROBE_HANDLERS)
    for key in _COUNTS:
        if (count := probe.get(key) or 0) < 0:
            yield field.invalid(f"{path}.{key}", count, NOT_NEGATIVE)
    if once and probe.get("successThreshold") != 1:
        yield field.invalid(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")
    grace_s = probe.get("terminationGracePeriodSeconds")
    if grace_s is not None and not once:
        detail = "must not be set for readinessProbes"
        yield field.invalid(f"{path}.terminationGracePeriodSeconds", grace_s, detail)
    elif grace_s is not None and grace_s <= 0:
        detail = "must be greater than 0"
        yield field.invalid(f"{path}.terminationGracePeriodSeconds", grace_s, detail)


def validate_lifecycle(lifecycle: Object, path: str, grace_s: int) -> Iterator[Cause]:
    for key in ("postStart", "preStop"):
        if (hook := lifecycle.get(key)) is None:
            continue
        yield from _validate_handler(hook, f"{path}.{key}", _HOOK_HANDLERS)
        if hook.get("sleep") is None:
            continue
        seconds = hook["sleep"].get("seconds") or 0
        if seconds <= 0 or seconds > grace_s:
            detail = "must be greater than 0 and less than terminationGracePeriodSeconds "
            yield field.invalid(f"{path}.{key}.sleep", seconds, f"{detail}({grace_s})")


def _validate_handler(handler: Object, path: str, kinds: tuple[str, ...]) -> Iterator[Cause]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        yield field.required(path, "must specify a handler type")
    for kind in given[1:]:
        yield field.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    for kind in given[:1]:
        yield from _validate_action(kind, handler[kind], f"{path}.{kind}")


def _validate_action(kind: str, action: Object, path: str) -> Iterator[Cause]:
    if kind == "exec" and not action.get("command"):
        yield field.required(f"{path}.command")
    if kind in ("httpGet", "tcpSocket", "grpc"):
        yield from validate_target(action.get("port") or 0, f"{path}.port")
    if kind == "httpGet":
        if action["scheme"] not in ("HTTP", "HTTPS"):
            yield field.not_supported(f"{path}.scheme", action["scheme"], ("HTTP", "HTTPS"))
        for header in action.get("httpHeaders") or ():
            name = header.get("name") or ""  # Upstream names no index, either.
            for message in validation.http_header_name(name):
                yield field.invalid(f"{path}.httpHeaders", name, message)
