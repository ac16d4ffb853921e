"""Containers of a pod: names, images, ports, environment (upstream: validateContainers)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds.pod import ephemeral_containers, resources
from controlplane.apiserver.kinds.pod.defaults import PROBES
from controlplane.apiserver.kinds.pod.field_refs import (
    ENV_FIELDS,
    ENV_RESOURCES,
    validate_field_ref,
    validate_resource_ref,
)
from controlplane.apiserver.kinds.pod.probes import validate_lifecycle, validate_probe
from controlplane.apiserver.kinds.pod.security_context import validate_of_container
from controlplane.apiserver.kinds.pod.volume_mounts import validate_mounts
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.status import Cause

_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("FallbackToLogsOnError", "File")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_VALUE_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef")
_NO_PROBES: Final = "may not be set for init containers without restartPolicy=Always"


def validate_containers(spec: Object, path: str) -> Iterator[Cause]:
    """Judge all containers of a pod together."""
    volumes = {volume.get("name") or "" for volume in spec.get("volumes") or []}
    containers, init_containers = spec.get("containers") or [], spec.get("initContainers") or []
    if not containers:
        yield field.required(f"{path}.containers")
    names: set[str] = set()
    for key in ("containers", "initContainers", ephemeral_containers.KEY):
        others = frozenset(names)
        for index, container in enumerate(spec.get(key) or []):
            at, name = f"{path}.{key}[{index}]", container.get("name") or ""
            yield from _validate_container(container, volumes, at)
            if name in names:
                yield field.duplicate(f"{at}.name", name)
            names.add(name)
            if key == ephemeral_containers.KEY:
                yield from ephemeral_containers.validate_ephemeral(container, others, at)
    for index, container in enumerate(containers):
        yield from _validate_all_probes(container, spec, f"{path}.containers[{index}]")
        if container.get("restartPolicy") is not None:
            detail = "may not be set for non-init containers"
            yield field.forbidden(f"{path}.containers[{index}].restartPolicy", detail)
    for index, container in enumerate(init_containers):
        yield from _validate_init_container(container, spec, f"{path}.initContainers[{index}]")
    yield from _validate_host_ports(containers, f"{path}.containers")
    if spec.get("hostNetwork"):
        yield from _validate_host_network(containers, f"{path}.containers")


def _validate_container(container: Object, volumes: Collection[str], path: str) -> Iterator[Cause]:
    name, image = container.get("name") or "", container.get("image") or ""
    if not name:
        yield field.required(f"{path}.name")
    else:
        yield from validation.validate_name(name, f"{path}.name", validation.dns1123_label)
    if not image:
        yield field.required(f"{path}.image")
    elif image != image.strip():
        detail = "must not have leading or trailing whitespace"
        yield field.invalid(f"{path}.image", image, detail)
    for key, supported in (
        ("imagePullPolicy", _PULL_POLICIES),
        ("terminationMessagePolicy", _MESSAGE_POLICIES),
    ):
        if container[key] not in supported:
            yield field.not_supported(f"{path}.{key}", container[key], supported)
    yield from _validate_ports(container.get("ports") or [], f"{path}.ports")
    yield from _validate_env(container.get("env") or [], f"{path}.env")
    yield from _validate_env_from(container.get("envFrom") or [], f"{path}.envFrom")
    yield from resources.validate(container["resources"], f"{path}.resources")
    if (context := container.get("securityContext")) is not None:
        yield from validate_of_container(context, f"{path}.securityContext")
    yield from validate_mounts(container, volumes, f"{path}.volumeMounts")


def _validate_all_probes(container: Object, spec: Object, path: str) -> Iterator[Cause]:
    for key in PROBES:
        if (probe := container.get(key)) is not None:
            yield from validate_probe(probe, f"{path}.{key}", once=key != "readinessProbe")
    if (lifecycle := container.get("lifecycle")) is not None:
        grace_s = spec["terminationGracePeriodSeconds"]
        yield from validate_lifecycle(lifecycle, f"{path}.lifecycle", grace_s)


def _validate_init_container(container: Object, spec: Object, path: str) -> Iterator[Cause]:
    policy = container.get("restartPolicy")
    if policy == "Always":
        yield from _validate_all_probes(container, spec, path)
        return
    if policy is not None:
        yield field.not_supported(f"{path}.restartPolicy", policy, ("Always",))
    for key in (*PROBES, "lifecycle"):
        if container.get(key) is not None:
            yield field.forbidden(f"{path}.{key}", _NO_PROBES)


def _validate_ports(ports: Sequence[Object], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{path}[{index}]", port.get("name") or ""
        if name:
            yield from validation.validate_name(name, f"{at}.name", validation.port_name)
            if name in names:
                yield field.duplicate(f"{at}.name", name)
            names.add(name)
        number, host_port = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not number:
            yield field.required(f"{at}.containerPort")
        for key, value in (("containerPort", number), ("hostPort", host_port)):
            for message in validation.port_number(value) if value else []:
                yield field.invalid(f"{at}.{key}", value, message)
        if port["protocol"] not in _PROTOCOLS:
            yield field.not_supported(f"{at}.protocol", port["protocol"], _PROTOCOLS)


def _validate_host_ports(containers: Sequence[Object], path: str) -> Iterator[Cause]:
    taken: set[tuple[str, str, int]] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or []):
            host_port = port.get("hostPort") or 0
            key = (port["protocol"], port.get("hostIP") or "", host_port)
            if host_port and key in taken:
                at = f"{path}[{index}].ports[{number}].hostPort"
                yield field.duplicate(at, "/".join((key[0], key[1], str(host_port))))
            taken.add(key)


def _validate_host_network(containers: Sequence[Object], path: str) -> Iterator[Cause]:
    """Find ports that would be others on the node, whose network the pod has."""
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or []):
            if port.get("hostPort") != port.get("containerPort"):
                at = f"{path}[{index}].ports[{number}].containerPort"
                detail = "must match `hostPort` when `hostNetwork` is true"
                yield field.invalid(at, port.get("containerPort"), detail)


def _validate_env(env: Sequence[Object], path: str) -> Iterator[Cause]:
    for index, variable in enumerate(env):
        at, name = f"{path}[{index}]", variable.get("name") or ""
        if not name:
            yield field.required(f"{at}.name")
        else:
            yield from validation.validate_name(name, f"{at}.name", validation.env_var_name)
        source = variable.get("valueFrom")
        if source is None:
            continue
        given = [key for key in _VALUE_SOURCES if source.get(key) is not None]
        if not given:
            detail = f"must specify one of: {', '.join(f'`{key}`' for key in _VALUE_SOURCES)}"
            yield field.invalid(f"{at}.valueFrom", "", detail)
        elif variable.get("value"):
            detail = "may not be specified when `value` is not empty"
            yield field.invalid(f"{at}.valueFrom", "", detail)
        elif len(given) > 1:
            detail = "may not have more than one field specified at a time"
            yield field.invalid(f"{at}.valueFrom", "", detail)
        else:
            yield from _validate_source(source, f"{at}.valueFrom")


def _validate_source(source: Object, path: str) -> Iterator[Cause]:
    if (reference := source.get("fieldRef")) is not None:
        yield from validate_field_ref(reference, f"{path}.fieldRef", ENV_FIELDS)
    if (reference := source.get("resourceFieldRef")) is not None:
        at = f"{path}.resourceFieldRef"
        yield from validate_resource_ref(reference, at, ENV_RESOURCES, named=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if (reference := source.get(kind)) is not None:
            absent = [key for key in ("name", "key") if not reference.get(key)]
            yield from (field.required(f"{path}.{kind}.{key}") for key in absent)
            if key := reference.get("key"):
                at = f"{path}.{kind}.key"
                yield from validation.validate_name(key, at, validation.config_map_key)


def _validate_env_from(sources: Sequence[Object], path: str) -> Iterator[Cause]:
    kinds = ("configMapRef", "secretRef")
    for index, source in enumerate(sources):
        at, given = f"{path}[{index}]", [kind for kind in kinds if source.get(kind) is not None]
        if prefix := source.get("prefix") or "":
            yield from validation.validate_name(prefix, f"{at}.prefix", validation.env_var_name)
        if not given:
            detail = "must specify one of: `configMapRef` or `secretRef`"
            yield field.invalid(at, "", detail)
        elif len(given) > 1:
            detail = "may not have more than one field specified at a time"
            yield field.invalid(at, "", detail)
        elif not source[given[0]].get("name"):
            yield field.required(f"{at}.{given[0]}.name")
